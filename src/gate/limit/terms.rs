//! What a limit that is counted together allows on one gateway at a time.
//!
//! All bounds come of the burst and of how many gateways there are. See docs/shared-limits.md for what follows from them.

use std::time::Duration;

use crate::store::counters::Bucket;

/// One limit of one route, as its shares need it.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// With the key of nobody.
    pub(super) bucket: Bucket,
}

impl Terms {
    /// What one gateway may give out before it has asked: a 32nd of the burst over all of them, and at least one.
    pub(super) fn credit(&self, nodes: u32) -> i64 {
        i64::from((self.bucket.burst / 32 / nodes.max(1)).max(1))
    }

    /// The least and the most that one gateway holds: between a 32nd and a quarter of the burst over all of them.
    pub(super) fn share(&self, nodes: u32) -> (u32, u32) {
        let part = |parts: u32| (self.bucket.burst / parts / nodes.max(1)).max(1);
        (part(32), part(4))
    }

    /// The shortest and the longest pause before a bucket that had too little is asked again. A bucket that fills quickly is
    /// asked often enough that it is never full while somebody wants more.
    pub(super) fn again(&self) -> (Duration, Duration) {
        let eighth = Duration::from_nanos(self.bucket.recovery() / 8);
        (eighth.clamp(Duration::from_millis(2), Duration::from_millis(20)), Duration::from_secs(5))
    }

    /// Nanoseconds per unit and burst of one gateway that counts for itself: together no more than the limit, but for the
    /// one unit that each has in any case.
    pub(super) fn part(&self, nodes: u32) -> (u64, u32) {
        let nodes = nodes.max(1);
        (self.bucket.each.saturating_mul(u64::from(nodes)).max(1), (self.bucket.burst / nodes).max(1))
    }
}
