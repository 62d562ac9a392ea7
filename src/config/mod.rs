//! gateway.yaml: the only room that knows YAML.
//!
//! In: text, files and variables, all through a [`Source`]. Out: a [`Plan`] that cannot be wrong, or every [`Problem`] of
//! the file at once, each with its place and advice. The way is text, [`node`] (what stands where), `document` (what was
//! written), `check` (what is meant), [`plan`].
//!
//! Never starts anything, opens no socket, and never repeats a secret that somebody wrote in clear.

mod check;
pub mod diff;
pub mod document;
pub mod map;
pub mod node;
pub mod place;
pub mod plan;
pub mod problem;
pub mod source;
mod suggest;

use std::path::Path;

pub use plan::{Plan, Warning};
pub use problem::{Problem, Problems};
pub use source::{Files, NoFiles, Source};

use document::read::Read as _;
use place::Text;

/// Reads and checks a gateway.yaml. Relative paths in it count from its own folder.
pub fn load(path: &Path, source: &dyn Source) -> Result<Plan, Problems> {
    let name = path.to_string_lossy();
    let bytes = match source.document(path) {
        Ok(bytes) => bytes,
        Err(cause) => return Err(Problems::unreadable(&name, &cause)),
    };
    let content = match String::from_utf8(bytes) {
        Ok(content) => content,
        Err(fault) => return Err(Problems::not_text(&name, fault.utf8_error().valid_up_to())),
    };
    let text = Text::new(&name, content);
    let mut problems = Problems::new(text.clone());
    let root = node::parse(&text, &mut problems);
    let document = document::read(root.as_ref(), &mut problems);
    let mut plan = document.and_then(|document| check::check(&document, path, source, &mut problems));
    if let Some(root) = &root {
        problems.name_paths(root);
        if let Some(plan) = &mut plan {
            problem::name_warnings(root, &mut plan.warnings);
        }
    }
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(problems.sorted()),
    }
}

/// Reads the tests of another file against the names of `plan`'s own.
pub fn load_tests(path: &Path, plan: &Plan, source: &dyn Source) -> Result<Vec<plan::test::Test>, Problems> {
    let name = path.to_string_lossy();
    let bytes = source.document(path).map_err(|cause| Problems::unreadable(&name, &cause))?;
    let content =
        String::from_utf8(bytes).map_err(|fault| Problems::not_text(&name, fault.utf8_error().valid_up_to()))?;
    let text = Text::new(&name, content);
    let mut problems = Problems::new(text.clone());
    let root = node::parse(&text, &mut problems);
    let file = root.as_ref().and_then(|root| document::test::TestFile::read(root, &mut problems));
    let tests = file.map(|file| check::more_tests(&file, plan, path, source, &mut problems)).unwrap_or_default();
    if let Some(root) = &root {
        problems.name_paths(root);
    }
    if problems.is_empty() { Ok(tests) } else { Err(problems.sorted()) }
}

/// Reads one call, as `explain` is asked about it: `METHOD URL`.
pub fn call(text: &str) -> Result<(http::Method, Option<String>, String), String> {
    check::test::request(text)
}

/// JSON Schema of gateway.yaml, made of the same types that read it.
pub fn schema() -> serde_json::Value {
    document::schema()
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
