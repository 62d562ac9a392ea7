//! 10,000 clients that take their time, in four ways: with the head, with the body, with reading, and saying nothing.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::good::{Good, Seen};
use crate::report::Report;
use crate::support::{Running, folder, free_port, gateway, nginx, token};

const EACH: usize = 2500;
/// The bounds in both configurations.
const BOUND: Duration = Duration::from_secs(10);
/// How long the slow ones are watched: past all bounds, and the second that a tick may take.
const WATCHED: Duration = Duration::from_secs(16);

struct Slow {
    stream: TcpStream,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Body,
    Reader,
    Idle,
}

pub fn run() -> Report {
    let folder = folder();
    let behind = free_port();
    std::fs::write(folder.path().join("large"), vec![b'x'; 16 << 20]).expect("the temporary folder can be written");
    let _upstream = nginx("upstream", folder.path(), &upstream(behind, folder.path()), behind, Some(1));
    let mut report = Report::default();

    let (port, admin) = (free_port(), free_port());
    let ours = gateway(folder.path(), &yaml(port, admin, behind), port, Some(0));
    let head = format!("GET /good HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}", token(port));
    let found = rehearse(&ours, port, &head);
    report.at_most("p99, times that of before", found.slower(), 2.0);
    report.at_most("errors of the good client", found.during.errors as f64, 0.0);
    report.at_most("kB per slow connection", found.per_connection / 1000.0, 12.0);
    report.at_most("slow heads, bodies and readers not cut", found.left as f64, 0.0);
    report.at_most("resident afterwards, times that of before", found.afterwards, 1.2);
    report.note("p99 before, ms", found.before.percentile(0.99));
    report.note("p99 during, ms", found.during.percentile(0.99));

    let port = free_port();
    let peer = nginx("peer", folder.path(), &beside(port, behind), port, Some(0));
    let found = rehearse(&peer, port, "GET /good HTTP/1.1\r\nHost: localhost");
    report.note("nginx: p99, times that of before", found.slower());
    report.note("nginx: errors of the good client", found.during.errors);
    report.note("nginx: kB per slow connection", found.per_connection / 1000.0);
    report.note("nginx: slow heads, bodies and readers not cut", found.left);
    report
}

struct Found {
    before: Seen,
    during: Seen,
    per_connection: f64,
    left: usize,
    afterwards: f64,
}

impl Found {
    fn slower(&self) -> f64 {
        self.during.percentile(0.99) / self.before.percentile(0.99)
    }
}

fn rehearse(server: &Running, port: u16, good: &str) -> Found {
    let before = Good::for_a_while(port, good, Duration::from_secs(10));
    let start = server.resident();
    let kinds = [Kind::Head, Kind::Body, Kind::Reader, Kind::Idle];
    let mut all: Vec<Slow> = (0..EACH).flat_map(|_| kinds).map(|kind| open(port, kind)).collect();
    let peak = server.resident();
    let good = Good::begin(port, good);
    let began = Instant::now();
    while began.elapsed() < WATCHED {
        // Each once a second, and not all at the same moment.
        for part in 0..10 {
            let turn = Instant::now();
            all.iter_mut().skip(part).step_by(10).for_each(dawdle);
            std::thread::sleep(Duration::from_millis(100).saturating_sub(turn.elapsed()));
        }
    }
    let during = good.end();
    // The system tells: a client that does not read never learns that its connection has ended.
    let left = established(port).saturating_sub(EACH + 1);
    let per_connection = peak.saturating_sub(start) as f64 / all.len() as f64;
    drop(all);
    std::thread::sleep(Duration::from_secs(30));
    Found { before, during, per_connection, left, afterwards: server.resident() as f64 / start as f64 }
}

/// Connections to a port that both ends keep open, as Linux counts them.
fn established(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let ours = format!(":{port:04X}");
    let is_ours = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&ours)) && words.nth(1) == Some("01")
    };
    table.lines().filter(is_ours).count()
}

fn open(port: u16, kind: Kind) -> Slow {
    let start = Instant::now();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port)).into();
    let mut stream: TcpStream = loop {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        if kind == Kind::Reader {
            // Before it connects, or the other side's system takes all of the answer.
            socket.set_recv_buffer_size(4096).expect("it can be smaller");
        }
        match socket.connect(&address) {
            Ok(()) => break socket.into(),
            Err(fault) => assert!(start.elapsed() < Duration::from_secs(10), "{fault}"),
        }
    };
    let begin = match kind {
        Kind::Head => "GET /good HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        Kind::Body => "POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
        Kind::Reader => "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n",
        Kind::Idle => "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
    };
    stream.write_all(begin.as_bytes()).expect("it reads");
    stream.set_nonblocking(true).expect("a socket can be");
    Slow { stream, kind }
}

/// What it does once a second: a slow head gets one more byte, all others are silent.
fn dawdle(slow: &mut Slow) {
    if slow.kind == Kind::Head {
        let _ = slow.stream.write_all(b"x");
    }
}

fn upstream(port: u16, folder: &std::path::Path) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid; worker_rlimit_nofile 65536;\n\
         events {{ worker_connections 30000; }}\n\
         http {{ access_log off; keepalive_requests 1000000; client_max_body_size 100m;\n\
           server {{ listen 127.0.0.1:{port} backlog=16384;\n\
             location / {{ return 200 hello; }}\n\
             # Read whole before it is answered.\n\
             location = /up {{ proxy_pass http://127.0.0.1:{port}/; }}\n\
             location = /large {{ root {}; }} }} }}\n",
        folder.display()
    )
}

fn yaml(port: u16, admin: u16, upstream: u16) -> String {
    format!(
        r#"version: 1
listen:
  - address: "127.0.0.1:{port}"
    limits: {{connections_per_address: 20000, head_timeout: 10s, body_timeout: 10s, idle_timeout: 60s}}
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: slow.db}}
observe: {{log: {{format: json}}}}
authority:
  issuer: http://127.0.0.1:{port}
  scopes: {{"orders:read": See orders}}
  clients:
    - id: bench
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [client_credentials]
      scopes: ["orders:read"]
upstreams: {{far: {{servers: ["http://127.0.0.1:{upstream}"]}}}}
routes:
  - {{match: GET /good, access: {{scope: "orders:read"}}, upstream: far}}
  - {{match: GET /large, access: public, upstream: far}}
  - {{match: POST /up, access: public, upstream: far}}
  - {{match: GET /hello, access: public, upstream: far}}
"#
    )
}

fn beside(port: u16, upstream: u16) -> String {
    let bound = BOUND.as_secs();
    format!(
        "daemon off; master_process off; pid nginx.pid; worker_rlimit_nofile 65536;\n\
         events {{ worker_connections 30000; }}\n\
         http {{ access_log off; keepalive_requests 1000000;\n\
           client_header_timeout {bound}s; client_body_timeout {bound}s; send_timeout {bound}s; keepalive_timeout 60s;\n\
           upstream far {{ server 127.0.0.1:{upstream}; keepalive 64; }}\n\
           proxy_max_temp_file_size 0;\n\
           server {{ listen 127.0.0.1:{port} backlog=16384;\n\
             location / {{ proxy_pass http://far; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n"
    )
}

pub const SECRET: &str = "0159438a9235d6abde38e49fb98944660d067d6b9b03d8a8f4ee4e522feb62cb";
