//! Which routes could have taken a request, and why each but one did not.

use http::Method;

use crate::gate::table::{HostPattern, Methods, Pattern};
use crate::observe::explanation::Considered;
use crate::serve::decisions::Account;
use crate::serve::snapshot::{Route, Snapshot};

/// At most this many are told.
const MOST: usize = 12;

/// The chosen one first, then those that take host and path, then the nearest others.
pub fn considered(account: &Account, house: &Snapshot, chosen: Option<&Route>) -> Vec<Considered> {
    if account.path.is_empty() {
        return Vec::new();
    }
    let texts: Vec<&str> = account.path.split('/').skip(1).collect();
    let mut found: Vec<(usize, &Route, String)> = Vec::new();
    for route in house.table.values() {
        let is_chosen = chosen.is_some_and(|chosen| std::ptr::eq(chosen, route));
        let (rank, why) = if is_chosen {
            (0, "taken: of the routes for this host, path and method the most specific one".to_owned())
        } else {
            match lost(&route.pattern, account, &texts) {
                Some(lost) => lost,
                None => continue,
            }
        };
        found.push((rank, route, why));
    }
    // Near misses are of use where nothing was found, and noise where something was.
    if chosen.is_some() {
        found.retain(|(rank, _, _)| *rank < NEAR);
    }
    found.sort_by_key(|(rank, route, _)| (*rank, route.line));
    let told = found.into_iter().take(MOST).map(|(_, route, why)| Considered {
        name: route.series.name.to_string(),
        pattern: route.pattern.to_string(),
        line: route.line,
        why,
    });
    told.collect()
}

/// From this rank on, the path is another one.
const NEAR: usize = 10;

fn lost(pattern: &Pattern, account: &Account, texts: &[&str]) -> Option<(usize, String)> {
    let (host, path) = (pattern.host.takes(&account.host), pattern.takes_path(&account.path));
    let method = pattern.methods.take(&account.method);
    match (host, path, method) {
        (true, true, true) => Some((1, "matches too, and is less specific than the one taken".to_owned())),
        (true, true, false) => Some((2, format!("takes {}, not {}", words(&pattern.methods), account.method))),
        (false, true, _) => {
            Some((3, format!("is for {}, not for {}", host_words(&pattern.host), shown(&account.host))))
        }
        (true, false, _) => {
            let fitting = pattern.fitting(texts);
            let near = fitting > 0 || is_near(pattern, texts);
            near.then(|| (NEAR + MOST.saturating_sub(fitting), difference(pattern, texts, fitting)))
        }
        (false, false, _) => None,
    }
}

/// One wrong letter in the first segment is worth a word.
fn is_near(pattern: &Pattern, texts: &[&str]) -> bool {
    use crate::gate::table::Segment;
    match (pattern.segments.first(), texts.first()) {
        (Some(Segment::Literal(own)), Some(text)) => !own.is_empty() && strsim::damerau_levenshtein(own, text) <= 2,
        (Some(Segment::Named(_) | Segment::Rest), _) | (None, _) | (_, None) => false,
    }
}

fn difference(pattern: &Pattern, texts: &[&str], fitting: usize) -> String {
    use crate::gate::table::Segment;
    let at = fitting + 1;
    match (pattern.segments.get(fitting), texts.get(fitting)) {
        (Some(Segment::Literal(own)), Some(text)) => format!("segment {at} of the path is `{text}`, not `{own}`"),
        (Some(Segment::Named(name)), Some(_)) => {
            format!("segment {at} of the path is empty, where `{{{name}}}` stands")
        }
        (Some(Segment::Rest), _) | (None, None) => "the path is another one".to_owned(),
        (Some(Segment::Literal(own)), None) => format!("the path ends before `{own}`"),
        (Some(Segment::Named(name)), None) => format!("the path ends before `{{{name}}}`"),
        (None, Some(text)) => format!("the path goes on with `{text}`; `/**` at its end would take that"),
    }
}

fn words(methods: &Methods) -> String {
    match methods {
        Methods::All => "all methods but CONNECT and TRACE".to_owned(),
        Methods::Named(named) => named.iter().map(Method::as_str).collect::<Vec<_>>().join(", "),
    }
}

fn host_words(host: &HostPattern) -> String {
    match host {
        HostPattern::Exact(name) => format!("the host {name}"),
        HostPattern::Under(parent) => format!("hosts under {parent}"),
        HostPattern::Any => "any host".to_owned(),
    }
}

fn shown(host: &str) -> &str {
    if host.is_empty() { "a request without a host" } else { host }
}
