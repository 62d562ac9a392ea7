//! What the gateway holds while it works: 50 MB up and 50 MB down stream through it, and 10,000 connections idle.
//!
//! `cargo bench --bench memory`. Goals: under 16 MB of growth while streaming, under 150 MB with 10,000 idle connections.
//! The upstream is a plain thread that reads everything and sends as much; the client is another.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time, and may panic"
)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use support::{Running, folder, free_port, gateway, idle, raise_descriptor_limit};

const MEGABYTE: usize = 1_000_000;
const STREAMED: usize = 50 * MEGABYTE;
const IDLE: usize = 10_000;

fn main() {
    raise_descriptor_limit();
    let folder = folder();
    let (port, admin) = (free_port(), free_port());
    let upstream = upstream();
    let ours = gateway(folder.path(), &yaml(port, admin, upstream), port, None);
    let _ = download(port, MEGABYTE); // warms pools and buffers
    let start = ours.resident();
    println!("resident at start: {}", megabytes(start));

    let down = peak_while(&ours, || assert_eq!(download(port, STREAMED), STREAMED));
    println!("50 MB down: grew by {}", megabytes(down.saturating_sub(start)));
    let up = peak_while(&ours, || assert_eq!(upload(port, STREAMED), STREAMED));
    println!("50 MB up: grew by {}", megabytes(up.saturating_sub(start)));
    assert!(down.saturating_sub(start) < 16 * MEGABYTE as u64, "the goal is under 16 MB");
    assert!(up.saturating_sub(start) < 16 * MEGABYTE as u64, "the goal is under 16 MB");

    let idle: Vec<TcpStream> = (0..IDLE).map(|_| idle::clear(port, "GET /hello HTTP/1.1\r\nHost: localhost")).collect();
    let resident = ours.resident();
    println!("{} idle keep-alive connections: {} resident in all", idle.len(), megabytes(resident));
    println!("per connection: {:.1} kB", (resident.saturating_sub(start)) as f64 / 1000.0 / IDLE as f64);
    assert!(resident < 150 * MEGABYTE as u64, "the goal is under 150 MB");
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / MEGABYTE as f64)
}

/// The largest resident size seen while `work` runs.
fn peak_while(ours: &Running, work: impl FnOnce() + Send) -> u64 {
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        let mut peak = ours.resident();
        while !working.is_finished() {
            peak = peak.max(ours.resident());
            std::thread::sleep(Duration::from_millis(5));
        }
        peak
    })
}

fn download(port: u16, bytes: usize) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
    write!(stream, "GET /down/{bytes} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut all = vec![0_u8; 64 * 1024];
    let mut head = Vec::new();
    let mut body = 0;
    let mut in_body = false;
    loop {
        let read = stream.read(&mut all).expect("it answers");
        if read == 0 {
            return body;
        }
        if in_body {
            body += read;
            continue;
        }
        head.extend_from_slice(&all[..read]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head[..end]));
            body = head.len() - end - 4;
            in_body = true;
        }
    }
}

/// Sends that much; the upstream answers how much it got.
fn upload(port: u16, bytes: usize) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
    write!(stream, "POST /up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n")
        .expect("it reads");
    let piece = vec![b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(piece.len());
        stream.write_all(&piece[..now]).expect("it reads");
        left -= now;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.rsplit("\r\n\r\n").next().and_then(|body| body.trim().parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// `/down/N` sends N bytes, `/up` counts what it gets.
fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn serve(mut stream: TcpStream) {
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut head = Vec::new();
    let end = loop {
        let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
        head.extend_from_slice(&buffer[..read]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&head[..end]).to_lowercase();
    if let Some(bytes) = text.strip_prefix("get /down/").and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok())
    {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n");
        let mut left = bytes;
        while left > 0 {
            let now = left.min(buffer.len());
            if stream.write_all(&buffer[..now]).is_err() {
                return;
            }
            left -= now;
        }
    } else {
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
        let mut got = head.len() - end;
        while got < length.unwrap_or(0) {
            let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
            got += read;
        }
        let body = got.to_string();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    }
}

fn yaml(port: u16, admin: u16, upstream: u16) -> String {
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:{port}", limits: {{connections_per_address: 20000}}}}]
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: bench.db}}
observe: {{log: {{format: json}}}}
upstreams:
  far: {{servers: ["http://127.0.0.1:{upstream}"]}}
routes:
  - {{match: GET /down/**, access: public, upstream: far}}
  - {{match: POST /up, access: public, upstream: far, body: {{max: 1GiB}}}}
  - {{match: GET /hello, access: public, respond: {{status: 200, body: hello}}}}
"#
    )
}
