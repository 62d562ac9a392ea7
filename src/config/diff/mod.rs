//! What a change of the configuration opens and closes, in sentences.
//!
//! In: two [`Model`]s. Out: a [`Diff`], computed over all requests there can be and not over text: a route that is written
//! otherwise and means the same is no change, and one that lets a single new caller through is.

pub mod access;
mod facts;
pub mod model;
mod others;
pub mod space;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

pub use model::Model;
use model::Route;
use space::{Both, Class, Space};

/// All differences of two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub kind: Kind,
    /// `a token with orders:read may now DELETE /v1/orders/{any}`.
    pub sentence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// Line of the route in the new file, or in the old one where the new has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The requests that it is about; empty for what is not about routes.
    #[serde(skip, default)]
    pub classes: Vec<Class>,
    /// Somebody whom it is about.
    #[serde(skip, default)]
    pub who: Option<access::Who>,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody may do what they could not.
    Opens,
    /// Somebody may not do any more what they could.
    Closes,
    /// Nobody's access changes, but what happens does.
    Changes,
}

impl Kind {
    fn heading(self) -> &'static str {
        match self {
            Self::Opens => "OPENS",
            Self::Closes => "CLOSES",
            Self::Changes => "CHANGES",
        }
    }
}

/// Patterns that one sentence names, at most.
const MOST_NAMED: usize = 6;

/// Compares. The error says why the whole cannot be compared.
pub fn diff(old: &Model, new: &Model) -> Result<Diff, String> {
    let spaces = [&Space::of(old, same)?, &Space::of(new, same)?];
    let mut groups: BTreeMap<Both, Vec<Class>> = BTreeMap::new();
    space::walk(spaces, [old, new], same, &mut |class, both| {
        if both != [None, None] {
            groups.entry(both).or_default().push(class);
        }
    })?;
    let issuers = old.issuers.len().max(new.issuers.len());
    let mut changes = others::changes(old, new);
    let mut told = HashSet::new();
    for ([before, now], classes) in groups {
        let routes = [before.and_then(|index| old.routes.get(index)), now.and_then(|index| new.routes.get(index))];
        let of_access = of_access(routes, &classes, issuers);
        if let [Some(before), Some(now)] = routes {
            let rest = of_rest(before, now).filter(|_| of_access.is_empty());
            changes.extend(of_lets(before, now).chain(rest).filter(|change| told.insert(change.sentence.clone())));
        }
        changes.extend(of_access);
    }
    changes.sort_by_key(|change| (change.kind, change.line));
    Ok(Diff { changes })
}

/// Equal for routes that make no difference.
fn same(route: &Route) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&route.access, &route.rest, &route.lets).hash(&mut hasher);
    hasher.finish()
}

fn of_access([before, now]: [Option<&Route>; 2], classes: &[Class], issuers: usize) -> Vec<Change> {
    let (old, new) = (before.map(|route| &route.access), now.map(|route| &route.access));
    let text = |route: Option<&Route>| route.map_or_else(|| "no route".to_owned(), |route| route.access.text());
    let change = |kind, who: access::Who, verb: &str| Change {
        kind,
        sentence: format!("{} {verb} {}", who.text(issuers), requests(classes)),
        before: Some(text(before)),
        now: Some(text(now)),
        line: now.or(before).map(|route| route.line),
        classes: classes.to_vec(),
        who: Some(who),
    };
    let opens = access::newcomer(new, old).map(|who| change(Kind::Opens, who, "may now"));
    let closes = access::newcomer(old, new).map(|who| change(Kind::Closes, who, "may no longer"));
    opens.into_iter().chain(closes).collect()
}

/// What callers may do that they could not, and the other way round.
fn of_lets<'r>(before: &'r Route, now: &'r Route) -> impl Iterator<Item = Change> + use<'r> {
    fn more<'r>(route: &'r Route, other: &'r Route) -> impl Iterator<Item = String> + use<'r> {
        let covered = |what: &String, which: &str| other.lets.iter().any(|(own, name)| own == what && name == which);
        let more = route.lets.iter().filter(move |(what, which)| !covered(what, which) && !covered(what, "*"));
        more.map(|(what, which)| if which.is_empty() { what.clone() } else { format!("{what} `{which}`") })
    }
    let change = |kind, sentence| Change {
        kind,
        sentence,
        before: None,
        now: None,
        line: Some(now.line),
        classes: Vec::new(),
        who: None,
    };
    let opens = more(now, before).map(move |what| change(Kind::Opens, format!("{} now lets in {what}", now.pattern)));
    let closes =
        more(before, now).map(move |what| change(Kind::Closes, format!("{} no longer lets in {what}", now.pattern)));
    opens.chain(closes)
}

