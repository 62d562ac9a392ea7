//! Bytes to an HTTP/1.1 server and back, exactly as given.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// All values of a header.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own == name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The reason code of a refusal.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A connection that reads answers off what it sends.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// The next answer; `head` when it answers a HEAD request.
    pub fn answer_to(&mut self, head: bool) -> Answer {
        let (status, headers) = self.head();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if head || status / 100 == 1 || status == 204 || status == 304 {
            return answer;
        }
        if let Ok(length) = answer.header("content-length").parse::<usize>() {
            while self.read.len() < length {
                assert!(self.more(), "ended before the body did");
            }
            answer.body = self.read.drain(..length).collect();
        } else if answer.header("transfer-encoding") == "chunked" {
            answer.body = self.chunks();
        } else {
            while self.more() {}
            answer.body = std::mem::take(&mut self.read);
        }
        answer
    }

    pub fn answer(&mut self) -> Answer {
        self.answer_to(false)
    }

    /// Whether the server has closed without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.more()
    }

    fn head(&mut self) -> (u16, Vec<(String, String)>) {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 64];
            let mut head = httparse::Response::new(&mut fields);
            if let httparse::Status::Complete(end) = head.parse(&self.read).expect("a readable head") {
                let field = |field: &httparse::Header<'_>| {
                    (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned())
                };
                let found = (head.code.unwrap(), head.headers.iter().map(field).collect());
                self.read.drain(..end);
                return found;
            }
            assert!(self.more(), "ended before the head did: {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            match httparse::parse_chunk_size(&self.read).expect("a readable chunk") {
                httparse::Status::Complete((start, size)) => {
                    let size = usize::try_from(size).unwrap();
                    while self.read.len() < start + size + 2 {
                        assert!(self.more(), "ended inside a chunk");
                    }
                    body.extend_from_slice(&self.read[start..start + size]);
                    self.read.drain(..start + size + 2);
                    if size == 0 {
                        return body;
                    }
                }
                httparse::Status::Partial => assert!(self.more(), "ended between chunks"),
            }
        }
    }

    /// Reads on; false at the end.
    pub fn more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(read) => {
                self.read.extend_from_slice(&piece[..read]);
                true
            }
            // A server that closes with bytes of ours unread resets; that is an end as well.
            Err(fault) if fault.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(fault) => panic!("{fault}"),
        }
    }

    /// What has been read and not been taken.
    pub fn pending(&self) -> &[u8] {
        &self.read
    }
}

/// One exchange on a connection of its own.
pub fn exchange(port: u16, bytes: impl AsRef<[u8]>) -> Answer {
    let mut wire = Wire::open(port);
    let head = bytes.as_ref().starts_with(b"HEAD ");
    wire.send(bytes);
    wire.answer_to(head)
}
