//! Fifty logins a second, each a slow hash: what callers with a token notice, and whether names can be told apart by time.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::good::{Good, exchange};
use crate::report::Report;
use crate::slow::SECRET;
use crate::support::{folder, free_port, gateway, median, nginx, token};

const PER_SECOND: u32 = 50;
const TIME: Duration = Duration::from_secs(20);
/// Memory of one hash, in bytes (the parameters of Argon2id that the gateway uses), and of what comes with it.
const OF_ONE_HASH: f64 = 20e6;

pub fn run() -> Report {
    let folder = folder();
    let (port, admin, behind) = (free_port(), free_port(), free_port());
    for name in ["alice", "bob"] {
        std::fs::write(folder.path().join(name), format!("a sentence of {name}\n")).expect("it can be written");
    }
    let upstream = "daemon off; master_process off; pid nginx.pid; events {}\nhttp { access_log off; \
                    keepalive_requests 1000000; server { listen 127.0.0.1:PORT; location / { return 200 hello; } } }\n";
    let upstream = upstream.replace("PORT", &behind.to_string());
    let _upstream = nginx("upstream", folder.path(), &upstream, behind, Some(1));
    let ours = gateway(folder.path(), &yaml(port, admin, behind), port, Some(0));
    let good = format!("GET /good HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}", token(port));
    let mut report = Report::default();

    let (known, unknown) = guesses(port);
    report.at_most("known and unknown names, difference of the medians", (known / unknown - 1.0).abs(), 0.03);

    let before = Good::for_a_while(port, &good, Duration::from_secs(10));
    let resident = ours.resident();
    let during = Good::begin(port, &good);
    let (answers, peak) = storm(port, || ours.resident());
    let during = during.end();
    report.at_most("p99, times that of before", during.percentile(0.99) / before.percentile(0.99), 2.0);
    report.at_most("median, times that of before", during.percentile(0.5) / before.percentile(0.5), 2.0);
    report.at_most("errors of callers with a token", during.errors as f64, 0.0);
    let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    report.at_most("growth, MB", peak.saturating_sub(resident) as f64 / 1e6, cores * OF_ONE_HASH / 1e6 + 10.0);
    let count = |status: u16| answers.iter().filter(|answer| **answer == Some(status)).count();
    let others = answers.len() - count(200) - count(503) - count(429);
    report.at_most("answers that are neither 200 nor 503 nor 429", others as f64, 0.0);
    report.note("logins a second", count(200) as f64 / TIME.as_secs_f64());
    report.note("turned away", count(503) + count(429));
    report.note("p99 before and during, ms", vec![before.percentile(0.99), during.percentile(0.99)]);
    report
}

/// Medians of the time that a wrong password takes, of users that there are and of others, in turn, each from an address of
/// its own so that nobody is made to wait.
fn guesses(port: u16) -> (f64, f64) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..40 {
        for (name, times) in [("bob", &mut known), ("nobody", &mut unknown)] {
            // An account as a whole has a budget too.
            let name = if name == "bob" { format!("bob{}", round % 4) } else { format!("nobody{}", round % 4) };
            let start = Instant::now();
            let status = login(port, &name, "wrong", round);
            times.push(start.elapsed().as_secs_f64());
            assert_eq!(status, Some(400), "a wrong password is refused");
        }
    }
    (median(known), median(unknown))
}

/// Logins at a steady pace, however long the answers take; the answers, and the most memory seen.
fn storm(port: u16, resident: impl Fn() -> u64) -> (Vec<Option<u16>>, u64) {
    let start = Instant::now();
    let mut all = Vec::new();
    let mut peak = 0;
    for turn in 0.. {
        let due = Duration::from_secs(1) / PER_SECOND * turn;
        if due >= TIME {
            break;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        all.push(std::thread::spawn(move || login(port, "alice", "a sentence of alice", u64::from(turn))));
        peak = peak.max(resident());
    }
    (all.into_iter().map(|one| one.join().expect("it does not panic")).collect(), peak)
}

fn login(port: u16, name: &str, password: &str, from: u64) -> Option<u16> {
    let form = format!(
        "grant_type=password&client_id=phone&client_secret=bench-secret&username={name}&password={}",
        password.replace(' ', "+")
    );
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Forwarded-For: 198.51.{}.{}\r\nContent-Length: {}\r\n\r\n{form}",
        from / 250,
        from % 250,
        form.len()
    );
    let mut kept: Option<TcpStream> = None;
    exchange(port, &mut kept, &request)
}

fn yaml(port: u16, admin: u16, upstream: u16) -> String {
    let users: String =
        (0..4).map(|number| format!("\n    - {{name: bob{number}, password: {{file: bob}}}}")).collect();
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:{port}", trusted_proxies: [127.0.0.1]}}]
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: logins.db}}
observe: {{log: {{format: json}}}}
authority:
  issuer: http://127.0.0.1:{port}
  scopes: {{"orders:read": See orders}}
  clients:
    - id: bench
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [client_credentials]
      scopes: ["orders:read"]
    - id: phone
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [password]
      danger_allow_password_grant: true
      scopes: ["orders:read"]
  users:
    - {{name: alice, password: {{file: alice}}}}{users}
upstreams: {{far: {{servers: ["http://127.0.0.1:{upstream}"]}}}}
routes:
  - {{match: GET /good, access: {{scope: "orders:read"}}, upstream: far}}
"#
    )
}
