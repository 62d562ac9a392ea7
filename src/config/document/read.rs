//! From the positioned tree to written types: the reader behind `section!` and the shapes that sections are made of.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::node::{Key, Kind, Node};
use crate::config::place::{At, Place};
use crate::config::problem::{Problem, Problems, is_telling};
use crate::config::suggest;

/// Something that can be read from a node. `None`: it could not, and the problem is noted.
pub trait Read: Sized {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self>;
}

/// A leaf: one word or number with a grammar of its own.
pub trait FromText: Sized {
    /// For messages: `a duration`, `an address`.
    const WANTED: &'static str;

    /// The error says what is wrong and how to write it, in the user's words.
    fn from_text(text: &str) -> Result<Self, String>;

    fn schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl<T: FromText> Read for At<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = match &node.kind {
            Kind::Text(text) | Kind::Number(text) | Kind::Bool(_, text) => text,
            Kind::Null | Kind::List(_) | Kind::Map(_) => {
                problems.add(wrong_kind(node, T::WANTED));
                return None;
            }
        };
        match T::from_text(text) {
            Ok(value) => Some(At::new(node.place, value)),
            Err(cause) => {
                let (cause, help) = split_help(cause);
                problems.add(Problem { help, ..Problem::at(node.place, cause) });
                None
            }
        }
    }
}

/// Leaf errors may carry their advice after a `; `.
pub fn split_help(cause: String) -> (String, Option<String>) {
    match cause.split_once("; ") {
        Some((cause, help)) => (cause.to_owned(), Some(help.to_owned())),
        None => (cause, None),
    }
}

pub fn wrong_kind(node: &Node, wanted: &str) -> Problem {
    let cause = match node.kind {
        Kind::Null => format!("{wanted} is wanted here, and nothing is written"),
        Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
            format!("{wanted} is wanted here, and this is {}", node.kind.noun())
        }
    };
    Problem::at(node.place, cause)
}

/// A key that must be there. Inside is `None` only when a problem was noted.
#[derive(Clone, Debug)]
pub struct Must<T>(pub Option<T>);

impl<T> Default for Must<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// How a key of a section is read.
pub trait Field: Sized + Default {
    const REQUIRED: bool;

    fn take(node: &Node, problems: &mut Problems) -> Self;
}

impl<T: Read> Field for Must<T> {
    const REQUIRED: bool = true;

    fn take(node: &Node, problems: &mut Problems) -> Self {
        Self(T::read(node, problems))
    }
}

impl<T: Read> Field for Option<T> {
    const REQUIRED: bool = false;

    fn take(node: &Node, problems: &mut Problems) -> Self {
        T::read(node, problems)
    }
}

/// What a section knows of its keys.
pub struct Keys {
    /// The section in the words of the messages: `a route`.
    pub what: &'static str,
    /// Name and doc text.
    pub known: &'static [(&'static str, &'static str)],
    /// Part of the language, not of this version.
    pub later: &'static [&'static str],
    /// Keys that people look for here, and what to do instead.
    pub instead: &'static [(&'static str, &'static str)],
}

/// The entries of one map, opened as a section.
pub struct Fields<'n> {
    place: Place,
    entries: &'n [(Key, Node)],
    keys: &'static Keys,
}

impl<'n> Fields<'n> {
    /// Notes every key that does not belong here.
    pub fn open(node: &'n Node, keys: &'static Keys, problems: &mut Problems) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            let names = keys.known.iter().map(|(name, _)| format!("`{}`", plain(name))).collect::<Vec<_>>().join(", ");
            problems.add(wrong_kind(node, "a map of keys").help(format!("{} has the keys {names}", keys.what)));
            return None;
        };
        for (key, value) in entries {
            if let Some(problem) = keys.problem_with(key) {
                problems.add(problem);
                // Whoever misspells the key of a secret has written a secret behind it all the same.
                if is_telling(&key.name) || keys.meant(&key.name).is_some_and(is_telling) {
                    problems.mask_value(value);
                }
            }
        }
        Some(Self { place: node.place, entries, keys })
    }

    /// The keys that stand here, and where; a misspelt one counts as the one that it was meant to be.
    pub fn names(&self) -> Vec<(String, Place)> {
        let meant = |key: &'n Key| self.keys.meant(&key.name).unwrap_or(&key.name).to_owned();
        self.entries.iter().map(|(key, _)| (meant(key), key.place)).collect()
    }

    /// A key that is missing is not worth a word beside the one that stands there in its place.
    fn excused(&self, name: &str) -> bool {
        let later = |key: &Key| self.keys.later.contains(&key.name.as_str()) && self.entries.len() == 1;
        self.entries.iter().any(|(key, _)| later(key) || self.keys.meant(&key.name) == Some(name))
    }

    pub fn take<F: Field>(&self, name: &'static str, problems: &mut Problems) -> F {
        let name = plain(name);
        let doc = || self.keys.known.iter().find(|(known, _)| plain(known) == name).map_or("", |(_, doc)| doc.trim());
        match self.entries.iter().find(|(key, _)| key.name == name) {
            Some((key, Node { kind: Kind::Null, .. })) => {
                problems.add(Problem::at(key.place, format!("`{name}` has no value")).help(describe(name, doc())));
                F::default()
            }
            Some((_, node)) => F::take(node, problems),
            None if F::REQUIRED && !self.excused(name) => {
                let cause = format!("{} needs the key `{name}`", self.keys.what);
                problems.add(Problem::at(self.place, cause).help(format!("add {}", describe(name, doc()))));
                F::default()
            }
            None => F::default(),
        }
    }
}

