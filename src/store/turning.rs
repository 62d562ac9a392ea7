//! What a refresh token does to its grant: the state machine, pure, the same for every backend.

use super::grants::{Grant, Turning};
use crate::ground::Time;

/// What to do with a grant whose refresh token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the next generation and answer with it.
    Advance,
    /// Answer with the current generation, whose idle end moves.
    Stay,
    /// Revoke: two holders have it.
    Replay,
    /// Neither: there is nothing to give.
    Gone,
}

/// Judges generation `presented` of a live or dead `grant` at `now`.
///
/// The one before the current is answered with the current one again within `grace`, and within `retry` as long as nobody
/// has shown to hold the current one: then its answer was lost on the way. The chain thus never forks, and what is older is
/// a second holder's.
pub fn step(grant: &Grant, presented: u32, turning: &Turning, now: Time) -> Step {
    if grant.revoked || !grant.refreshable || now >= grant.ends || now >= grant.idle_end {
        return Step::Gone;
    }
    if presented == grant.generation {
        return if turning.rotates { Step::Advance } else { Step::Stay };
    }
    if presented > grant.generation {
        return Step::Gone;
    }
    let age = grant.superseded.map(|superseded| now.since(superseded));
    let is_predecessor = presented.checked_add(1) == Some(grant.generation);
    match age {
        Some(age) if is_predecessor && age <= turning.grace => Step::Stay,
        Some(age) if is_predecessor && !grant.confirmed && age <= turning.retry => Step::Stay,
        Some(_) | None => Step::Replay,
    }
}

/// Carries a step out on the row; `Gone` leaves it alone.
pub fn carry_out(grant: &mut Grant, presented: u32, step: Step, turning: &Turning, now: Time) {
    match step {
        Step::Advance => {
            grant.generation = grant.generation.saturating_add(1);
            grant.superseded = Some(now);
            grant.confirmed = false;
            touch(grant, turning, now);
        }
        Step::Stay => {
            // Its holder has the current one, so the answer with it has arrived.
            grant.confirmed |= presented == grant.generation;
            touch(grant, turning, now);
        }
        Step::Replay => {
            grant.revoked = true;
            grant.epoch = u32::MAX;
        }
        Step::Gone => {}
    }
}

fn touch(grant: &mut Grant, turning: &Turning, now: Time) {
    grant.used = now;
    grant.idle_end = now.plus(turning.idle).min(grant.ends);
}
