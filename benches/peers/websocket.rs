//! WebSocket: an upstream that sends back what it gets, and clients that talk to it through a server. Both are tungstenite,
//! run as processes of their own on the CPU of the load, and neither is what is measured.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

use crate::Stage;
use crate::support::{Running, pinned, wait_for};

const CONNECTIONS: usize = 64;
/// Of a message.
const BYTES: usize = 128;

/// Starts the upstream; it ends with what is returned.
pub fn echo(stage: &Stage) -> Running {
    let program = std::env::current_exe().expect("it runs");
    let mut command = pinned(Some(0), &program.display().to_string());
    let running = Running::start("echo", command.arg("--echo").arg(stage.echo.to_string()));
    wait_for(stage.echo);
    running
}

/// How many messages went there and back in that time.
pub fn talk(port: u16, seconds: u64, stage: &Stage) -> f64 {
    let program = std::env::current_exe().expect("it runs");
    let out = pinned(Some(0), &program.display().to_string())
        .arg("--talk")
        .args([port.to_string(), seconds.to_string(), stage.scene.token.clone()])
        .output()
        .expect("this program starts itself");
    let text = String::from_utf8_lossy(&out.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&out.stderr)))
}

/// What the upstream does.
pub fn run_echo(words: &[String]) {
    let [port] = words else { panic!("a port, not {words:?}") };
    let listener = TcpListener::bind(("127.0.0.1", port.parse().expect("a port"))).expect("the port is free");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            let Ok(mut socket) = tungstenite::accept(stream) else { return };
            while let Ok(message) = socket.read() {
                if message.is_close() || ((message.is_text() || message.is_binary()) && socket.send(message).is_err()) {
                    return;
                }
            }
        });
    }
}

/// What the clients do: each sends the next message once the last has come back.
pub fn run_talk(words: &[String]) {
    let [port, seconds, token] = words else { panic!("three words, not {words:?}") };
    let port: u16 = port.parse().expect("a port");
    let sockets: Vec<_> = (0..CONNECTIONS).map(|_| open(port, token)).collect();
    let end = Instant::now() + Duration::from_secs(seconds.parse().expect("a number"));
    let count: usize = std::thread::scope(|scope| {
        let running: Vec<_> = sockets.into_iter().map(|socket| scope.spawn(move || messages(socket, end))).collect();
        running.into_iter().map(|thread| thread.join().expect("it comes to its end")).sum()
    });
    println!("{count}");
}

fn open(port: u16, token: &str) -> WebSocket<TcpStream> {
    let mut request = format!("ws://127.0.0.1:{port}/ws").into_client_request().expect("an address");
    let value = format!("Bearer {token}").parse().expect("a header value");
    request.headers_mut().insert("authorization", value);
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a TCP socket");
    tungstenite::client(request, stream).unwrap_or_else(|fault| panic!("no WebSocket: {fault}")).0
}

fn messages(mut socket: WebSocket<TcpStream>, end: Instant) -> usize {
    let message = Message::text("x".repeat(BYTES));
    let mut count = 0;
    while Instant::now() < end {
        socket.send(message.clone()).expect("it reads");
        let back = socket.read().expect("it answers in time");
        assert_eq!(back.len(), BYTES, "not what was sent: {back}");
        count += 1;
    }
    count
}
