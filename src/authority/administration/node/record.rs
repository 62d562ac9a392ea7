//! One object of a dump: takes what is known by any of its names, and tells what is left.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A record under examination.
pub(super) struct Record<'a> {
    /// How it is called in problems: `client "x"`.
    who: &'a str,
    fields: &'a mut Map<String, Value>,
    problems: &'a mut Vec<String>,
}

impl<'a> Record<'a> {
    pub(super) fn new(who: &'a str, fields: &'a mut Map<String, Value>, problems: &'a mut Vec<String>) -> Self {
        Self { who, fields, problems }
    }

    pub(super) fn problem(&mut self, text: &str) {
        self.problems.push(format!("{}: {text}", self.who));
    }

    /// The first of these fields that is there.
    fn take(&mut self, names: &[&'static str]) -> Option<(&'static str, Value)> {
        let name = names.iter().find(|name| self.fields.get(**name).is_some_and(|value| !value.is_null()))?;
        Some((name, self.fields.remove(*name)?))
    }

    /// A text, or a number or an id of MongoDB as one.
    pub(super) fn text(&mut self, names: &[&'static str]) -> Option<String> {
        let (name, value) = self.take(names)?;
        match value {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Object(fields) => match fields.get("$oid") {
                Some(Value::String(text)) => Some(text.clone()),
                _ => self.wrong(name, "a text"),
            },
            Value::Null | Value::Bool(_) | Value::Array(_) => self.wrong(name, "a text"),
        }
    }

    /// Whole seconds.
    pub(super) fn number(&mut self, names: &[&'static str]) -> Option<u64> {
        let (name, value) = self.take(names)?;
        match value.as_u64().filter(|seconds| *seconds > 0) {
            Some(number) => Some(number),
            None => self.wrong(name, "a number of seconds above 0"),
        }
    }

    pub(super) fn flag(&mut self, names: &[&'static str]) -> Option<bool> {
        let (name, value) = self.take(names)?;
        match value {
            Value::Bool(flag) => Some(flag),
            Value::Number(number) => Some(number.as_u64() != Some(0)),
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => self.wrong(name, "true or false"),
        }
    }

    /// A list of texts, or one text.
    pub(super) fn list(&mut self, names: &[&'static str]) -> Vec<String> {
        let Some((name, value)) = self.take(names) else { return Vec::new() };
        let items = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        let mut texts = Vec::new();
        for item in items {
            match item {
                Value::String(text) => texts.push(text),
                _ => return self.wrong(name, "a list of texts").unwrap_or_default(),
            }
        }
        texts
    }

    /// A list of words, or one text with blanks or commas between them.
    pub(super) fn words(&mut self, names: &[&'static str]) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for text in self.list(names) {
            for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
                if !words.iter().any(|own| own == word) {
                    words.push(word.to_owned());
                }
            }
        }
        words
    }

    /// Notes every field that nobody took, but for those that mean nothing here.
    pub(super) fn rest(self, known: &[&str], notes: &mut Vec<String>) {
        for name in self.fields.keys().filter(|name| !known.contains(&name.as_str())) {
            notes.push(format!("{}: `{name}` is not taken", self.who));
        }
    }

    fn wrong<T>(&mut self, name: &str, wanted: &str) -> Option<T> {
        self.problem(&format!("`{name}` is {wanted}"));
        None
    }
}

/// In hexadecimal.
pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
