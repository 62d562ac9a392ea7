//! A load at a constant rate that hides no wait. Each connection has its own timetable, made before the start; how long a
//! request took is counted from when it was due, not from when it could at last be sent. So a server that stands still for
//! a moment is charged with every request that was due in it (what is called coordinated omission elsewhere).
//!
//! wrk and h2load wait for the answer before they look at the clock again, and the tools that do not are in no distribution
//! that this bench can count on; hence these lines. They run as a process of their own, on the CPU of the load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::support::pinned;

const CONNECTIONS: u32 = 64;

/// Microseconds from when a request was due to the end of its answer, and how many there were.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Waits {
    pub requests: usize,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
}

/// Asks for `path` `rate` times a second. `round` decides how the connections' timetables stand to each other, the same for
/// every server.
pub fn load(port: u16, rate: f64, seconds: u64, path: &str, token: &str, round: u64) -> Waits {
    let program = std::env::current_exe().expect("it runs");
    let words = [port.to_string(), rate.to_string(), seconds.to_string(), path.into(), token.into(), round.to_string()];
    let out = pinned(Some(0), &program.display().to_string())
        .arg("--steady")
        .args(words)
        .output()
        .expect("this program starts itself");
    let text = String::from_utf8_lossy(&out.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&out.stderr)))
}

/// What the process does that `load` starts.
pub fn run(words: &[String]) {
    let [port, rate, seconds, path, token, round] = words else { panic!("six words, not {words:?}") };
    let number = |word: &String| word.parse::<f64>().expect("a number");
    // Threads that wake fifty microseconds late, as they may by default, would measure themselves.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / number(rate));
    let end = Duration::from_secs_f64(number(seconds));
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let port = port.parse().expect("a port");
    let mut chance = fastrand::Rng::with_seed(number(round) as u64);
    let connections: Vec<_> =
        (0..CONNECTIONS).map(|_| (connect(port, &request), every.mul_f64(chance.f64()))).collect();
    let start = Instant::now() + Duration::from_millis(20);
    let all: Vec<u32> = std::thread::scope(|scope| {
        let run = |(stream, phase)| {
            let request = request.as_bytes();
            scope.spawn(move || timetable(stream, request, start + phase, every, start + end))
        };
        let running: Vec<_> = connections.into_iter().map(run).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("it comes to its end")).collect()
    });
    println!("{}", serde_json::to_string(&waits(all)).expect("plain data"));
}

/// A connection that has had an answer already.
fn connect(port: u16, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a TCP socket");
    stream.write_all(request.as_bytes()).expect("it reads");
    answer(&mut stream, &mut Vec::new());
    stream
}

fn timetable(mut stream: TcpStream, request: &[u8], first: Instant, every: Duration, end: Instant) -> Vec<u32> {
    let mut all = Vec::new();
    let mut buffer = Vec::with_capacity(4096);
    let mut due = first;
    while due < end {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(request).expect("it reads");
        answer(&mut stream, &mut buffer);
        all.push(due.elapsed().as_micros() as u32);
        due += every;
    }
    all
}

/// Reads one answer with a `Content-Length` to its end.
fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    let mut piece = [0_u8; 4096];
    loop {
        let read = stream.read(&mut piece).expect("it answers in time");
        assert!(read > 0, "hung up before the end of an answer");
        buffer.extend_from_slice(&piece[..read]);
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if buffer.len() >= end + 4 + length.expect("a length") {
            return;
        }
    }
}

fn waits(mut all: Vec<u32>) -> Waits {
    all.sort_unstable();
    let at = |part: f64| all.get((all.len() as f64 * part) as usize).map_or(f64::NAN, |wait| f64::from(*wait));
    Waits { requests: all.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999) }
}