fn of_rest<'r>(before: &'r Route, now: &'r Route) -> impl Iterator<Item = Change> + use<'r> {
    let old = |what: &str| before.rest.iter().find(|(own, _)| own == what).map_or("none", |(_, text)| text.as_str());
    let changed = now.rest.iter().filter(move |(what, text)| old(what) != text);
    changed.map(move |(what, text)| Change {
        kind: Kind::Changes,
        sentence: format!("{} has another `{what}`", now.pattern),
        before: Some(old(what).to_owned()),
        now: Some(text.clone()),
        line: Some(now.line),
        classes: Vec::new(),
        who: None,
    })
}

/// `GET /v1/orders/**`, with hosts where routes name them.
fn requests(classes: &[Class]) -> String {
    type OfPath<'c> = (BTreeSet<Option<&'c str>>, &'c [String]);
    let mut methods: BTreeMap<(&Option<String>, &str), OfPath<'_>> = BTreeMap::new();
    for class in classes {
        let of_path = methods.entry((&class.host, &class.path)).or_insert_with(|| (BTreeSet::new(), &class.named));
        of_path.0.insert(class.method.as_deref());
    }
    let mut paths: BTreeMap<(&Option<String>, String), BTreeSet<String>> = BTreeMap::new();
    for ((host, path), (methods, named)) in methods {
        paths.entry((host, words(&methods, named))).or_default().insert(path.to_owned());
    }
    let mut patterns = BTreeSet::new();
    for ((host, words), paths) in paths {
        let host = host.as_deref().unwrap_or_default();
        patterns.extend(space::folded(&paths).into_iter().map(|path| format!("{words} {host}{path}")));
    }
    let more = patterns.len().saturating_sub(MOST_NAMED);
    let mut text = patterns.into_iter().take(MOST_NAMED).collect::<Vec<_>>().join("; ");
    if more > 0 {
        let _ = write!(text, "; and {more} more");
    }
    text
}

/// `GET,POST`; of methods that no route names, which ones they are not.
fn words(methods: &BTreeSet<Option<&str>>, named: &[String]) -> String {
    // Who may GET may HEAD; it goes without saying.
    let spoken = |word: &str| word != "HEAD" || !named.iter().any(|name| name == "GET");
    if methods.contains(&None) {
        let left_out: Vec<&str> =
            named.iter().map(String::as_str).filter(|name| !methods.contains(&Some(*name)) && spoken(name)).collect();
        return match left_out.as_slice() {
            [] => "(any method)".to_owned(),
            some => format!("(any method but {})", some.join(",")),
        };
    }
    let words: Vec<&str> = methods.iter().flatten().copied().collect();
    let shown: Vec<&str> = words.iter().copied().filter(|word| spoken(word)).collect();
    if shown.is_empty() { words.join(",") } else { shown.join(",") }
}

impl Diff {
    pub fn opens(&self) -> bool {
        self.changes.iter().any(|change| change.kind == Kind::Opens)
    }

    /// The sentences, for people.
    pub fn text(&self) -> String {
        if self.changes.is_empty() {
            return "nothing changes: every request is judged as before\n".to_owned();
        }
        let mut out = String::new();
        let mut kind = None;
        for change in &self.changes {
            if kind != Some(change.kind) {
                let gap = if kind.is_some() { "\n" } else { "" };
                let _ = writeln!(out, "{gap}{}", change.kind.heading());
                kind = Some(change.kind);
            }
            let line = change.line.map_or_else(String::new, |line| format!("  (line {line})"));
            let _ = writeln!(out, "  {}{line}", change.sentence);
            if let (Some(before), Some(now)) = (&change.before, &change.now) {
                let _ = writeln!(out, "      before: {before}\n      now:    {now}");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
