//! Events: what the gateway says about itself, apart from the access log.
//!
//! Whoever tells one never waits: a thread of its own writes them, and when its reader is too slow, events are thrown away,
//! counted (`portcullis_event_lines_dropped_total`), and missed aloud once it reads again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::log::LogFormat;

/// Lines that may wait for the writer.
const WAITING: usize = 4096;
/// How long the last lines may take at the end: a reader that has stopped must not keep the process.
const LAST: Duration = Duration::from_secs(2);

/// Sends events to standard error, in the form of the access log. `level` is a filter such as `info` or
/// `portcullis=debug`; the default is `info`. Calling it again changes nothing.
pub fn start(format: LogFormat, level: Option<&str>) -> io::Result<Events> {
    let events = Events::on(Box::new(io::stderr()))?;
    let filter = EnvFilter::try_new(level.unwrap_or("info")).unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = tracing_subscriber::fmt::layer().with_writer(events.lines.clone()).with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start (in tests) finds a subscriber there: that one stays.
    let _ = match format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::People { color } => registry.with(layer.without_time().with_ansi(color)).try_init(),
        LogFormat::Off => registry.with(layer.with_ansi(false)).try_init(),
    };
    Ok(events)
}

/// Whoever drops it has waited, within bounds, until what was told so far is written.
pub struct Events {
    lines: Lines,
}

impl Events {
    fn on(sink: Box<dyn Write + Send>) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let lines = Lines { sender, dropped: Arc::default() };
        let dropped = Arc::clone(&lines.dropped);
        std::thread::Builder::new().name("events".to_owned()).spawn(move || write(&receiver, sink, &dropped))?;
        Ok(Self { lines })
    }

    /// Counts events that were thrown away.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lines.dropped)
    }

    /// Whether everything that was told before is written by then.
    fn flush(&self, at_most: Duration) -> bool {
        let (done, written) = sync_channel(1);
        let sender = self.lines.sender.clone();
        // A queue that is full is waited for in a thread that may be left behind.
        let asking = std::thread::Builder::new().spawn(move || sender.send(Piece::Mark(done)));
        asking.is_ok() && written.recv_timeout(at_most).is_ok()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.flush(LAST);
    }
}

enum Piece {
    Line(Vec<u8>),
    /// Everything before it has been written when this is answered.
    Mark(SyncSender<()>),
}

/// Takes whole lines: the layer makes each event ready and writes it at once.
#[derive(Clone)]
struct Lines {
    sender: SyncSender<Piece>,
    dropped: Arc<AtomicU64>,
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Piece::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

fn write(receiver: &Receiver<Piece>, mut sink: Box<dyn Write + Send>, dropped: &AtomicU64) {
    let mut missed = 0;
    while let Ok(piece) = receiver.recv() {
        match piece {
            // A reader that has gone away is no reason to stop serving.
            Piece::Line(line) => drop(sink.write_all(&line).and_then(|()| sink.flush())),
            Piece::Mark(done) => drop(done.try_send(())),
        }
        let now = dropped.load(Ordering::Relaxed);
        if now > missed {
            tracing::warn!("{} events were thrown away: whoever reads them is too slow", now - missed);
            missed = now;
        }
    }
}

#[cfg(test)]
mod tests;
