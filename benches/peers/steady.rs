//! A load at a constant rate that hides no wait. Each connection has its own timetable, made before the start; how long a
//! request took is counted from when it was due, not from when it could at last be sent. So a server that stands still for
//! a moment is charged with every request that was due in it (what is called coordinated omission elsewhere).
//!
//! wrk and h2load wait for the answer before they look at the clock again, and the tools that do not are in no distribution
//! that this bench can count on; hence these lines. They run as a process of their own, on the CPU of the load, and on one
//! thread: with a thread for each connection, what is measured is how the kernel chooses among them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use serde::{Deserialize, Serialize};

use crate::support::pinned;

const CONNECTIONS: u32 = 64;
/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

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
    // Who wakes fifty microseconds late, as the kernel may by default, would measure that.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / number(rate));
    let length = Duration::from_secs_f64(number(seconds));
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let port = port.parse().expect("a port");
    let mut chance = fastrand::Rng::with_seed(number(round) as u64);
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(port, request.as_bytes())).collect();
    let start = Instant::now() + Duration::from_millis(20);
    let due = (0..connections.len()).map(|at| Reverse((start + every.mul_f64(chance.f64()), at))).collect();
    let all = Timetable { connections, due, every, end: start + length, request }.run();
    println!("{}", serde_json::to_string(&waits(all)).expect("plain data"));
}

/// A connection, and when the request on it was due that has not been answered.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    asked: Option<Instant>,
}

impl Connection {
    /// One that has had an answer already.
    fn open(port: u16, request: &[u8]) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a TCP socket");
        let mut connection = Self { stream, answer: Vec::with_capacity(4096), asked: None };
        connection.ask(request, Instant::now());
        while connection.read().is_none() {}
        connection.stream.set_nonblocking(true).expect("a socket");
        connection
    }

    fn ask(&mut self, request: &[u8], due: Instant) {
        // A request is less than what a socket takes at once.
        self.stream.write_all(request).expect("it reads");
        self.asked = Some(due);
    }

    /// Reads on; when the answer is whole, when its request was due.
    fn read(&mut self) -> Option<Instant> {
        let mut piece = [0_u8; 4096];
        let read = match self.stream.read(&mut piece) {
            Err(fault) if fault.kind() == std::io::ErrorKind::WouldBlock => return None,
            read => read.expect("it answers in time"),
        };
        assert!(read > 0, "hung up before the end of an answer");
        self.answer.extend_from_slice(&piece[..read]);
        if !is_whole(&self.answer) {
            return None;
        }
        self.answer.clear();
        self.asked.take()
    }
}

/// Whether it is an answer with a `Content-Length`, to its end.
fn is_whole(answer: &[u8]) -> bool {
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut lines);
    let httparse::Status::Complete(end) = head.parse(answer).expect("an answer") else { return false };
    assert_eq!(head.code, Some(200));
    let length = head.headers.iter().find(|line| line.name.eq_ignore_ascii_case("content-length")).expect("a length");
    let length: usize = std::str::from_utf8(length.value).expect("digits").parse().expect("digits");
    answer.len() >= end + length
}

/// All connections, and which of them are to ask when.
struct Timetable {
    connections: Vec<Connection>,
    /// Of those that wait for no answer.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    every: Duration,
    end: Instant,
    request: String,
}

impl Timetable {
    /// How long each request took, in microseconds.
    fn run(mut self) -> Vec<u32> {
        let epoll = self.watched();
        let mut events = Vec::with_capacity(self.connections.len());
        let mut all = Vec::new();
        while let Some(most) = self.ask() {
            let most = Timespec { tv_sec: most.as_secs() as i64, tv_nsec: i64::from(most.subsec_nanos()) };
            events.clear();
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&most)).expect("an epoll");
            assert!(!events.is_empty() || !self.due.is_empty(), "it answers in time");
            for event in &events {
                let at = event.data.u64() as usize;
                if let Some(due) = self.connections[at].read() {
                    all.push(due.elapsed().as_micros() as u32);
                    self.due.push(Reverse((due + self.every, at)));
                }
            }
        }
        all
    }

    fn watched(&self) -> OwnedFd {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        for (at, connection) in self.connections.iter().enumerate() {
            let data = epoll::EventData::new_u64(at as u64);
            epoll::add(&epoll, &connection.stream, data, epoll::EventFlags::IN).expect("a socket");
        }
        epoll
    }

    /// Sends all that is due; how long nothing will be, or `None` when all is over.
    fn ask(&mut self) -> Option<Duration> {
        while let Some(Reverse((due, at))) = self.due.peek().copied() {
            let wait = due.saturating_duration_since(Instant::now());
            if due < self.end && !wait.is_zero() {
                return Some(wait);
            }
            self.due.pop();
            if due < self.end {
                self.connections[at].ask(self.request.as_bytes(), due);
            }
        }
        self.connections.iter().any(|connection| connection.asked.is_some()).then_some(PATIENCE)
    }
}

fn waits(mut all: Vec<u32>) -> Waits {
    all.sort_unstable();
    let at = |part: f64| all.get((all.len() as f64 * part) as usize).map_or(f64::NAN, |wait| f64::from(*wait));
    Waits { requests: all.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999) }
}
