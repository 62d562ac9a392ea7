//! A thread that owns a connection and works off a bounded queue.
//!
//! The writing one takes whatever has queued up while it wrote, runs it in one transaction and syncs the disk once for all
//! of it (group commit): under load a sync is shared, alone a verb waits for nobody.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, ffi};
use tokio::sync::oneshot;

use super::fault::fault;
use crate::store::{Act, StoreFault};

/// Verbs that may wait. More than this is overload, and waiting longer would help nobody.
const QUEUE: usize = 1024;

/// Verbs that share one transaction at most, so that the first of a long queue is not kept waiting for the last.
const GROUP: usize = 256;

/// The owner's end of such a thread. Dropping it finishes the queue, then waits for the thread to close its connection.
pub(super) struct Worker {
    /// `None` only while being dropped.
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// A verb on its way through the thread: first run, then told, after the commit, what became of it.
trait Job: Send {
    /// Runs the verb; false when its changes must be taken back.
    fn run(&mut self, file: &Connection) -> bool;
    /// Tells the caller the result; `spoilt` when the transaction around it failed.
    fn answer(self: Box<Self>, spoilt: Option<&rusqlite::Error>);
}

struct Task<T, F> {
    act: &'static str,
    work: Option<F>,
    result: Option<rusqlite::Result<T>>,
    caller: oneshot::Sender<Result<T, StoreFault>>,
}

impl Worker {
    pub(super) fn writing(file: Connection) -> Result<Self, StoreFault> {
        Self::start("store-writer", move |jobs| {
            while let Ok(first) = jobs.recv() {
                let group = std::iter::once(first).chain(jobs.try_iter().take(GROUP - 1)).collect();
                write(&file, group);
            }
        })
    }

    pub(super) fn reading(file: Connection) -> Result<Self, StoreFault> {
        Self::start("store-reader", move |jobs| {
            for mut job in jobs {
                job.run(&file);
                job.answer(None);
            }
        })
    }

    fn start(name: &str, work: impl FnOnce(Receiver<Box<dyn Job>>) + Send + 'static) -> Result<Self, StoreFault> {
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(jobs))
            .map_err(|cause| StoreFault { act: "start its thread", cause: cause.to_string() })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues `work` at once, whether or not the answer is waited for: a verb that was begun is carried out.
    pub(super) fn run<T: Send + 'static>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Act<'_, T> {
        let (caller, answer) = oneshot::channel();
        let task = Box::new(Task { act, work: Some(work), result: None, caller });
        let queued = match self.queue.as_ref().map(|queue| queue.try_send(task)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(format!("more than {QUEUE} requests wait for it already")),
            Some(Err(TrySendError::Disconnected(_))) | None => Err("its thread has ended".to_owned()),
        };
        Box::pin(async move {
            queued.map_err(|cause| StoreFault { act, cause })?;
            answer.await.unwrap_or_else(|_| Err(StoreFault { act, cause: "its thread has ended".to_owned() }))
        })
    }
}

/// Runs a group in one transaction. A verb that fails takes back its own changes alone; a transaction that fails fails all
/// of its verbs, and none was told otherwise.
fn write(file: &Connection, mut group: Vec<Box<dyn Job>>) {
    let spoilt = transact(file, &mut group).err();
    if spoilt.is_some() && !file.is_autocommit() {
        // What is left of the transaction; when even this fails, the next BEGIN says so.
        let _ = file.execute_batch("ROLLBACK");
    }
    for job in group {
        job.answer(spoilt.as_ref());
    }
}

fn transact(file: &Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    file.execute_batch("BEGIN IMMEDIATE")?;
    for job in group {
        file.execute_batch("SAVEPOINT verb")?;
        let good = job.run(file);
        if file.is_autocommit() {
            // What SQLite does by itself on a full disk: the verbs before this one are gone as well.
            let code = ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK);
            return Err(rusqlite::Error::SqliteFailure(code, Some("a failure beside it broke it off".to_owned())));
        }
        file.execute_batch(if good { "RELEASE verb" } else { "ROLLBACK TO verb; RELEASE verb" })?;
    }
    file.execute_batch("COMMIT")
}

impl<T: Send, F> Job for Task<T, F>
where
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, file: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = work(file);
        let good = result.is_ok();
        self.result = Some(result);
        good
    }

    fn answer(self: Box<Self>, spoilt: Option<&rusqlite::Error>) {
        let act = self.act;
        let result = match (self.result, spoilt) {
            // The verb's own fault says more than that of the transaction it broke.
            (Some(Err(cause)), _) => Err(fault(act, &cause)),
            (_, Some(cause)) => Err(fault(act, cause)),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(StoreFault { act, cause: "it was never run".to_owned() }),
        };
        // The caller may have gone away; the verb was carried out all the same.
        let _ = self.caller.send(result);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // Only a panic makes this fail, and that has been reported where it happened.
            let _ = thread.join();
        }
    }
}
