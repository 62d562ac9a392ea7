//! One connection, one request byte for byte, one answer.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The longest answer that is read, in bytes.
const LONGEST: usize = 1024 * 1024;

/// The way to a gateway.
pub struct Wire {
    address: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    patience: Duration,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The reason code of a refusal.
    pub fn code(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        Some(body.get("code")?.as_str()?.to_owned())
    }
}

impl Wire {
    pub fn new(url: &str, patience: Duration) -> anyhow::Result<Self> {
        let url = url::Url::parse(url).with_context(|| format!("`{url}` is not the address of a gateway"))?;
        let host = url.host_str().context("the address names no host")?.to_owned();
        let port = url.port_or_known_default().context("the address names no port")?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match url.scheme() {
            "https" => Some((client_config()?, ServerName::try_from(bare)?)),
            "http" => None,
            other => anyhow::bail!("`{other}` is neither http nor https"),
        };
        Ok(Self { address: format!("{host}:{port}"), tls, patience })
    }

    /// Sends these bytes on a connection of its own and reads the answer to its end.
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> anyhow::Result<Answer> {
        let address = self.address.to_socket_addrs()?.next().context("the host has no address")?;
        let socket = TcpStream::connect_timeout(&address, self.patience)
            .with_context(|| format!("nobody answers at {}", self.address))?;
        socket.set_read_timeout(Some(self.patience))?;
        socket.set_write_timeout(Some(self.patience))?;
        let read = match &self.tls {
            None => exchange(socket, bytes.as_ref())?,
            Some((config, name)) => {
                let connection = ClientConnection::new(Arc::clone(config), name.clone())?;
                exchange(StreamOwned::new(connection, socket), bytes.as_ref())?
            }
        };
        parse(&read)
    }
}

fn client_config() -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    stream.write_all(bytes)?;
    stream.flush()?;
    let mut read = Vec::new();
    let mut piece = [0; 16 * 1024];
    while read.len() < LONGEST && !is_whole(&read) {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => read.extend_from_slice(piece.get(..count).unwrap_or_default()),
            // A peer that resets after its answer has answered.
            Err(_) if !read.is_empty() => break,
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(read)
}

/// An answer that says how long it is has come to its end.
fn is_whole(read: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = response.parse(read) else { return false };
    let length = response.headers.iter().find(|line| line.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|line| std::str::from_utf8(line.value).ok()?.trim().parse::<usize>().ok());
    length.is_some_and(|length| read.len() >= head + length)
}

fn parse(read: &[u8]) -> anyhow::Result<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(read)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => anyhow::bail!("the answer broke off"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Answer {
        status: response.code.unwrap_or_default(),
        headers: response.headers.iter().map(|line| (line.name.to_ascii_lowercase(), text(line.value))).collect(),
        body: text(read.get(length..).unwrap_or_default()),
    })
}
