//! Counters on Redis or Valkey: alone, behind sentinels, or as a cluster.
//!
//! In: verbs of `Counters`. Out: one script or command each, on one key. Every key ends by itself: a bucket when it is full,
//! a guess when it is forgotten, a mark when what it marks is over. Holds no names, addresses or tokens, only digests.

mod connect;
mod figures;
mod link;
mod scripts;
#[cfg(test)]
pub(crate) mod stage;
#[cfg(test)]
mod tests;

pub use connect::{Kind, Login, Settings, Tls};

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::counters::{Bucket, Counters, CountersStatus, Guess, SharedCounters, Taken};
use super::{Act, StoreFault};
use crate::ground::{Digest, SharedClock, SharedRandom};
use figures::Verb;
use link::Link;
use scripts::Scripts;

/// How long what is waited for outside the request path may take.
const PATIENCE: Duration = Duration::from_millis(250);

/// Connects in the background and keeps at it; whether the server is there decides nothing about the start.
pub fn open_redis(
    settings: Settings,
    clock: SharedClock,
    random: SharedRandom,
    control: &tokio::runtime::Handle,
) -> SharedCounters {
    let link = Arc::new(Link::new(settings, Scripts::new(), clock, random));
    control.spawn(Link::keep(Arc::downgrade(&link)));
    Arc::new(Redis { link, hand: None })
}

struct Redis {
    link: Arc<Link>,
    /// What time it is, where a test says so: an argument behind all others.
    hand: Option<Hand>,
}

type Hand = Arc<dyn Fn() -> String + Send + Sync>;

impl Redis {
    async fn taken(&self, bucket: &Bucket, charged: i64, wanted: u32, within: Duration) -> Result<Taken, String> {
        let key = self.link.key("limit", &name(&bucket.key));
        let arguments = [
            format!("{:.3}", bucket.each as f64 / 1000.0),
            bucket.burst.to_string(),
            charged.to_string(),
            wanted.to_string(),
            self.hand.as_ref().map_or_else(String::new, |hand| hand()),
        ];
        let arguments = arguments.each_ref().map(String::as_str);
        let answer = self.link.run(Verb::Take, &self.link.scripts.take, &key, &arguments, within).await;
        let (granted, left, wait): (u32, u32, u64) = answer?;
        if granted > wanted {
            return Err("it granted more than was asked for".to_owned());
        }
        Ok(Taken { granted, left, wait: Duration::from_micros(wait) })
    }
}

impl Counters for Redis {
    fn take(&self, bucket: &Bucket, charged: i64, wanted: u32, within: Duration) -> Act<'_, Taken> {
        let bucket = bucket.clone();
        Box::pin(async move {
            let taken = self.taken(&bucket, charged, wanted, within).await;
            taken.map_err(|cause| StoreFault { act: "count together", cause })
        })
    }

    fn pay(&self, guess: Guess) -> Act<'_, Result<(), Duration>> {
        Box::pin(async move {
            let key = self.link.key("guess", &name(&guess.key));
            let arguments = [
                guess.free.to_string(),
                guess.longest.as_millis().to_string(),
                guess.forget.as_millis().to_string(),
                self.hand.as_ref().map_or_else(String::new, |hand| hand()),
            ];
            let arguments = arguments.each_ref().map(String::as_str);
            let answer = self.link.run(Verb::Pay, &self.link.scripts.pay, &key, &arguments, PATIENCE).await;
            let wait: u64 = answer.map_err(|cause| StoreFault { act: "count guesses", cause })?;
            Ok(if wait == 0 { Ok(()) } else { Err(Duration::from_millis(wait)) })
        })
    }

    fn pay_back(&self, key: Digest) -> Act<'_, ()> {
        Box::pin(async move {
            let key = self.link.key("guess", &name(&key));
            let answer = self.link.run(Verb::PayBack, &self.link.scripts.pay_back, &key, &["0"], PATIENCE).await;
            let _: u64 = answer.map_err(|cause| StoreFault { act: "count guesses", cause })?;
            Ok(())
        })
    }

    fn mark(&self, mark: Digest, span: Duration) -> Act<'_, bool> {
        Box::pin(async move {
            let mut command = redis::cmd("SET");
            let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 40);
            command.arg(self.link.key("mark", &name(&mark))).arg(1).arg("NX").arg("PX").arg(millis);
            let answer: Result<Option<String>, String> = self.link.command(Verb::Mark, &command, PATIENCE).await;
            match answer.map_err(|cause| StoreFault { act: "remember a mark", cause })?.as_deref() {
                Some("OK") => Ok(true),
                None => Ok(false),
                Some(_) => Err(StoreFault { act: "remember a mark", cause: "its answer cannot be read".to_owned() }),
            }
        })
    }

    fn nodes(&self) -> u32 {
        self.link.nodes.load(Relaxed)
    }

    fn is_up(&self) -> bool {
        self.link.is_up()
    }

    fn status(&self) -> CountersStatus {
        CountersStatus {
            is_up: self.is_up(),
            fault: self.link.fault.lock().clone(),
            connections: self.link.made.load(Relaxed),
            verbs: self.link.figures.status(),
        }
    }
}

/// 128 bits of a digest: enough that nobody finds two that are the same.
fn name(digest: &Digest) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes().get(..16).unwrap_or_default())
}
