//! The access log: one line per request, formatted into the worker's buffer, written by a thread of its own.
//!
//! A worker never waits for the log: when the reader of standard output is too slow, whole buffers are thrown away and
//! counted (`portcullis_access_log_lines_dropped_total`).

pub mod json;
pub mod people;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use super::Record;
use super::record::Who;

/// A buffer is handed over when it holds this much, or once a second.
const FULL: usize = 128 * 1024;
/// Buffers that may wait for the writer: 16 MB at the most.
const WAITING: usize = 128;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    /// For a terminal; `color` by status.
    People {
        color: bool,
    },
    Off,
}

/// Hands out buffers; the thread behind it ends when the last of them is gone.
#[derive(Clone)]
pub struct Writer {
    format: LogFormat,
    sender: SyncSender<Piece>,
    dropped: Arc<AtomicU64>,
}

struct Piece {
    lines: Vec<u8>,
}

impl Writer {
    /// Starts the thread that writes to `sink`. It ends after every writer and buffer has been dropped.
    pub fn start(
        format: LogFormat,
        sink: Box<dyn Write + Send>,
        dropped: Arc<AtomicU64>,
    ) -> std::io::Result<(Self, Ending)> {
        let (sender, receiver) = sync_channel(WAITING);
        let (running, ended) = sync_channel(0);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            write(&receiver, sink);
            drop(running);
        })?;
        Ok((Self { format, sender, dropped }, Ending(ended)))
    }

    /// A buffer for one worker.
    pub fn buffer(&self) -> Buffer {
        Buffer { writer: self.clone(), lines: Vec::with_capacity(FULL + 4096), count: 0, stamp: json::Stamp::default() }
    }
}

/// The end of the thread that writes.
pub struct Ending(Receiver<()>);

impl Ending {
    /// Whether everything is written by then. A reader that has stopped would be waited for without end.
    pub fn wait(&self, at_most: Duration) -> bool {
        self.0.recv_timeout(at_most) != Err(RecvTimeoutError::Timeout)
    }
}

fn write(receiver: &Receiver<Piece>, mut sink: Box<dyn Write + Send>) {
    while let Ok(piece) = receiver.recv() {
        // A reader that has gone away is no reason to stop serving.
        let _ = sink.write_all(&piece.lines).and_then(|()| sink.flush());
    }
}

/// One worker's lines on their way.
pub struct Buffer {
    writer: Writer,
    lines: Vec<u8>,
    count: u64,
    stamp: json::Stamp,
}

impl Buffer {
    /// Adds the line of a closed record.
    pub fn line(&mut self, record: &Record, who: Option<&Who>, duration: Duration) {
        match self.writer.format {
            LogFormat::Json => json::line(&mut self.lines, &mut self.stamp, (record, who), duration),
            LogFormat::People { color } => people::line(&mut self.lines, (record, who), duration, color),
            LogFormat::Off => return,
        }
        self.count += 1;
        // People watch: they get each line at once.
        if self.lines.len() >= FULL || matches!(self.writer.format, LogFormat::People { .. }) {
            self.flush();
        }
    }

    /// Hands over what is there.
    pub fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let lines = std::mem::replace(&mut self.lines, Vec::with_capacity(FULL + 4096));
        let count = std::mem::take(&mut self.count);
        match self.writer.sender.try_send(Piece { lines }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.writer.dropped.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