impl Keys {
    /// The key that an unknown one was meant to be: the nearest, or the one that the advice names.
    fn meant(&self, wrong: &str) -> Option<&'static str> {
        let mut names = self.known.iter().map(|(known, _)| plain(known));
        if names.clone().any(|known| known == wrong) || self.later.contains(&wrong) {
            return None;
        }
        match self.instead.iter().find(|(known, _)| *known == wrong) {
            Some((_, advice)) => {
                names.find(|name| [format!("`{name}`"), format!("`{name}:")].iter().any(|it| advice.contains(it)))
            }
            None => suggest::nearest(wrong, names),
        }
    }

    fn problem_with(&self, key: &Key) -> Option<Problem> {
        let name = key.name.as_str();
        if self.known.iter().any(|(known, _)| plain(known) == name) {
            return None;
        }
        if self.later.contains(&name) {
            return Some(later(key.place, &format!("`{name}`")));
        }
        if let Some((_, advice)) = self.instead.iter().find(|(known, _)| *known == name) {
            return Some(Problem::at(key.place, format!("{} has no key `{name}`", self.what)).help(*advice));
        }
        let names = || self.known.iter().map(|(known, _)| plain(known));
        let problem = Problem::at(key.place, format!("{} has no key `{name}`", self.what));
        Some(match suggest::nearest(name, names()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("the keys here are {}", suggest::list(names()))),
        })
    }
}

/// Something of the language that this version does not have.
pub fn later(place: Place, what: &str) -> Problem {
    Problem::at(place, format!("this version does not have {what} yet"))
        .help("remove it; it is part of the language, and a later version brings it")
}

/// `r#match` is `match` in the file.
fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// A key and the first sentences of its doc text.
fn describe(name: &str, doc: &str) -> String {
    if doc.is_empty() { format!("`{name}`") } else { format!("`{name}`: {}", doc.trim_end_matches('.')) }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            let help = match node.kind {
                Kind::Map(_) => "begin each item with `- `",
                Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                    "put it in brackets: `[one, two]`, or each item on its own line after `- `"
                }
            };
            problems.add(wrong_kind(node, "a list").help(help));
            return None;
        };
        let read: Vec<T> = items.iter().filter_map(|item| T::read(item, problems)).collect();
        // A list of which nothing could be read is not an empty one.
        (items.is_empty() || !read.is_empty()).then_some(read)
    }
}

/// One, or a list.
#[derive(Clone, Debug, Default)]
pub struct OneOrMany<T> {
    /// The whole.
    pub place: Place,
    pub items: Vec<T>,
    /// Written as a list.
    pub listed: bool,
}

impl<T: Read> Read for OneOrMany<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let place = node.place;
        match &node.kind {
            Kind::List(_) => Vec::read(node, problems).map(|items| Self { place, items, listed: true }),
            Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => {
                T::read(node, problems).map(|item| Self { place, items: vec![item], listed: false })
            }
        }
    }
}

/// A map from names of the user's choice to one kind of thing, in the order of the file.
#[derive(Clone, Debug)]
pub struct Named<T>(pub Vec<(At<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Read> Read for Named<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            problems.add(wrong_kind(node, "a map from names to what they mean").help("write `name: ...`, one a line"));
            return None;
        };
        let mut named = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            if let Some(value) = T::read(value, problems) {
                named.push((At::new(key.place, key.name.clone()), value));
            }
        }
        Some(Self(named))
    }
}

/// `off`, or something.
#[derive(Clone, Debug)]
pub enum OffOr<T> {
    Off(Place),
    On(T),
}

impl<T: Read> Read for OffOr<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Text(text) | Kind::Bool(false, text) if matches!(text.as_str(), "off" | "false") => {
                Some(Self::Off(node.place))
            }
            Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                T::read(node, problems).map(Self::On)
            }
        }
    }
}

impl<T: FromText> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::WANTED.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

impl<T: JsonSchema> JsonSchema for Must<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{} or a list", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [item, { "type": "array", "items": item }] })
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("names of {}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": item })
    }
}

impl<T: JsonSchema> JsonSchema for OffOr<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("off or {}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "const": "off" }, item] })
    }
}
