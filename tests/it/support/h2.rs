//! HTTP/2 to the gateway, frame by frame, over TLS: what no library would send.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame that came.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    read: Vec<u8>,
}

/// What became of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Status(u16),
    Reset(u32),
    /// The connection has ended, with or without a GOAWAY.
    Gone,
}

impl Connection {
    /// Shakes hands, and sends the preface with these settings.
    pub fn open(port: u16, name: &str, ca_pem: &str, settings: &[u8]) -> Self {
        use rustls::pki_types::pem::PemObject as _;
        let mut roots = RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut connection = Self { stream: StreamOwned::new(client, socket), read: Vec::new() };
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(frame(SETTINGS, 0, 0, settings));
        assert!(connection.send(&hello));
        connection
    }

    /// `false` when the gateway does not take it any more.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// The next frame; `None` at the end of the connection.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(head) = self.read.get(..9) {
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                if self.read.len() >= 9 + length {
                    let bytes: Vec<u8> = self.read.drain(..9 + length).collect();
                    let stream = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
                    return Some(Frame { kind: bytes[3], stream, payload: bytes[9..].to_vec() });
                }
            }
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&piece[..count]),
                Err(fault) if fault.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing comes"),
                Err(_) => return None,
            }
        }
    }

    /// What becomes of a stream of a fresh connection: the first head is read without a table of earlier ones.
    pub fn end_of(&mut self, stream: u32) -> End {
        while let Some(frame) = self.next() {
            match frame.kind {
                HEADERS if frame.stream == stream => return End::Status(status(&frame.payload)),
                RST_STREAM if frame.stream == stream => {
                    return End::Reset(u32::from_be_bytes(frame.payload[..4].try_into().unwrap()));
                }
                GOAWAY => return End::Gone,
                _ => {}
            }
        }
        End::Gone
    }

    /// Sends this again and again until the gateway has enough; how long that took, and `None` when it never has.
    pub fn flood(mut self, bytes: &[u8], at_most: usize) -> Option<Duration> {
        let start = Instant::now();
        for _ in 0..at_most {
            if !self.send(bytes) {
                return Some(start.elapsed());
            }
        }
        // What was sent may still be on its way: an end that comes now counts.
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                break;
            }
        }
        Some(start.elapsed())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head as literals without a table and without Huffman (RFC 7541 section 6.2.2).
pub fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_bytes(), value.as_bytes()] {
            number(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// A number with a prefix of seven bits (RFC 7541 section 5.1).
fn number(block: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        block.push(u8::try_from(value).unwrap());
        return;
    }
    block.push(127);
    value -= 127;
    while value >= 128 {
        block.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    block.push(u8::try_from(value).unwrap());
}

/// `:status`, which comes first: from the static table, or as a literal with Huffman digits.
fn status(block: &[u8]) -> u16 {
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        _ => {
            let length = usize::from(block[1] & 127);
            let bytes = &block[2..2 + length];
            if block[1] & 128 == 0 {
                return std::str::from_utf8(bytes).unwrap().parse().unwrap();
            }
            let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
            let codes =
                ["00000", "00001", "00010", "011001", "011010", "011011", "011100", "011101", "011110", "011111"];
            let (mut rest, mut value) = (bits.as_str(), 0);
            for _ in 0..3 {
                let digit = codes.iter().position(|code| rest.starts_with(code)).unwrap();
                rest = &rest[codes[digit].len()..];
                value = value * 10 + u16::try_from(digit).unwrap();
            }
            value
        }
    }
}
