//! A client that behaves: 200 requests a second on one connection, each after the answer to the one before.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between the beginnings of two requests.
const PACE: Duration = Duration::from_millis(5);

/// What it has seen.
pub struct Seen {
    /// Sorted.
    pub latencies: Vec<Duration>,
    pub errors: usize,
}

impl Seen {
    /// The latency, in milliseconds, that this part of the requests stayed under.
    pub fn percentile(&self, part: f64) -> f64 {
        let index = ((self.latencies.len() as f64 * part) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

/// One at work.
pub struct Good {
    stop: Arc<AtomicBool>,
    working: JoinHandle<Seen>,
}

impl Good {
    /// `head` is the whole request without its last empty line.
    pub fn begin(port: u16, head: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (over, request) = (Arc::clone(&stop), format!("{head}\r\n\r\n"));
        Self { stop, working: std::thread::spawn(move || work(port, &request, &over)) }
    }

    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.working.join().expect("it does not panic")
    }

    /// One that worked for so long.
    pub fn for_a_while(port: u16, head: &str, time: Duration) -> Seen {
        let good = Self::begin(port, head);
        std::thread::sleep(time);
        good.end()
    }
}

fn work(port: u16, request: &str, over: &AtomicBool) -> Seen {
    let mut seen = Seen { latencies: Vec::new(), errors: 0 };
    let mut stream = None;
    let mut next = Instant::now();
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += PACE;
        let start = Instant::now();
        match exchange(port, &mut stream, request) {
            Some(200) => seen.latencies.push(start.elapsed()),
            Some(_) | None => {
                seen.errors += 1;
                stream = None;
            }
        }
    }
    seen.latencies.sort_unstable();
    seen
}

/// Sends on the connection that is open, or a new one; the status of the answer, whose body is read too.
pub fn exchange(port: u16, kept: &mut Option<TcpStream>, request: &str) -> Option<u16> {
    if kept.is_none() {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        stream.set_nodelay(true).ok()?;
        *kept = Some(stream);
    }
    let stream = kept.as_mut()?;
    stream.write_all(request.as_bytes()).ok()?;
    let (status, _) = answer(stream)?;
    Some(status)
}

/// One answer with a `Content-Length`: its status and body.
pub fn answer(stream: &mut TcpStream) -> Option<(u16, Vec<u8>)> {
    let mut all = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut fields);
        if let Ok(httparse::Status::Complete(end)) = head.parse(&all) {
            let length = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
            let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok())?;
            if all.len() >= end + length {
                return Some((head.code?, all[end..end + length].to_vec()));
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(read) => all.extend_from_slice(&piece[..read]),
        }
    }
}
