//! Header fields as they stand in a message: one text with the lines in it, and where each of them is.
//!
//! A gateway looks at a few fields, takes some off, adds some and passes on the rest. For that a map is dear: it reads each
//! name anew, hashes it and keeps each value by itself. Here a field costs twenty bytes beside its own text, and what
//! passes unchanged is copied in one piece.

mod marks;
mod typed;

use bytes::{BufMut, BytesMut};
use http::HeaderName;

use self::marks::tag;
pub use self::marks::{Marks, Names};
use super::spare::{self, Spares};
use super::{cold, plain};

/// Lines of the form `name: value` in the order in which they came. Names are in small letters; values have no controls but
/// the tab (RFC 9110 section 5.5), so that no value can end its line.
#[derive(Clone, Default)]
pub struct Fields {
    text: BytesMut,
    lines: Vec<Line>,
    /// The marks of all names that stand here, and perhaps of some that have been taken off: most questions are about names
    /// that do not.
    names: Marks,
}

thread_local! {
    static LINES: Spares<Vec<Line>> = const { Spares::new() };
}

/// Room for what the gateway adds to a head.
const FURTHER_LINES: usize = 20;
/// A list that has had room for more is let go.
const MOST_SPARE_LINES: usize = 128;

/// An empty list with room for this many lines and what is added to them.
fn room_for(lines: usize) -> Vec<Line> {
    let mut room = LINES.try_with(Spares::take).ok().flatten().unwrap_or_default();
    room.reserve(lines.saturating_add(FURTHER_LINES));
    room
}

/// Where a line stands in the text.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// From here to `colon` is the name.
    start: u32,
    colon: u32,
    /// From here to `to` is the value.
    from: u32,
    to: u32,
    /// Of its name.
    tag: u16,
    /// It stands there just as it is to be written, with its end.
    tidy: bool,
}

/// Where a field stands in the text of a message, as its parser found it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The first byte of the name, and how long it is.
    pub name: (usize, usize),
    /// The same of the value, without the space around it.
    pub value: (usize, usize),
}

impl Fields {
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields that httparse has found in `text`; what it lets pass as a name or a value is one. `None`: a place is outside
    /// of the text.
    pub fn of_text(mut text: BytesMut, places: impl ExactSizeIterator<Item = Place>) -> Option<Self> {
        let mut lines = room_for(places.len());
        let mut names = Marks::NONE;
        for place in places {
            let mut line = Line::at(place)?;
            let name = text.get_mut(range(line.start, line.colon))?;
            plain::lower(name);
            line.tag = tag(name);
            names = names.with(line.tag);
            if name.is_empty() || line.to as usize > text.len() {
                return None;
            }
            line.tidy = line.is_tidy_in(&text);
            lines.push(line);
        }
        Some(Self { text, lines, names })
    }

    /// Reads all of it: see `cold`.
    pub fn fetch(&self) -> u8 {
        let lines = self.lines.iter().step_by(2).fold(0, |sum, line| sum ^ line.tag);
        cold::lines(&self.text) ^ lines.to_le_bytes()[0]
    }

    /// Whether every line stands there just as it is to be written, with its end.
    pub fn is_tidy(&self) -> bool {
        self.lines.iter().all(|line| line.tidy)
    }

    /// The first value of a field.
    pub fn first(&self, name: &HeaderName) -> Option<&[u8]> {
        let line = self.lines.get(self.find(name.as_str().as_bytes())?)?;
        Some(self.part(line.from, line.to))
    }

