//! A small HTTP client for the control plane: bounded time, bounded size, no redirects.
//!
//! For key sets, discovery and introspection. Runs on the control plane's runtime only: it uses tokio's timers and keeps a
//! few idle connections there. Forwarded requests never come this way.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

/// Asks one question and reads one answer. Cheap to clone; clones share their idle connections.
#[derive(Clone)]
pub struct Client {
    inner: Pooled<Connector, Full<Bytes>>,
    bounds: Bounds,
}

/// What an answer may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the first attempt to connect to the last byte of the answer. Default 5 s.
    pub time: Duration,
    /// The longest body, in bytes. Default 256 KiB.
    pub size: usize,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer. Never holds what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    #[error("`{0}` is not an address that can be asked")]
    Address(String),
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no complete answer within {}", crate::ground::duration::format(*.0))]
    TooSlow(Duration),
    #[error("the answer is longer than {}", crate::ground::size::format(*.0 as u64))]
    TooLarge(usize),
    #[error("the answer broke off: {0}")]
    Broken(String),
}

impl Default for Bounds {
    fn default() -> Self {
        Self { time: Duration::from_secs(5), size: 256 * 1024 }
    }
}

impl Client {
    /// A client that trusts the certificate authorities of this machine. Reads them from disk: call it once, at start.
    pub fn with_system_roots(bounds: Bounds) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::with_roots(roots, bounds)
    }

    /// A client that trusts `roots` alone.
    pub fn with_roots(roots: RootCertStore, bounds: Bounds) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|fault| format!("TLS cannot be set up: {fault}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let inner = Pooled::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(8)
            .pool_timer(TokioTimer::new())
            .build(Connector { tls: TlsConnector::from(Arc::new(tls)) });
        Ok(Self { inner, bounds })
    }

    /// The same client, and the same connections, with another bound of time.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self { inner: self.inner.clone(), bounds: Bounds { time, ..self.bounds } }
    }

    /// `GET`; the answer's status is for the caller to judge, redirects included.
    pub async fn get(&self, address: &str) -> Result<Answer, ClientFault> {
        self.get_as(address, None).await
    }

    /// `GET`, with an `Authorization` header where there is one.
    pub async fn get_as(&self, address: &str, authorization: Option<HeaderValue>) -> Result<Answer, ClientFault> {
        let request = Request::get(uri(address)?).body(Full::default());
        self.send(request.map(|request| authorized(request, authorization)), address).await
    }

    /// `POST` of a form (RFC 6749 appendix B), with an `Authorization` header where there is one.
    pub async fn post(
        &self,
        address: &str,
        form: &[(&str, &str)],
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, ClientFault> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(uri(address)?)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form));
        self.send(request.map(|request| authorized(request, authorization)), address).await
    }

    async fn send(&self, request: http::Result<Request<Full<Bytes>>>, address: &str) -> Result<Answer, ClientFault> {
        let mut request = request.map_err(|_| ClientFault::Address(address.to_owned()))?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("portcullis"));
        let time = self.bounds.time;
        tokio::time::timeout(time, self.exchange(request)).await.unwrap_or(Err(ClientFault::TooSlow(time)))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientFault> {
        let answer = self.inner.request(request).await.map_err(|fault| match fault.is_connect() {
            true => ClientFault::Unreachable(causes(&fault)),
            false => ClientFault::Broken(causes(&fault)),
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.bounds.size).collect().await.map_err(|fault| {
            if fault.is::<LengthLimitError>() {
                ClientFault::TooLarge(self.bounds.size)
            } else {
                ClientFault::Broken(causes(&*fault))
            }
        })?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}

fn authorized(mut request: Request<Full<Bytes>>, authorization: Option<HeaderValue>) -> Request<Full<Bytes>> {
    if let Some(mut value) = authorization {
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    request
}

fn uri(address: &str) -> Result<Uri, ClientFault> {
    let uri: Uri = address.parse().map_err(|_| ClientFault::Address(address.to_owned()))?;
    match uri.scheme_str() {
        Some("http" | "https") => Ok(uri),
        Some(_) | None => Err(ClientFault::Address(address.to_owned())),
    }
}

/// The innermost cause says what happened; the outer ones only that something did.
fn causes(fault: &(dyn Error + 'static)) -> String {
    let mut text = fault.to_string();
    let mut next = fault.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

/// Opens TCP, and TLS on top for `https`.
#[derive(Clone)]
struct Connector {
    tls: TlsConnector,
}

impl Connector {
    async fn open(self, uri: Uri) -> io::Result<TokioIo<Line>> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let host = uri.host().ok_or_else(|| wrong("the address has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        if !is_tls {
            return Ok(TokioIo::new(Line(Box::new(stream))));
        }
        let name = ServerName::try_from(host).map_err(|_| wrong("the host cannot stand in a certificate"))?;
        Ok(TokioIo::new(Line(Box::new(self.tls.connect(name, stream).await?))))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Line>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Line>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().open(uri))
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// One connection, with or without TLS.
struct Line(Box<dyn Duplex>);

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
