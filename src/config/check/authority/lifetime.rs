//! How long tokens, codes, sessions and keys of the authority live.

use std::time::Duration;

use super::{DAY, SECOND};
use crate::config::check::Check;
use crate::config::document::authority::client::{Client, ClientRefreshTokens};
use crate::config::document::authority::{
    OwnAccessTokens, RefreshTokens as WrittenRefresh, Sessions as WrittenSessions, TokenFormat,
};
use crate::config::place::At;
use crate::config::plan::authority::{Refresh, RefreshTokens, Sessions, TokenChoice};
use crate::config::problem::Problem;
use crate::ground::duration::format;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Tokens that live longer than this cannot be taken back in time.
const LONGEST_TOKEN: Duration = DAY;

/// Longest time for a code to be redeemed (RFC 6749 section 4.1.2).
const LONGEST_CODE: Duration = Duration::from_secs(600);

/// An answer that was lost is asked for again at once.
const LONGEST_GRACE: Duration = Duration::from_secs(600);

/// Refresh tokens in browsers end after a day, and rotation never extends it.
const BROWSER: Duration = DAY;

/// What one place says about access tokens.
pub(super) fn token_choice(
    format: Option<&At<TokenFormat>>,
    lifetime: Option<&At<Duration>>,
    check: &mut Check<'_>,
) -> TokenChoice {
    if let Some(at) = lifetime.filter(|at| at.value > LONGEST_TOKEN) {
        let cause = "an access token that lives longer than a day cannot be taken back in time";
        check.add(Problem::at(at.place, cause).help("write at most `24h`; `10m` is a good choice"));
    }
    let lifetime = lifetime.map(|at| at_least(Some(at), SECOND, SECOND, check));
    TokenChoice { format: format.map(|at| at.value), lifetime }
}

/// What a client or a resource says about access tokens.
pub(super) fn own_tokens(written: Option<&OwnAccessTokens>, check: &mut Check<'_>) -> TokenChoice {
    let Some(own) = written else { return TokenChoice::default() };
    token_choice(own.format.as_ref(), own.r#for.as_ref(), check)
}

pub(super) fn code(at: Option<&At<Duration>>, check: &mut Check<'_>) -> Duration {
    if let Some(at) = at.filter(|at| at.value > LONGEST_CODE) {
        let cause = "a code that is good for longer than ten minutes can be stolen at leisure";
        check.add(Problem::at(at.place, cause).help("write at most `10m`; `60s` is a good choice"));
    }
    at_least(at, MINUTE, SECOND, check)
}

pub(super) fn refresh_tokens(written: Option<&WrittenRefresh>, check: &mut Check<'_>) -> RefreshTokens {
    let (idle, whole) = written.map_or((None, None), |tokens| (tokens.idle.as_ref(), tokens.r#for.as_ref()));
    let (idle, lifetime) = spans(idle, whole, (30 * DAY, 90 * DAY), check);
    let grace = written.and_then(|tokens| tokens.grace.as_ref());
    if let Some(at) = grace.filter(|at| at.value > LONGEST_GRACE) {
        let cause = "while the one before is answered, a stolen refresh token is too";
        check.add(Problem::at(at.place, cause).help("write at most `10m`; `30s` is a good choice"));
    }
    RefreshTokens { idle, lifetime, grace: grace.map_or(Duration::from_secs(30), |at| at.value) }
}

/// How the refresh tokens of a client live that gets some. `public`: it cannot prove who it is.
pub(super) fn client_refresh(written: &Client, public: bool, usual: RefreshTokens, check: &mut Check<'_>) -> Refresh {
    let empty = ClientRefreshTokens::default();
    let own = written.refresh_tokens.as_ref().unwrap_or(&empty);
    let browser = public && written.redirect_uris.iter().flatten().any(|at| at.value.starts_with("https:"));
    let usual_lifetime = if browser { usual.lifetime.min(BROWSER) } else { usual.lifetime };
    let (idle, lifetime) = spans(own.idle.as_ref(), own.r#for.as_ref(), (usual.idle, usual_lifetime), check);
    if let Some(at) = own.r#for.as_ref().filter(|at| browser && at.value > BROWSER) {
        let text = "refresh tokens that live in a browser for longer than a day: whoever takes one has it for as long";
        check.warn(at.place, text);
    }
    if let Some(at) = own.rotate.as_ref().filter(|at| public && !at.value) {
        let cause = "the refresh tokens of a public client must rotate: nothing else tells that one was stolen";
        check.add(Problem::at(at.place, cause).help("remove `rotate`, or give the client a `secret` or `keys`"));
    }
    Refresh { idle, lifetime, rotates: own.rotate.as_ref().map_or(public, |at| at.value) }
}

pub(super) fn sessions(written: Option<&WrittenSessions>, check: &mut Check<'_>) -> Sessions {
    let (idle, whole) = written.map_or((None, None), |sessions| (sessions.idle.as_ref(), sessions.r#for.as_ref()));
    let (idle, lifetime) = spans(idle, whole, (12 * HOUR, 7 * DAY), check);
    Sessions { idle, lifetime }
}

pub(super) fn rotation(at: Option<&At<Duration>>, check: &mut Check<'_>) -> Duration {
    if let Some(at) = at.filter(|at| at.value < DAY) {
        let cause =
            "a key must sign for at least a day: the next one is published a day before, so that everyone has it";
        check.add(Problem::at(at.place, cause).help("write at least `1d`; `90d` is a good choice"));
    }
    at.map_or(90 * DAY, |at| at.value)
}

/// How long known revocations count while no others can be read.
pub(super) fn revocations(at: Option<&At<Duration>>, check: &mut Check<'_>) -> Duration {
    at_least(at, HOUR, 5 * SECOND, check)
}

/// How long the log of who did what is kept.
pub(super) fn kept(at: Option<&At<Duration>>, check: &mut Check<'_>) -> Duration {
    at_least(at, 400 * DAY, DAY, check)
}

/// How long something may idle, and how long it lives in any case: the first is never longer than the second.
fn spans(
    idle: Option<&At<Duration>>,
    whole: Option<&At<Duration>>,
    usual: (Duration, Duration),
    check: &mut Check<'_>,
) -> (Duration, Duration) {
    let lifetime = at_least(whole, usual.1, SECOND, check);
    if let Some(at) = idle.filter(|at| at.value > lifetime) {
        let ends = match whole {
            Some(_) => format!("it is over after {} in any case", format(lifetime)),
            None => format!("`for` is {} where it is left out", format(lifetime)),
        };
        let problem = Problem::at(at.place, format!("{ends}, so it can never be idle for so long"))
            .help("write a shorter `idle`, or a longer `for`");
        check.add(match whole {
            Some(whole) => problem.other(whole.place, "over in any case"),
            None => problem,
        });
    }
    (at_least(idle, usual.0.min(lifetime), SECOND, check), lifetime)
}

/// A duration that must not be shorter than `least`, or its default.
fn at_least(at: Option<&At<Duration>>, default: Duration, least: Duration, check: &mut Check<'_>) -> Duration {
    let Some(at) = at else { return default };
    if at.value < least {
        let cause = format!("this duration must be at least {}", format(least));
        check.add(Problem::at(at.place, cause).help(format!("write `{}` or more", format(least))));
    }
    at.value
}
