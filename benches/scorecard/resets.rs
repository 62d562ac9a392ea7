//! An upstream that cannot be relied on: it closes idle connections when it likes, and resets one request in twenty after it
//! has read it. No answer may go to another client, and nothing that changes something may be done twice.

use std::collections::HashMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::good::answer;
use crate::report::Report;
use crate::support::{folder, free_port, gateway, nginx};

const REQUESTS: usize = 100_000;
const CLIENTS: usize = 16;

/// What the upstream has done.
#[derive(Default)]
struct Ledger {
    /// How often it has read the request with this body.
    done: Mutex<HashMap<String, usize>>,
    seen: AtomicUsize,
    reset: AtomicUsize,
}

pub fn run() -> Report {
    let folder = folder();
    let mut report = Report::default();
    let (upstream, ledger) = upstream();
    let (port, admin) = (free_port(), free_port());
    let ours = gateway(folder.path(), &yaml(port, admin, upstream), port, Some(0));
    let found = rehearse(port, &ledger);
    drop(ours);
    report.at_most("GET: errors that a client saw", found.get_errors as f64, 0.0);
    report.at_most("POST: done more than once", found.twice as f64, 0.0);
    report.at_most("answers to somebody else", found.crossed as f64, 0.0);
    report.at_most("requests sent again, of all", found.again, 0.2);
    report.note("POST: answered 502, and done once", found.post_errors);
    report.note("resets", ledger.reset.load(Ordering::Relaxed));

    let (upstream, ledger) = self::upstream();
    let port = free_port();
    let peer = nginx("peer", folder.path(), &beside(port, upstream), port, Some(0));
    let found = rehearse(port, &ledger);
    drop(peer);
    report.note("nginx: GET: errors that a client saw", found.get_errors);
    report.note("nginx: POST: done more than once", found.twice);
    report.note("nginx: answers to somebody else", found.crossed);
    report
}

struct Found {
    get_errors: usize,
    post_errors: usize,
    twice: usize,
    crossed: usize,
    /// Of all requests, those that were sent again.
    again: f64,
}

fn rehearse(port: u16, ledger: &Ledger) -> Found {
    let (get_errors, post_errors, crossed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (get_errors, post_errors, crossed) = (&get_errors, &post_errors, &crossed);
            scope.spawn(move || {
                let mut kept = None;
                for number in 0..REQUESTS / CLIENTS {
                    let name = format!("{client}-{number}");
                    let post = number % 4 == 0;
                    match ask(port, &mut kept, &name, post) {
                        Some((200, body)) if body == name.as_bytes() => {}
                        Some((200, _)) => drop(crossed.fetch_add(1, Ordering::Relaxed)),
                        Some(_) | None => {
                            let errors = if post { post_errors } else { get_errors };
                            errors.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let twice = ledger.done.lock().unwrap().values().filter(|times| **times > 1).count();
    let again = ledger.seen.load(Ordering::Relaxed) as f64 / REQUESTS as f64 - 1.0;
    Found {
        get_errors: get_errors.into_inner(),
        post_errors: post_errors.into_inner(),
        twice,
        crossed: crossed.into_inner(),
        again,
    }
}

fn ask(port: u16, kept: &mut Option<TcpStream>, name: &str, post: bool) -> Option<(u16, Vec<u8>)> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(("127.0.0.1", port)).ok()?,
    };
    let request = if post {
        format!("POST /do HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{name}", name.len())
    } else {
        format!("GET /echo?{name} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    };
    stream.write_all(request.as_bytes()).ok()?;
    let answered = answer(&mut stream)?;
    *kept = Some(stream);
    Some(answered)
}

/// Answers with the name in the request, if it answers.
fn upstream() -> (u16, Arc<Ledger>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let ledger = Arc::new(Ledger::default());
    let writing = Arc::clone(&ledger);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let ledger = Arc::clone(&writing);
            std::thread::spawn(move || serve(stream, &ledger));
        }
    });
    (port, ledger)
}

fn serve(mut stream: TcpStream, ledger: &Ledger) {
    let mut all = Vec::new();
    while let Some((name, post)) = request(&mut stream, &mut all) {
        ledger.seen.fetch_add(1, Ordering::Relaxed);
        if post {
            *ledger.done.lock().unwrap().entry(name.clone()).or_default() += 1;
        }
        if fastrand::usize(..20) == 0 {
            ledger.reset.fetch_add(1, Ordering::Relaxed);
            let _ = socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
            return;
        }
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
        // One kept connection in twenty ends between two requests.
        if stream.write_all(answer.as_bytes()).is_err() || fastrand::usize(..20) == 0 {
            return;
        }
    }
}

/// The name in the next request, and whether it is a POST.
fn request(stream: &mut TcpStream, all: &mut Vec<u8>) -> Option<(String, bool)> {
    use std::io::Read;
    let mut piece = [0; 4096];
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut fields);
        if let Ok(httparse::Status::Complete(end)) = head.parse(all) {
            let post = head.method? == "POST";
            let name = head.path?.rsplit('?').next()?.to_owned();
            let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
            let length = length.map_or(Some(0), |field| std::str::from_utf8(field.value).ok()?.parse().ok())?;
            if all.len() >= end + length {
                let body = String::from_utf8(all[end..end + length].to_vec()).ok()?;
                all.drain(..end + length);
                return Some((if post { body } else { name }, post));
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(read) => all.extend_from_slice(&piece[..read]),
        }
    }
}

fn yaml(port: u16, admin: u16, upstream: u16) -> String {
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:{port}"}}]
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: resets.db}}
observe: {{log: {{format: json}}}}
upstreams: {{far: {{servers: ["http://127.0.0.1:{upstream}"]}}}}
routes: [{{match: "* /**", access: public, upstream: far}}]
"#
    )
}

fn beside(port: u16, upstream: u16) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid; events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 1000000;\n\
           upstream far {{ server 127.0.0.1:{upstream}; keepalive 64; }}\n\
           server {{ listen 127.0.0.1:{port};\n\
             location / {{ proxy_pass http://far; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n"
    )
}
