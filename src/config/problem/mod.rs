//! A problem of the file: place, cause, help; and all problems of one run.

mod mask;
mod show;

use std::collections::HashMap;

use serde_json::{Value, json};

use super::node::{Kind, Node};
use super::place::{Place, Text};
use super::plan::Warning;

/// Whether a key with this name has a secret behind it, as far as a name tells.
pub(super) fn is_telling(name: &str) -> bool {
    mask::is_telling(name)
}

/// Something wrong in the file, said so that it can be mended from the message alone.
#[derive(Clone, Debug)]
pub struct Problem {
    /// `None`: about the file as a whole.
    pub place: Option<Place>,
    /// Where in the structure: `routes[3].upstream`. Filled in when all problems are known.
    pub path: String,
    /// What is wrong, in the user's words.
    pub cause: String,
    /// What to do.
    pub help: Option<String>,
    /// The place that this one disagrees with, and what it is.
    pub other: Option<(Place, String)>,
    /// Nothing is wrong in the file itself, but something that it names cannot be read.
    pub unreadable: bool,
}

impl Problem {
    pub fn at(place: Place, cause: impl Into<String>) -> Self {
        let path = String::new();
        Self { place: Some(place), path, cause: cause.into(), help: None, other: None, unreadable: false }
    }

    /// About the file as a whole.
    pub fn whole(cause: impl Into<String>) -> Self {
        Self { place: None, ..Self::at(Place::default(), cause) }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn other(mut self, place: Place, what: impl Into<String>) -> Self {
        self.other = Some((place, what.into()));
        self
    }

    #[must_use]
    pub fn unreadable(mut self) -> Self {
        self.unreadable = true;
        self
    }
}

/// All problems of one run, with the text they are about.
#[derive(Clone, Debug)]
pub struct Problems {
    text: Text,
    list: Vec<Problem>,
    /// Places that hold a secret in clear: never printed.
    masks: Vec<Place>,
}

impl Problems {
    pub(super) fn new(text: Text) -> Self {
        Self { text, list: Vec::new(), masks: Vec::new() }
    }

    pub(super) fn unreadable(name: &str, cause: &str) -> Self {
        let mut problems = Self::new(Text::new(name, String::new()));
        let help = "name the file after the command, or start in the folder that holds gateway.yaml";
        problems.add(Problem::whole(format!("the configuration cannot be read: {cause}")).help(help).unreadable());
        problems
    }

    pub(super) fn not_text(name: &str, byte: usize) -> Self {
        let mut problems = Self::new(Text::new(name, String::new()));
        let cause = format!("this is not UTF-8 text: byte {} cannot be read", byte + 1);
        problems.add(Problem::whole(cause).help("save the file as UTF-8"));
        problems
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// This place holds a secret: no message shows it.
    pub(super) fn mask(&mut self, place: Place) {
        self.masks.push(place);
    }

    /// A secret stands here, perhaps: no message shows it. What only names one stays.
    pub(super) fn mask_value(&mut self, node: &Node) {
        match &node.kind {
            Kind::Null => {}
            Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) => self.mask(node.place),
            Kind::List(items) => items.iter().for_each(|item| self.mask_value(item)),
            Kind::Map(entries) => {
                let values = entries.iter().filter(|(key, _)| !matches!(key.name.as_str(), "env" | "file"));
                values.for_each(|(_, value)| self.mask_value(value));
            }
        }
    }

    pub(super) fn text(&self) -> &Text {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Nothing is wrong with what was written, but something cannot be read: exit code 2 and not 1.
    pub fn could_not_read(&self) -> bool {
        !self.list.is_empty() && self.list.iter().all(|problem| problem.unreadable)
    }

    /// Says for every problem where in the structure it is.
    pub(super) fn name_paths(&mut self, root: &Node) {
        if self.list.is_empty() {
            return;
        }
        let mut paths = HashMap::new();
        collect_paths(root, "", &mut paths);
        for problem in self.list.iter_mut().filter(|problem| problem.path.is_empty()) {
            // The second of two equal keys is not in the tree; the first is.
            let places = [problem.place, problem.other.as_ref().map(|(place, _)| *place)];
            if let Some(path) = places.iter().flatten().find_map(|place| paths.get(&(place.start, place.end))) {
                problem.path.clone_from(path);
            }
        }
    }

    /// In the order of the file; of two with one place and one cause, one.
    #[must_use]
    pub(super) fn sorted(mut self) -> Self {
        self.list.sort_by(|a, b| (a.place, &a.cause).cmp(&(b.place, &b.cause)));
        self.list.dedup_by(|a, b| a.place == b.place && a.cause == b.cause);
        self
    }

    /// All problems as a person reads them.
    pub fn render(&self, color: bool) -> String {
        show::problems(self, color)
    }

    /// All problems for programs: `{file, problems: [{line, column, path, cause, help, other}]}`.
    pub fn to_json(&self) -> Value {
        let problems: Vec<Value> = self.list.iter().map(|problem| self.problem_json(problem)).collect();
        json!({ "file": &*self.text.name, "problems": problems })
    }

    fn problem_json(&self, problem: &Problem) -> Value {
        let position = |place: Place| {
            let (line, column) = self.text.position(place);
            json!({ "line": line, "column": column })
        };
        let mut value = json!({ "path": problem.path, "cause": problem.cause, "unreadable": problem.unreadable });
        if let Some(map) = value.as_object_mut() {
            if let Some(place) = problem.place {
                let (line, column) = self.text.position(place);
                map.insert("line".to_owned(), line.into());
                map.insert("column".to_owned(), column.into());
            }
            if let Some(help) = &problem.help {
                map.insert("help".to_owned(), help.clone().into());
            }
            if let Some((place, what)) = &problem.other {
                let mut other = position(*place);
                if let Some(other) = other.as_object_mut() {
                    other.insert("what".to_owned(), what.clone().into());
                }
                map.insert("other".to_owned(), other);
            }
        }
        value
    }
}

/// The plain rendering, for errors that travel as text.
impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// Says for every warning where in the structure it is.
pub(super) fn name_warnings(root: &Node, warnings: &mut [Warning]) {
    let mut paths = HashMap::new();
    if !warnings.is_empty() {
        collect_paths(root, "", &mut paths);
    }
    for warning in warnings {
        if let Some(path) = paths.get(&(warning.place.start, warning.place.end)) {
            warning.path.clone_from(path);
        }
    }
}

/// Outermost first: a place that names both a key and what it holds gets the path of the key.
fn collect_paths(node: &Node, path: &str, paths: &mut HashMap<(usize, usize), String>) {
    paths.entry((node.place.start, node.place.end)).or_insert_with(|| path.to_owned());
    match &node.kind {
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_paths(item, &format!("{path}[{index}]"), paths);
            }
        }
        Kind::Map(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) };
                paths.entry((key.place.start, key.place.end)).or_insert_with(|| path.clone());
                collect_paths(value, &path, paths);
            }
        }
        Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) => {}
    }
}

#[cfg(test)]
mod tests;
