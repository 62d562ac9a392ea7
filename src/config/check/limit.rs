//! `limit`: rates and whose budget they are.

use std::time::Duration;

use super::Check;
use crate::config::document::policy::{Away, Limit as Written, Sharing as WrittenSharing};
use crate::config::document::read::OneOrMany;
use crate::config::place::At;
use crate::config::plan::{Limit, Per, Sharing};
use crate::config::problem::Problem;
use crate::gate::limit as gate;

/// `public`: nobody is known on the route. `own`: the limit stands on the route itself and not in the defaults.
pub(super) fn limits(written: &OneOrMany<Written>, public: bool, own: bool, check: &mut Check<'_>) -> Vec<Limit> {
    if written.items.is_empty() && written.listed {
        let cause = "an empty list of limits does nothing";
        check.add(
            Problem::at(written.place, cause).help("write a limit such as `{rate: 100/s}`, or `limit: off` for none"),
        );
    }
    let mut limits: Vec<Limit> = Vec::new();
    for item in &written.items {
        let Some(mut limit) = one(item, check) else { continue };
        if public && matches!(limit.per, Per::Client | Per::Subject | Per::Token) {
            if own {
                let place = item.per.as_ref().map_or(item.place, |per| per.place);
                let cause = format!("nobody is known on a public route, so there is no {} to count", word(&limit.per));
                check.add(Problem::at(place, cause).help("write `per: ip`, or `per: route` for all callers together"));
            }
            // Inherited: the best that can be done where nobody is known.
            limit.per = Per::Ip;
        }
        if limits.iter().any(|earlier| earlier.name == limit.name) {
            let place = item.name.as_ref().map_or(item.place, |name| name.place);
            let cause = format!("two limits of one route are called `{}`", limit.name);
            check.add(Problem::at(place, cause).help("give one of them another `name`"));
        }
        limits.push(limit);
    }
    limits
}

fn one(written: &Written, check: &mut Check<'_>) -> Option<Limit> {
    let rate = written.rate.0.as_ref();
    let parsed = rate.and_then(|rate| match parse(&rate.value) {
        Ok(parsed) => Some(parsed),
        Err(cause) => {
            check.add_text(rate.place, cause);
            None
        }
    });
    if let Some(burst) = written.burst.as_ref().filter(|burst| burst.value == 0) {
        let cause = "a burst of 0 lets nothing through";
        check.add(
            Problem::at(burst.place, cause).help("write at least 1, or leave `burst` out for the number of the rate"),
        );
    }
    if let Some(name) = written.name.as_ref().filter(|name| !is_name(&name.value)) {
        let cause = "this name cannot stand in the `RateLimit` header";
        check.add(Problem::at(name.place, cause).help("use letters, digits, `-`, `_`, `.`, `:` and `/`"));
    }
    if let Some(per) = &written.per
        && let Err(cause) = gate::Per::parse(&word(&per.value))
    {
        check.add_text(per.place, cause);
    }
    let per = written.per.as_ref().map_or(Per::Client, |per| per.value.clone());
    let rate: &At<String> = rate?;
    let (count, window) = parsed?;
    let name =
        written.name.as_ref().map_or_else(|| format!("{}:{}", word(&per), rate.value), |name| name.value.clone());
    let burst = written.burst.as_ref().map_or(count, |burst| burst.value);
    let only_observes = written.observe.as_ref().is_some_and(|at| at.value);
    let shared = sharing(written, burst, check);
    Some(Limit { name, text: rate.value.clone(), count, window, burst, per, only_observes, shared })
}

/// Below this burst a share would be a single unit, and several gateways with one each would be too far from the limit:
/// such a limit is asked about at each request.
const LEAST_LEASED: u32 = 50;

/// How a fleet counts it. `None`: each gateway for itself.
fn sharing(written: &Written, burst: u32, check: &mut Check<'_>) -> Option<Sharing> {
    let refuses = written.away.as_ref().is_some_and(|at| at.value == Away::Refuse);
    let usual = if burst < LEAST_LEASED { Sharing::Exact { refuses } } else { Sharing::Lease };
    let meant = match written.shared.as_ref().map(|at| at.value) {
        None => check.shares.then_some(usual),
        Some(WrittenSharing::Lease) => Some(Sharing::Lease),
        Some(WrittenSharing::Exact) => Some(Sharing::Exact { refuses }),
        Some(WrittenSharing::Off) => None,
    };
    let keys =
        [written.shared.as_ref().map(|at| ("shared", at.place)), written.away.as_ref().map(|at| ("away", at.place))];
    if !check.shares {
        for (key, place) in keys.into_iter().flatten() {
            let cause = format!("`{key}` does nothing: this file shares nothing with other gateways");
            check.add(
                Problem::at(place, cause).help("add `shared: {redis: {env: REDIS_URL}}` to the file, or remove this"),
            );
        }
        return None;
    }
    if let (Some(away), Some(Sharing::Lease) | None) = (&written.away, meant) {
        let cause = "`away` does nothing: only an exact limit has the choice";
        check.add(Problem::at(away.place, cause).help("add `shared: exact`, or remove `away`"));
    }
    meant
}

/// `100/s`, `10/m`, `1000/h`.
pub(super) fn parse(text: &str) -> Result<(u32, Duration), String> {
    let wrong = || format!("`{text}` is not a rate; write calls and time: `100/s`, `10/m` or `1000/h`");
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let window = Duration::from_secs(seconds);
    // A bucket counts one unit in a nanosecond at most.
    let most = u32::try_from(window.as_nanos()).unwrap_or(u32::MAX);
    let too_much = || format!("`{text}` is too much; the most is `{most}/{unit}`");
    let count: u32 = count.parse().map_err(|_| too_much())?;
    if count == 0 {
        return Err(format!("`{text}` lets nothing through; write at least 1"));
    }
    gate::Rate::new(count, window).map_err(|_| too_much())?;
    Ok((count, window))
}

/// The word for it in the file.
pub(crate) fn word(per: &Per) -> String {
    match per {
        Per::Client => "client".to_owned(),
        Per::Subject => "subject".to_owned(),
        Per::Ip => "ip".to_owned(),
        Per::Token => "token".to_owned(),
        Per::Header(name) => format!("header:{name}"),
        Per::Route => "route".to_owned(),
    }
}

/// A structured-field string without quotes; kept plain so that it is also a metric label and a log word.
fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte))
}
