//! A wire between a gateway and what it depends on, which a test can cut or let hang.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PASSES: u8 = 0;
const HANGS: u8 = 1;
const IS_CUT: u8 = 2;

/// Passes bytes on, both ways, as long as nobody says otherwise.
pub struct Link {
    pub port: u16,
    state: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Link {
    /// To a port of this machine. Runs as long as the tests do.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (state, open) = (Arc::new(AtomicU8::new(PASSES)), Arc::new(Mutex::new(Vec::new())));
        let (seen, list) = (Arc::clone(&state), Arc::clone(&open));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                if seen.load(Ordering::SeqCst) == IS_CUT {
                    continue;
                }
                list.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                for (from, to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    let seen = Arc::clone(&seen);
                    std::thread::spawn(move || pump(from, to, &seen));
                }
            }
        });
        Self { port, state, open }
    }

    /// Connections stay, and nothing comes through.
    pub fn hang(&self) {
        self.state.store(HANGS, Ordering::SeqCst);
    }

    /// Connections end, and new ones are closed at once.
    pub fn cut(&self) {
        self.state.store(IS_CUT, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// As at the beginning.
    pub fn mend(&self) {
        self.state.store(PASSES, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: &AtomicU8) {
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut bytes = [0; 16 << 10];
    loop {
        if state.load(Ordering::SeqCst) == HANGS {
            std::thread::park_timeout(Duration::from_millis(5));
            continue;
        }
        match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => {
                // What was read before it hung is held as well.
                while state.load(Ordering::SeqCst) == HANGS {
                    std::thread::park_timeout(Duration::from_millis(5));
                }
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
