//! Hears what other gateways tell (`LISTEN`), on a connection of its own.
//!
//! Word that is lost costs a moment, not the truth: the store is asked now and then anyway. This connection is also what
//! notices first that the database may have gone, and that it is back. Whether it has gone those say who are asked.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client};

use super::fault::in_words;
use super::hosts::{Hosts, Made};
use super::revoke::CHANNEL;
use super::verb::Office;

/// How often a silent connection is asked whether it still is one.
const ASK: Duration = Duration::from_secs(5);

/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// The cause where nothing was said.
const SILENCE: &str = "it does not answer";

/// The first pause before another try, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// What the ear needs.
pub(super) struct Ear {
    pub(super) hosts: Hosts,
    pub(super) office: Arc<Office>,
    /// Counts what was heard.
    pub(super) told: watch::Sender<u64>,
    pub(super) hears: Arc<AtomicBool>,
}

impl Ear {
    /// Runs until its task is ended.
    pub(super) async fn listen(self) {
        // A cause is told once, however often it is met.
        let (mut pause, mut told) = (PAUSE.0, String::new());
        loop {
            let cause = match self.hosts.reach().await {
                Ok(made) => self.hear(made, &mut pause).await,
                Err(Some(cause)) => in_words(&cause),
                Err(None) => SILENCE.to_owned(),
            };
            let was_heard = self.hears.swap(false, Ordering::SeqCst);
            if was_heard || told != cause {
                tracing::warn!("PostgreSQL is not heard, and asked instead: {cause}");
            }
            // A server with no place for one more goes on serving those who have one: nobody is refused because this one
            // cannot listen.
            if !was_heard && !self.office.answers().await {
                self.office.health.bad(format!("PostgreSQL cannot be reached: {cause}"));
            }
            told = cause;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Tells what it hears, and ends when nothing more can be heard.
    async fn hear(&self, (client, mut connection): Made, pause: &mut Duration) -> String {
        let hearing = async {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(_))) => self.tell(),
                    Some(Ok(_)) => {}
                    Some(Err(cause)) => return in_words(&cause),
                    None => return "the connection was closed".to_owned(),
                }
            }
        };
        tokio::select! {
            cause = hearing => cause,
            cause = self.attend(&client, pause) => cause,
        }
    }

    /// Begins to listen, and then asks now and then whether anybody is there. Ends when nobody is.
    async fn attend(&self, client: &Client, pause: &mut Duration) -> String {
        let mut sql = format!("LISTEN {CHANNEL}");
        loop {
            match tokio::time::timeout(ANSWER, client.batch_execute(&sql)).await {
                Ok(Ok(())) => {}
                Ok(Err(cause)) => return in_words(&cause),
                Err(_) => return SILENCE.to_owned(),
            }
            self.office.health.good();
            if !self.hears.swap(true, Ordering::SeqCst) {
                *pause = PAUSE.0;
                // What was told before nobody has heard.
                self.tell();
            }
            sql = "SELECT 1".to_owned();
            tokio::time::sleep(ASK).await;
        }
    }

    fn tell(&self) {
        self.told.send_modify(|count| *count = count.wrapping_add(1));
    }
}
