//! Writes the chain: one thread per process, in groups, under a lock that other processes take too.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::Event;
use super::chain::{self, Line, START};
use super::verify::segments;
use crate::ground::{Clock, SharedClock, Time};

/// Events that may wait for the disk.
const QUEUE: usize = 4096;
/// Events that are written at once.
const GROUP: usize = 256;
/// How long a group is gathered when events come faster than this one by one: it saves most of what an event costs.
const GATHER: Duration = Duration::from_millis(1);
/// How far back the last line is looked for; no line is longer.
const TAIL: u64 = 64 * 1024;
/// How long a written line may be missing on the disk itself.
const SYNC: Duration = Duration::from_secs(1);

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    pub file: PathBuf,
    /// How long full files are kept.
    pub keep: Duration,
    /// Bytes after which a file is full.
    pub full: u64,
}

impl AuditSettings {
    /// Files of 64 MiB.
    pub fn new(file: PathBuf, keep: Duration) -> Self {
        Self { file, keep, full: 64 << 20 }
    }
}

type Keep = dyn FnMut(&File) -> io::Result<()> + Send;

/// How what is written comes to stand on the disk itself. Handed in, so that tests see when it is asked.
pub(super) struct Disk {
    /// How long a written line may be missing there.
    pub(super) every: Duration,
    pub(super) sync: Box<Keep>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { every: SYNC, sync: Box::new(synced) }
    }
}

/// The disk has not taken an event: what it tells of must not be done.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the audit log cannot be written: {0}")]
pub struct AuditFault(Arc<str>);

/// The way to the log.
#[derive(Clone)]
pub struct Audit {
    queue: mpsc::Sender<Entry>,
    clock: SharedClock,
    failures: Arc<AtomicU64>,
}

struct Entry {
    at: Time,
    fields: String,
    done: oneshot::Sender<Result<(), AuditFault>>,
}

impl Audit {
    /// Opens or makes the file and starts the thread that writes it; the thread ends when the last `Audit` has gone and
    /// everything is written.
    pub fn open(settings: AuditSettings, clock: SharedClock) -> Result<Self, AuditFault> {
        Self::on(Disk::default(), settings, clock)
    }

    pub(super) fn on(disk: Disk, settings: AuditSettings, clock: SharedClock) -> Result<Self, AuditFault> {
        let failures = Arc::new(AtomicU64::new(0));
        let mut log = Log::open(settings, disk, clock.instant()).map_err(|cause| fault(&cause))?;
        log.mend(&*clock).map_err(|cause| fault(&cause))?;
        let (queue, entries) = mpsc::channel(QUEUE);
        let (counted, hands) = (Arc::clone(&failures), Arc::clone(&clock));
        let thread = std::thread::Builder::new().name("audit".into());
        let timer = Builder::new_current_thread().enable_time().build().map_err(|cause| fault(&cause))?;
        thread.spawn(move || log.run(&timer, entries, &counted, &*hands)).map_err(|cause| fault(&cause))?;
        Ok(Self { queue, clock, failures })
    }

