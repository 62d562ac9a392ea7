//! An issuer that hangs when it is asked about a token: whoever brings tokens of another issuer notices nothing, the line in
//! front of it has an end, and it is asked once however many bring the same token.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::good::{Good, exchange};
use crate::report::Report;
use crate::slow::SECRET;
use crate::support::{folder, free_port, gateway, nginx, token};

/// How long the issuer takes for an answer.
const SLOW: Duration = Duration::from_secs(2);
const FIRST_USES: usize = 200;
/// New tokens of the slow issuer, while others are watched.
const PER_SECOND: u32 = 100;
const TIME: Duration = Duration::from_secs(10);

pub fn run() -> Report {
    let folder = folder();
    std::fs::write(folder.path().join("secret"), "secret\n").expect("the temporary folder can be written");
    let (port, admin, behind) = (free_port(), free_port(), free_port());
    let upstream = "daemon off; master_process off; pid nginx.pid; events {}\nhttp { access_log off; \
                    keepalive_requests 1000000; server { listen 127.0.0.1:PORT; location / { return 200 hello; } } }\n";
    let upstream = upstream.replace("PORT", &behind.to_string());
    let _upstream = nginx("upstream", folder.path(), &upstream, behind, Some(1));
    let (issuer, asked) = issuer();
    let _ours = gateway(folder.path(), &yaml(port, admin, behind, issuer), port, Some(0));
    let good = format!("GET /good HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}", token(port));
    let mut report = Report::default();

    // The same token from everywhere at once, and then as many different ones.
    let same = at_once(|_| "the-same".to_owned(), port);
    report.at_most("calls for one token that 200 bring at once", asked.swap(0, Ordering::Relaxed) as f64, 1.0);
    report.at_least("of those 200, let in", count(&same, 200) as f64, FIRST_USES as f64);
    let different = at_once(|number| format!("other-{number}"), port);
    let others = FIRST_USES - count(&different, 200) - count(&different, 503);
    report.at_most("of 200 different ones, neither let in nor 503", others as f64, 0.0);
    report.note("of 200 different ones, 503", count(&different, 503));

    // New tokens at a steady pace, more than the slow issuer can say anything about.
    let before = Good::for_a_while(port, &good, TIME);
    let during = Good::begin(port, &good);
    let (start, mut asking) = (Instant::now(), Vec::new());
    for turn in 0.. {
        let due = Duration::from_secs(1) / PER_SECOND * turn;
        if due >= TIME {
            break;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        asking.push(std::thread::spawn(move || ask(port, &format!("steady-{turn}"))));
    }
    let during = during.end();
    for one in asking {
        one.join().expect("it does not panic");
    }
    report.at_most("p99 of the other issuer's callers", during.percentile(0.99) / before.percentile(0.99), 1.2);
    report.at_most("median of the other issuer's callers", during.percentile(0.5) / before.percentile(0.5), 1.2);
    report.at_most("their errors", during.errors as f64, 0.0);
    report.note("p99 before and during, ms", vec![before.percentile(0.99), during.percentile(0.99)]);
    report
}

fn count(answers: &[Option<u16>], status: u16) -> usize {
    answers.iter().filter(|answer| **answer == Some(status)).count()
}

fn at_once(token: impl Fn(usize) -> String, port: u16) -> Vec<Option<u16>> {
    let all: Vec<_> = (0..FIRST_USES)
        .map(|number| {
            let token = token(number);
            std::thread::spawn(move || ask(port, &token))
        })
        .collect();
    all.into_iter().map(|one| one.join().expect("it does not panic")).collect()
}

fn ask(port: u16, token: &str) -> Option<u16> {
    let request = format!("GET /slow HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut kept: Option<TcpStream> = None;
    exchange(port, &mut kept, &request)
}

/// Says of each token that it is good, slowly; and how often it was asked.
fn issuer() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let asked = Arc::clone(&counting);
            std::thread::spawn(move || introspect(stream, &asked));
        }
    });
    (port, asked)
}

fn introspect(mut stream: TcpStream, asked: &AtomicUsize) {
    let mut piece = [0; 8192];
    let mut all = Vec::new();
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        all.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&all).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        all.clear();
        asked.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(SLOW);
        let body = r#"{"active":true,"scope":"orders:read","client_id":"web","sub":"alice","aud":"https://api.test"}"#;
        let length = body.len();
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn yaml(port: u16, admin: u16, upstream: u16, issuer: u16) -> String {
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:{port}"}}]
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: issuer.db}}
observe: {{log: {{format: json}}}}
authority:
  issuer: http://127.0.0.1:{port}
  scopes: {{"orders:read": See orders}}
  clients:
    - id: bench
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [client_credentials]
      scopes: ["orders:read"]
issuers:
  slow:
    audience: "https://api.test"
    introspection:
      url: "http://127.0.0.1:{issuer}/introspect"
      client_id: gate
      client_secret: {{file: secret}}
upstreams: {{far: {{servers: ["http://127.0.0.1:{upstream}"]}}}}
routes:
  - {{match: GET /good, access: {{scope: "orders:read"}}, issuers: [authority], upstream: far}}
  - {{match: GET /slow, access: {{scope: "orders:read"}}, issuers: [slow], upstream: far}}
"#
    )
}
