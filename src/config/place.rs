//! Where in the file something stands.

use std::sync::Arc;

/// A range of bytes in the file. Empty ranges mark a beginning (of a list item, of the file).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub start: usize,
    pub end: usize,
}

/// A value and its place.
#[derive(Clone, Debug, Default)]
pub struct At<T> {
    pub place: Place,
    pub value: T,
}

impl<T> At<T> {
    pub fn new(place: Place, value: T) -> Self {
        Self { place, value }
    }
}

/// The text of a file with its name; cheap to clone.
#[derive(Clone, Debug)]
pub struct Text {
    pub name: Arc<str>,
    content: Arc<str>,
    /// Where each line begins.
    lines: Arc<[usize]>,
}

impl Text {
    pub fn new(name: &str, content: String) -> Self {
        let breaks = content.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { name: name.into(), content: content.into(), lines }
    }

    pub fn content(&self) -> &str {
        &self.content
    }

    /// What stands at a place; empty if the place is not in this text.
    pub fn slice(&self, place: Place) -> &str {
        self.content.get(place.start..place.end).unwrap_or_default()
    }

    /// Line and column, both from 1; columns count characters.
    pub fn position(&self, place: Place) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= place.start);
        let start = self.line_start(line);
        let before = self.content.get(start..place.start).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// The place of the line that this place begins on, without the line break.
    pub fn line_at(&self, place: Place) -> Place {
        let line = self.lines.partition_point(|start| *start <= place.start);
        let (start, next) = (self.line_start(line), self.lines.get(line).copied().unwrap_or(self.content.len()));
        let whole = self.content.get(start..next).unwrap_or_default();
        Place { start, end: start + whole.trim_end_matches(['\r', '\n']).len() }
    }

    fn line_start(&self, line: usize) -> usize {
        self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// An empty place becomes the word that begins there, so that there is something to underline.
    pub fn widened(&self, place: Place) -> Place {
        if place.start < place.end {
            return place;
        }
        let rest = self.content.get(place.start..).unwrap_or_default();
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        let first = rest.chars().next().map_or(0, char::len_utf8);
        Place { start: place.start, end: place.start + word.max(first) }
    }
}