    /// Resolves when the event has been handed to the operating system.
    pub async fn write(&self, event: Event) -> Result<(), AuditFault> {
        let fields = serde_json::to_string(&event.bounded()).map_err(|cause| AuditFault(cause.to_string().into()))?;
        let (done, answer) = oneshot::channel();
        let gone = || AuditFault("its thread has ended".into());
        let entry = Entry { at: self.clock.now(), fields, done };
        self.queue.send(entry).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Groups that the disk has not taken, and lines that it has not kept.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

/// What the thread has to do.
enum Next {
    Entry(Entry),
    Sync,
    End,
}

/// The open file and where its chain stands.
struct Log {
    settings: AuditSettings,
    file: File,
    disk: Disk,
    /// Something may be written that is not on the disk itself.
    owed: bool,
    /// When the disk was last asked to keep what is written.
    asked: Instant,
    /// The length of the file after our last write.
    length: u64,
    number: u64,
    hash: String,
    failing: bool,
}

impl Log {
    fn open(settings: AuditSettings, disk: Disk, asked: Instant) -> io::Result<Self> {
        let file = opened(&settings.file)?;
        let hash = START.to_owned();
        let mut log = Self { settings, file, disk, owed: false, asked, length: 0, number: 0, hash, failing: false };
        log.catch_up()?;
        Ok(log)
    }

    fn run(mut self, timer: &Runtime, mut entries: mpsc::Receiver<Entry>, failures: &AtomicU64, clock: &dyn Clock) {
        let mut written_last = clock.instant();
        loop {
            let first = match self.next(timer, &mut entries, clock) {
                Next::Entry(first) => first,
                Next::Sync => {
                    self.sync_alone(clock, failures);
                    continue;
                }
                Next::End => break,
            };
            let mut group = vec![first];
            // One alone is written at once. Under load others come in this moment, and share the lock, the write and the
            // waking of their callers.
            if clock.instant().saturating_duration_since(written_last) < GATHER {
                std::thread::park_timeout(GATHER);
            }
            while group.len() < GROUP
                && let Ok(next) = entries.try_recv()
            {
                group.push(next);
            }
            let written = self.write(&group).and_then(|()| self.sync_if_due(clock));
            self.tell(&written, failures);
            written_last = clock.instant();
            let answer = written.map_err(|cause| fault(&cause));
            for entry in group {
                let _ = entry.done.send(answer.clone());
            }
        }
        if self.owed {
            self.sync_alone(clock, failures);
        }
    }

    /// Waits for an entry, and no longer than the last line may be missing on the disk.
    fn next(&self, timer: &Runtime, entries: &mut mpsc::Receiver<Entry>, clock: &dyn Clock) -> Next {
        if !self.owed {
            return entries.blocking_recv().map_or(Next::End, Next::Entry);
        }
        let left = self.disk.every.saturating_sub(clock.instant().saturating_duration_since(self.asked));
        match timer.block_on(async { tokio::time::timeout(left, entries.recv()).await }) {
            Ok(entry) => entry.map_or(Next::End, Next::Entry),
            Err(_) => Next::Sync,
        }
    }

    /// A disk that has failed is asked after each write: an act must not be acknowledged whose line it may lose.
    fn sync_if_due(&mut self, clock: &dyn Clock) -> io::Result<()> {
        let is_due = clock.instant().saturating_duration_since(self.asked) >= self.disk.every;
        if self.failing || is_due { self.sync(clock) } else { Ok(()) }
    }

    fn sync(&mut self, clock: &dyn Clock) -> io::Result<()> {
        self.asked = clock.instant();
        (self.disk.sync)(&self.file)?;
        self.owed = false;
        Ok(())
    }

    /// Without a write that would show that all is well again, only a failure is told.
    fn sync_alone(&mut self, clock: &dyn Clock, failures: &AtomicU64) {
        let synced = self.sync(clock);
        if synced.is_err() {
            self.tell(&synced, failures);
        }
    }

    fn tell(&mut self, written: &io::Result<()>, failures: &AtomicU64) {
        match written {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!("the audit log is written again");
            }
            Ok(()) => {}
            Err(cause) => {
                failures.fetch_add(1, Ordering::Relaxed);
                if !self.failing {
                    self.failing = true;
                    tracing::error!("the audit log cannot be written, so nothing is done that belongs in it: {cause}");
                }
            }
        }
    }

    /// Writes a group behind what is there, whoever wrote that; all of it or nothing.
    fn write(&mut self, group: &[Entry]) -> io::Result<()> {
        self.locked(|log| {
            let at = group.first().map_or(Time::default(), |entry| entry.at);
            log.rotate(at)?;
            let entries: Vec<(Time, &str)> = group.iter().map(|entry| (entry.at, entry.fields.as_str())).collect();
            log.append(&entries)
        })
    }

    /// After a loss of power the last line may be half there: it is cut off, and that is told.
    fn mend(&mut self, clock: &dyn Clock) -> io::Result<()> {
        let now = clock.now();
        self.locked(|log| {
            let torn = log.torn()?;
            if torn == 0 {
                return Ok(());
            }
            log.file.set_len(log.length.saturating_sub(torn))?;
            // Looks again: what was cut off may have looked like a line.
            log.length = 0;
            log.catch_up()?;
            let event = Event { detail: format!("{torn} bytes"), ..Event::named("audit.torn") };
            let fields = serde_json::to_string(&event).unwrap_or_default();
            log.append(&[(now, &fields)])
        })
    }

    /// Works while no other process does, on the file that stands under the name now.
    fn locked(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.file.lock()?;
        while !is_same(&self.file, &self.settings.file) {
            // Somebody else has found it full and begun a new one.
            let file = opened(&self.settings.file)?;
            file.lock()?;
            self.file = file;
            self.length = 0;
        }
        let done = self.catch_up().and_then(|()| work(self));
        if done.is_err() {
            // A part of a line must not stay: the next one would continue it.
            let _ = self.file.set_len(self.length);
        }
        let unlocked = self.file.unlock();
        done.and(unlocked)
    }

    fn append(&mut self, entries: &[(Time, &str)]) -> io::Result<()> {
        let (mut text, mut number, mut hash) = (String::new(), self.number, self.hash.clone());
        for (at, fields) in entries {
            number += 1;
            let (line, own) = chain::line(number, *at, fields, &hash);
            text.push_str(&line);
            hash = own;
        }
        self.file.seek(SeekFrom::Start(self.length))?;
        self.owed = true;
        self.file.write_all(text.as_bytes())?;
        (self.number, self.hash) = (number, hash);
        self.length += text.len() as u64;
        Ok(())
    }

    /// Takes over what others have written since.
    fn catch_up(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length == self.length && length > 0 {
            return Ok(());
        }
        self.length = length;
        let tail = self.tail()?;
        let tail = String::from_utf8_lossy(&tail);
        let last = tail.lines().rfind(|line| Line::read(line).is_some());
        if let Some((line, text)) = last.and_then(|text| Some((Line::read(text)?, text))) {
            self.hash = line.hash.to_owned();
            self.number = chain::number(text).unwrap_or(self.number);
        }
        Ok(())
    }

    /// How many bytes stand behind the last whole line.
    fn torn(&mut self) -> io::Result<u64> {
        let tail = self.tail()?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        Ok((tail.len() - whole) as u64)
    }

    fn tail(&mut self) -> io::Result<Vec<u8>> {
        let from = self.length.saturating_sub(TAIL);
        self.file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        (&self.file).take(self.length - from).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Begins a new file when this one is full; its first line goes on with the chain. Too old ones go.
    fn rotate(&mut self, now: Time) -> io::Result<()> {
        if self.length < self.settings.full {
            return Ok(());
        }
        // Or a loss of power could leave a gap before the lines of the next file.
        (self.disk.sync)(&self.file)?;
        let name = moved(&self.settings.file, now);
        std::fs::rename(&self.settings.file, name)?;
        let file = opened(&self.settings.file)?;
        file.lock()?;
        (self.file, self.length) = (file, 0);
        let limit = moved(&self.settings.file, now.minus(self.settings.keep));
        for old in segments(&self.settings.file)? {
            if old != self.settings.file && is_older(&old, &limit) {
                std::fs::remove_file(old)?;
            }
        }
        let fields = serde_json::to_string(&Event::named("audit.begun")).unwrap_or_default();
        self.append(&[(now, &fields)])
    }
}

/// Readable and writable for its owner alone.
fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn synced(file: &File) -> io::Result<()> {
    match file.sync_data() {
        // A device has nothing to keep.
        Err(cause) if matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(own), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (own.dev(), own.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_same(_: &File, path: &Path) -> bool {
    path.exists()
}

/// `audit.jsonl.20261125T104200.123Z`: sorts by age.
fn moved(path: &Path, now: Time) -> PathBuf {
    let millis = i64::try_from(now.millis()).unwrap_or(0);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", at.strftime("%Y%m%dT%H%M%S%.3fZ")));
    PathBuf::from(name)
}

/// Both are names of the same log, so that they differ in the moment alone, and sort by it.
fn is_older(path: &Path, limit: &Path) -> bool {
    path.file_name() < limit.file_name()
}

fn fault(cause: &io::Error) -> AuditFault {
    AuditFault(cause.to_string().into())
}
