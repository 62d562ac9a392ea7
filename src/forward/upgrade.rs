//! WebSocket (RFC 6455): a handshake that is forwarded, and then bytes both ways.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Method, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gate::Refusal;
use crate::ground::{Fields, RequestHead, Wheel};

/// A tunnel in which nothing moves for this long is closed.
const IDLE: Duration = Duration::from_secs(600);

/// How often it is asked whether a tunnel may still stand.
const RECHECK: Duration = Duration::from_secs(2);

/// Whether whoever opened a tunnel may still use it: its token has not ended and has not been revoked.
pub type Lease = Box<dyn Fn() -> Standing>;

/// What a lease says.
pub enum Standing {
    Stands,
    Ended,
    /// Somebody has to be asked; bytes go on meanwhile. `false` ends it.
    Asked(Pin<Box<dyn Future<Output = bool>>>),
}

/// A client's wish to speak WebSocket.
pub struct Handshake {
    client: OnUpgrade,
    lease: Lease,
}

/// Takes the handshake out of a request, if it is one. Any other `Upgrade` is dropped like every hop-by-hop header; one
/// that says WebSocket and is not well-formed is refused. The tunnel that comes of it stands as long as `lease` says so.
pub fn handshake(head: &mut RequestHead, lease: Lease) -> Result<Option<Handshake>, Refusal> {
    let wanted = head.fields.all(&UPGRADE).any(|value| has_word(value, "websocket"));
    if !wanted || !head.fields.all(&CONNECTION).any(|value| has_word(value, "upgrade")) {
        return Ok(None);
    }
    let good = head.method == Method::GET
        && head.version == Version::HTTP_11
        && head.fields.contains(&SEC_WEBSOCKET_KEY)
        && head.fields.contains(&SEC_WEBSOCKET_VERSION);
    match head.extensions.remove::<OnUpgrade>() {
        Some(client) if good => Ok(Some(Handshake { client, lease })),
        Some(_) | None => Err(Refusal::Malformed { what: "the WebSocket handshake is not well-formed", close: true }),
    }
}

fn has_word(value: &[u8], word: &str) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// The hop-by-hop headers of a handshake, put back after rewriting.
pub fn ask(fields: &mut Fields) {
    fields.insert(&CONNECTION, "upgrade");
    fields.insert(&UPGRADE, "websocket");
}

/// Whether the upstream agreed: 101 and WebSocket, and nothing else (RFC 6455 section 4.2.2). Whether it had the key is for
/// the client to check.
pub fn agreed(status: StatusCode, fields: &Fields) -> bool {
    let mut protocols = fields.all(&UPGRADE);
    status == StatusCode::SWITCHING_PROTOCOLS
        && fields.all(&CONNECTION).any(|value| has_word(value, "upgrade"))
        && protocols.next().is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
        && protocols.next().is_none()
}

/// Joins both sides once both have switched: no byte passes before. Ends when either side does, when nothing has moved for
/// long, and soon after the caller's token has ended or was revoked: a request of the same token would be refused.
pub fn tunnel(handshake: Handshake, upstream: OnUpgrade, wheel: Arc<Wheel>, held: impl Sized + 'static) {
    tokio::task::spawn_local(async move {
        let _held = held;
        let lease = handshake.lease;
        let (client, upstream) = match (handshake.client.await, upstream.await) {
            (Ok(client), Ok(upstream)) => (client, upstream),
            (Err(_), _) | (_, Err(_)) => return,
        };
        let moved = Rc::new(Cell::new(0_u64));
        let mut client = Moving { stream: TokioIo::new(client), moved: Rc::clone(&moved) };
        let mut upstream = Moving { stream: TokioIo::new(upstream), moved: Rc::clone(&moved) };
        let mut copying = std::pin::pin!(tokio::io::copy_bidirectional(&mut client, &mut upstream));
        let mut still = Duration::ZERO;
        while still < IDLE {
            match lease() {
                Standing::Stands => {}
                Standing::Ended => return,
                Standing::Asked(answer) => tokio::select! {
                    _ = copying.as_mut() => return,
                    stands = answer => if !stands { return },
                },
            }
            let before = moved.get();
            if wheel.within(RECHECK, copying.as_mut()).await.is_some() {
                return;
            }
            still = if moved.get() == before { still + RECHECK } else { Duration::ZERO };
        }
    });
}

/// A stream that counts what is read from it.
struct Moving {
    stream: TokioIo<Upgraded>,
    moved: Rc<Cell<u64>>,
}

impl AsyncRead for Moving {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.moved.set(self.moved.get().wrapping_add((buf.filled().len() - before) as u64));
        polled
    }
}

impl AsyncWrite for Moving {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