    /// The first value of a field, if it is visible ASCII, spaces and tabs.
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        visible(self.first(name)?)
    }

    /// All values of a field, in order.
    pub fn all<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        // The first that has the name stands for it: the one that was asked for may be gone before the iterator is.
        let at = self.find(name.as_str().as_bytes());
        let (first, behind) = at.and_then(|at| self.lines.get(at..)?.split_first()).unzip();
        let same = move |line: &&Line| {
            let name = |line: &Line| self.part(line.start, line.colon);
            first.is_some_and(|first| line.tag == first.tag && name(line) == name(first))
        };
        let behind = behind.unwrap_or_default().iter().filter(same);
        first.into_iter().chain(behind).map(|line| self.part(line.from, line.to))
    }

    pub fn contains(&self, name: &HeaderName) -> bool {
        self.find(name.as_str().as_bytes()).is_some()
    }

    /// Every line, in order: name in small letters, and value.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.part(line.start, line.colon), self.part(line.from, line.to)))
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// At least as many bytes as all lines take when they are written.
    pub fn most_bytes(&self) -> usize {
        // A line that came without a space behind its colon is written with one.
        self.text.len() + self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a line. A value that could not stand in one is left empty.
    pub fn append(&mut self, name: &HeaderName, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.append_parts(name, &[value]);
    }

    /// Adds a line whose value is these parts, one after the other.
    pub fn append_parts(&mut self, name: &HeaderName, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum();
        self.append_with(name, length, |text| parts.iter().for_each(|part| text.put_slice(part)));
    }

    /// Adds a line whose value `say` writes behind what is there already; it takes about `length` bytes.
    pub fn append_with(&mut self, name: &HeaderName, length: usize, say: impl FnOnce(&mut BytesMut)) {
        let name = name.as_str().as_bytes();
        let tag = tag(name);
        self.names = self.names.with(tag);
        let start = self.text.len();
        self.text.reserve(name.len() + length + 4);
        self.text.put_slice(name);
        self.text.put_slice(b": ");
        let from = self.text.len();
        say(&mut self.text);
        if self.text.get(from..).is_none_or(plain::has_controls) {
            self.text.truncate(from);
        }
        let place = Place { name: (start, name.len()), value: (from, self.text.len() - from) };
        self.text.put_slice(b"\r\n");
        self.lines.extend(Line::at(place).map(|line| Line { tag, tidy: true, ..line }));
    }

    /// Sets a field: it stands there once.
    pub fn insert(&mut self, name: &HeaderName, value: impl AsRef<[u8]>) {
        self.remove(name);
        self.append(name, value);
    }

    /// Adds all lines of `others`.
    pub fn append_all(&mut self, others: &Self) {
        let shift = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.names = self.names.union(others.names);
        self.text.extend_from_slice(&others.text);
        self.lines.extend(others.lines.iter().map(|line| line.moved(shift)));
    }

    pub fn remove(&mut self, name: &HeaderName) {
        self.remove_named(name.as_str().as_bytes());
    }

    /// Takes off all lines of a name in small letters.
    pub fn remove_named(&mut self, name: &[u8]) {
        if self.find(name).is_some() {
            self.take_off(Marks::NONE.and(name), |own| own == name);
        }
    }

    /// Takes off the lines of which `is` says so by their name in small letters, asked of those alone that may be `among` some.
    pub fn take_off(&mut self, among: Marks, is: impl Fn(&[u8]) -> bool) {
        if self.names.meet(among) {
            let text = &self.text;
            let name = |line: &Line| text.get(range(line.start, line.colon)).unwrap_or_default();
            self.lines.retain(|line| !among.has(line.tag) || !is(name(line)));
            // What has been taken off is not looked for again.
            self.names = self.lines.iter().fold(Marks::NONE, |all, line| all.with(line.tag));
        }
    }

    /// Takes off all lines that have one of these names.
    pub fn take_off_named(&mut self, names: &Names) {
        self.take_off(names.marks(), |name| names.has(name));
    }

    /// Keeps the lines of which `keep` says so: name in small letters, and value.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let text = &self.text;
        let part = |from, to| text.get(range(from, to)).unwrap_or_default();
        self.lines.retain(|line| keep(part(line.start, line.colon), part(line.from, line.to)));
    }

    /// Writes all lines, each with its end.
    pub fn write_to(&self, out: &mut BytesMut) {
        out.reserve(self.most_bytes());
        let mut run: Option<(u32, u32)> = None;
        for line in &self.lines {
            let end = line.to.saturating_add(2);
            if !line.tidy {
                self.flush(run.take(), out);
                for part in [self.part(line.start, line.colon), b": ", self.part(line.from, line.to), b"\r\n"] {
                    out.put_slice(part);
                }
                continue;
            }
            run = match run {
                Some((start, until)) if until == line.start => Some((start, end)),
                Some(_) | None => {
                    self.flush(run, out);
                    Some((line.start, end))
                }
            };
        }
        self.flush(run, out);
    }

    fn flush(&self, run: Option<(u32, u32)>, out: &mut BytesMut) {
        if let Some((start, end)) = run {
            out.put_slice(self.part(start, end));
        }
    }

    /// Where the first line of a name in small letters stands.
    fn find(&self, name: &[u8]) -> Option<usize> {
        let tag = tag(name);
        if !self.names.has(tag) {
            return None;
        }
        self.lines.iter().position(|line| line.tag == tag && self.part(line.start, line.colon) == name)
    }

    fn part(&self, from: u32, to: u32) -> &[u8] {
        self.text.get(range(from, to)).unwrap_or_default()
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        spare::give_back(std::mem::take(&mut self.text));
        let mut lines = std::mem::take(&mut self.lines);
        if (FURTHER_LINES..=MOST_SPARE_LINES).contains(&lines.capacity()) {
            lines.clear();
            let _ = LINES.try_with(|all| all.give_back(lines));
        }
    }
}

impl Line {
    fn at(place: Place) -> Option<Self> {
        let ((start, name), (from, value)) = (place.name, place.value);
        let number = |at: usize| u32::try_from(at).ok();
        let (colon, to) = (start.checked_add(name)?, from.checked_add(value)?);
        let (start, colon, from, to) = (number(start)?, number(colon)?, number(from)?, number(to)?);
        let line = Self { start, colon, from, to, tag: 0, tidy: false };
        (line.colon <= line.from).then_some(line)
    }

    fn is_tidy_in(&self, text: &[u8]) -> bool {
        let end = self.to.saturating_add(2);
        text.get(range(self.colon, self.from)) == Some(b": ") && text.get(range(self.to, end)) == Some(b"\r\n")
    }

    fn moved(&self, by: u32) -> Self {
        let moved = |at: u32| at.saturating_add(by);
        let (start, colon) = (moved(self.start), moved(self.colon));
        Self { start, colon, from: moved(self.from), to: moved(self.to), ..*self }
    }
}

/// Names alone: values can hold secrets.
impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

fn range(from: u32, to: u32) -> std::ops::Range<usize> {
    from as usize..to as usize
}

/// The value, if it is visible ASCII, spaces and tabs.
pub fn visible(value: &[u8]) -> Option<&str> {
    if plain::is_visible(value) { std::str::from_utf8(value).ok() } else { None }
}

#[cfg(test)]
mod tests;
