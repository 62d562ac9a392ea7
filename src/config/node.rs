//! YAML text to a tree in which everything keeps its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_yaml::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_yaml::{Location, Spanned};

use super::place::{Place, Text};
use super::problem::{Problem, Problems};

/// One value of the file. The place of a map or a list is that of the key that names it; of an item of a list, its
/// beginning.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub kind: Kind,
}

/// What a value is. Booleans and numbers keep the text they were written as, for where text is wanted (`id: 007`).
#[derive(Clone, Debug)]
pub enum Kind {
    Null,
    Bool(bool, String),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub struct Key {
    pub place: Place,
    pub name: String,
}

impl Kind {
    /// What it is in the words of the messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(..) => "`true` or `false`",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map of keys",
        }
    }
}

/// Reads the text. A syntax error ends the reading with one problem; duplicate keys are problems and reading goes on (the
/// first one counts).
pub fn parse(text: &Text, problems: &mut Problems) -> Option<Node> {
    let options = serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Merge,
        strict_booleans: true,
        non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
        budget: serde_yaml::budget! { max_documents: 1, max_depth: 64, max_nodes: 2_000_000, max_events: 4_000_000, max_aliases: 10_000, max_anchors: 1_000, enforce_alias_anchor_ratio: false },
    };
    match serde_yaml::from_str_with_options::<Spanned<Raw>>(text.content(), options) {
        Ok(raw) => Some(settle(raw, None, text, problems)),
        Err(fault) => {
            let place = fault.location().map_or(Place::default(), |location| place_of(location, text));
            problems.add(syntax(place, &fault, text));
            None
        }
    }
}

fn syntax(place: Place, fault: &serde_yaml::Error, text: &Text) -> Problem {
    if let serde_yaml::Error::MultipleDocuments { .. } | serde_yaml::Error::Budget { .. } = fault.without_snippet()
        && text.slice(text.line_at(place)).starts_with("---")
    {
        let help = "one file holds one configuration: remove `---` and what follows it";
        return Problem::at(place, "a second document begins here").help(help);
    }
    let message = fault.render();
    let message = strip_position(message.lines().next().unwrap_or_default());
    let help = ADVICE.iter().find(|(part, _)| message.contains(part)).map_or(USUAL, |(_, help)| help);
    Problem::at(place, format!("this is not valid YAML: {message}")).help(help)
}

/// Parts of the parser's messages, and what to do about them.
const ADVICE: [(&str, &str); 6] = [
    ("tab", "indent with spaces: YAML allows no tabs there"),
    ("unclosed bracket", "close the bracket that begins here, `{` by `}` and `[` by `]`"),
    ("mapping values", "there is a `: ` inside a value: put the value in quotes, or begin a new line"),
    (
        "'-' indicator",
        "the keys of one item begin in the same column: look at the spaces before this line and the one above",
    ),
    ("unknown anchor", "write `&name` before the value that `*name` repeats; a text that begins with `*` needs quotes"),
    ("anchor or alias", "a text that begins with `*` or `&` needs quotes: `\"* /status\"`"),
];

const USUAL: &str = "look at the indentation, the `:` after each key, and quotes and brackets on this line and the one \
                     before it; a text that has `: ` or ` #` in it, or begins with one of `*&!%@[{|>`, needs quotes";

/// The parser names the place in its own way; ours stands in front of the message already.
fn strip_position(message: &str) -> &str {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let message = match message.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((_, rest)) => rest,
        None => message,
    };
    [" at line ", " at byte ", " (line "].iter().find_map(|mark| message.split_once(mark)).map_or(message, |(it, _)| it)
}

/// As it comes from the library.
enum Raw {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

/// Gives every value its place and its source text, and finds the keys that stand twice.
fn settle(raw: Spanned<Raw>, named: Option<Place>, text: &Text, problems: &mut Problems) -> Node {
    let own = place_of(raw.referenced, text);
    let source = || text.slice(place_of(raw.defined, text)).to_owned();
    let begin = Place { start: own.start, end: own.start };
    let (place, kind) = match raw.value {
        // An empty value has no place of its own worth showing.
        Raw::Null => (if own.start < own.end { own } else { named.unwrap_or(own) }, Kind::Null),
        Raw::Bool(value) => (own, Kind::Bool(value, source())),
        Raw::Number => (own, Kind::Number(source())),
        Raw::Text(value) => (own, Kind::Text(value)),
        Raw::List(items) => {
            let items = items.into_iter().map(|item| settle(item, None, text, problems)).collect();
            (named.unwrap_or(begin), Kind::List(items))
        }
        Raw::Map(entries) => (named.unwrap_or(begin), Kind::Map(settle_map(entries, text, problems))),
    };
    Node { place, kind }
}

fn settle_map(entries: Vec<(Spanned<Raw>, Spanned<Raw>)>, text: &Text, problems: &mut Problems) -> Vec<(Key, Node)> {
    let mut settled: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
    let mut seen = std::collections::HashMap::with_capacity(entries.len());
    for (key, value) in entries {
        let key = settle(key, None, text, problems);
        let name = match key.kind {
            Kind::Text(name) | Kind::Number(name) | Kind::Bool(_, name) => name,
            Kind::Null | Kind::List(_) | Kind::Map(_) => {
                problems.add(Problem::at(key.place, "a key must be a plain word").help("write `name: value`"));
                continue;
            }
        };
        if let Some(first) = seen.insert(name.clone(), key.place) {
            seen.insert(name.clone(), first);
            problems.add(
                Problem::at(key.place, format!("`{name}` stands here a second time"))
                    .other(first, "the first one is here")
                    .help("keep one of the two; if both are wanted, give them different names or join them"),
            );
            continue;
        }
        let value = settle(value, Some(key.place), text, problems);
        settled.push((Key { place: key.place, name }, value));
    }
    settled
}

fn place_of(location: Location, text: &Text) -> Place {
    let span = location.span();
    let length = text.content().len();
    match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(size)) => {
            let start = usize::try_from(start).unwrap_or(length).min(length);
            let end = start.saturating_add(usize::try_from(size).unwrap_or(0)).min(length);
            trimmed(Place { start, end }, text)
        }
        _ => by_line(location, text),
    }
}

/// Multi-line values show their first line; trailing space is not part of a value.
fn trimmed(place: Place, text: &Text) -> Place {
    let slice = text.slice(place);
    let line = slice.split('\n').next().unwrap_or_default().trim_end();
    Place { start: place.start, end: place.start + line.len() }
}

/// From line and column, where the library knows no bytes (some errors).
fn by_line(location: Location, text: &Text) -> Place {
    let line = usize::try_from(location.line()).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(location.column()).unwrap_or(1).saturating_sub(1);
    let start: usize = text.content().split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.content().get(start..).unwrap_or_default();
    let offset: usize = rest.chars().take(column).map(char::len_utf8).sum();
    let start = (start + offset).min(text.content().len());
    Place { start, end: start }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key()? {
            let value = entries.next_value()?;
            map.push((key, value));
        }
        if map.len() > 1_000_000 {
            return Err(A::Error::custom("the map is too large"));
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests;
