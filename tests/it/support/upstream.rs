//! An upstream that writes down the exact bytes it gets and answers as the test says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Request line and headers, byte for byte.
    pub head: String,
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
}

impl Seen {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own == name)
    }
}

/// How to answer.
pub enum Reply {
    /// These bytes, and on with the connection.
    Bytes(Vec<u8>),
    /// These bytes, and then the end of the connection.
    Last(Vec<u8>),
    /// The test speaks itself from here on.
    Take(Box<dyn FnOnce(TcpStream) + Send>),
}

impl Reply {
    /// A 200 with this body.
    pub fn ok(body: &str) -> Self {
        Self::with(200, "Content-Type: text/plain\r\n", body)
    }

    pub fn with(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes())
    }
}

/// A listening server; ends with the process.
pub struct Upstream {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    counts: Arc<Counts>,
}

/// What came in, read or not.
#[derive(Default)]
struct Counts {
    bytes: AtomicUsize,
    connections: AtomicUsize,
}

impl Upstream {
    pub fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), reply)
    }

    pub fn on(listener: TcpListener, reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let counts: Arc<Counts> = Arc::default();
        let (all, reply, counting) = (Arc::clone(&seen), Arc::new(reply), Arc::clone(&counts));
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                let (all, reply, counts) = (Arc::clone(&all), Arc::clone(&reply), Arc::clone(&counting));
                counts.connections.fetch_add(1, Ordering::SeqCst);
                let mut stream = Counted { stream, counts };
                std::thread::spawn(move || serve(&mut stream, connection, &all, &*reply));
            }
        });
        Self { port, seen, counts }
    }

    /// One that says 200 to everything.
    pub fn plain() -> Self {
        Self::start(|_| Reply::ok("hello"))
    }

    /// Everything so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Every byte so far, also of what was no request.
    pub fn bytes(&self) -> usize {
        self.counts.bytes.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many have been opened.
    pub fn wait_for_connections(&self, count: usize) {
        let start = std::time::Instant::now();
        while self.connections() < count {
            assert!(start.elapsed() < std::time::Duration::from_secs(20), "nobody connects");
            std::thread::yield_now();
        }
    }

    /// The newest request.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the upstream has seen a request")
    }
}

/// A stream that counts what it reads.
struct Counted {
    stream: TcpStream,
    counts: Arc<Counts>,
}

fn serve(stream: &mut Counted, connection: usize, all: &Mutex<Vec<Seen>>, reply: &(dyn Fn(&Seen) -> Reply + Sync)) {
    let mut read = Vec::new();
    while let Some(seen) = next(stream, &mut read, connection) {
        all.lock().unwrap().push(seen.clone());
        match reply(&seen) {
            Reply::Bytes(bytes) => {
                if stream.stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            Reply::Last(bytes) => {
                let _ = stream.stream.write_all(&bytes);
                return;
            }
            Reply::Take(act) => return act(stream.stream.try_clone().unwrap()),
        }
    }
}

fn next(stream: &mut Counted, read: &mut Vec<u8>, connection: usize) -> Option<Seen> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut fields);
        if let Ok(httparse::Status::Complete(end)) = head.parse(read) {
            let field = |field: &httparse::Header<'_>| {
                (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned())
            };
            let mut seen = Seen {
                head: String::from_utf8_lossy(&read[..end]).into_owned(),
                method: head.method.unwrap_or_default().to_owned(),
                target: head.path.unwrap_or_default().to_owned(),
                headers: head.headers.iter().map(field).collect(),
                body: Vec::new(),
                connection,
            };
            read.drain(..end);
            seen.body = body(&seen, stream, read)?;
            return Some(seen);
        }
        more(stream, read)?;
    }
}

fn body(seen: &Seen, stream: &mut Counted, read: &mut Vec<u8>) -> Option<Vec<u8>> {
    if let Ok(length) = seen.header("content-length").parse::<usize>() {
        while read.len() < length {
            more(stream, read)?;
        }
        return Some(read.drain(..length).collect());
    }
    let mut body = Vec::new();
    while seen.header("transfer-encoding") == "chunked" {
        match httparse::parse_chunk_size(read) {
            Ok(httparse::Status::Complete((start, size))) => {
                let size = usize::try_from(size).unwrap();
                while read.len() < start + size + 2 {
                    more(stream, read)?;
                }
                body.extend_from_slice(&read[start..start + size]);
                read.drain(..start + size + 2);
                if size == 0 {
                    break;
                }
            }
            _ => more(stream, read)?,
        }
    }
    Some(body)
}

fn more(stream: &mut Counted, read: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 64 * 1024];
    match stream.stream.read(&mut piece) {
        Ok(0) | Err(_) => None,
        Ok(count) => {
            stream.counts.bytes.fetch_add(count, Ordering::SeqCst);
            read.extend_from_slice(&piece[..count]);
            Some(())
        }
    }
}
