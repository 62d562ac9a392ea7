//! From written to meant: one file per section. Collects problems and never stops at the first; reads nothing but through
//! the source that it is handed.

mod access;
mod answer;
mod authority;
mod condition;
mod cors;
mod file;
mod issuer;
mod limit;
pub(super) mod lint;
mod listen;
mod overlap;
mod pattern;
mod route;
mod secret;
mod shared;
mod store;
pub(super) mod test;
mod text;
mod unused;
mod upstream;

use std::path::Path;
use std::time::Duration;

pub(super) use limit::word as per_word;

use super::document::Document;
use super::document::observe::Decisions;
use super::document::test::TestFile;
use super::place::{At, Place};
use super::plan::test::Test;
use super::plan::{Plan, Shutdown, Warning};
use super::problem::{Problem, Problems};
use super::source::Source;
use super::suggest;

/// What every check has at hand.
struct Check<'a> {
    source: &'a dyn Source,
    /// Relative paths count from here.
    base: &'a Path,
    problems: &'a mut Problems,
    warnings: Vec<Noted>,
    /// Places of acknowledgements that met something.
    acknowledged: Vec<Place>,
    /// Something was left out because the source does not look at files.
    skipped: bool,
    /// The file has a `shared` section, good or not.
    shares: bool,
}

/// A warning to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Noted {
    place: Place,
    name: Option<&'static str>,
    text: String,
    help: Option<&'static str>,
    acknowledged: Option<String>,
}

/// Checks a whole document. `None` if something that cannot be left out was not there; the problems say what.
pub(super) fn check(document: &Document, path: &Path, source: &dyn Source, problems: &mut Problems) -> Option<Plan> {
    let base = path.parent().unwrap_or(Path::new(""));
    let shares = document.has("shared");
    let (warnings, acknowledged) = (Vec::new(), Vec::new());
    let mut check = Check { source, base, problems, warnings, acknowledged, skipped: false, shares };
    check.version(document);
    let listeners = listen::listeners(document, &mut check);
    let admin = listen::admin(document, &mut check);
    let operators = listen::operators(document, &mut check);
    let shared = shared::shared(document, &mut check);
    let store = store::store(document, &mut check);
    let authority = authority::authority(document, store.as_ref(), &mut check);
    let issuers = issuer::issuers(document, &mut check);
    let upstreams = upstream::upstreams(document, &mut check);
    let routes = route::routes(document, &upstreams, &mut check);
    let shutdown = shutdown(document, &mut check);
    unused::unused(document, &mut check);
    lint::lint(document, routes.as_deref(), &mut check);
    let names = test::Names::of(document, routes.as_ref());
    let tests = test::tests(document.tests.as_deref().unwrap_or_default(), &names, &mut check);
    let warnings = check.finished_warnings();
    Some(Plan {
        file: path.to_owned(),
        complete: !check.skipped,
        listeners: listeners?,
        admin: admin?,
        operators,
        shared,
        store: store?,
        authority,
        issuers,
        upstreams: upstreams.into_iter().flatten().collect(),
        routes: routes?,
        tests,
        log: document.observe.as_ref().and_then(|o| o.log.as_ref()?.format.as_ref()).map(|format| format.value),
        decisions: document
            .observe
            .as_ref()
            .and_then(|o| o.decisions.as_ref())
            .is_none_or(|at| at.value == Decisions::On),
        shutdown,
        warnings,
    })
}

/// Checks the tests of another file.
pub(super) fn more_tests(
    file: &TestFile,
    plan: &Plan,
    path: &Path,
    source: &dyn Source,
    problems: &mut Problems,
) -> Vec<Test> {
    let base = path.parent().unwrap_or(Path::new(""));
    let (warnings, acknowledged) = (Vec::new(), Vec::new());
    let mut check = Check { source, base, problems, warnings, acknowledged, skipped: false, shares: false };
    let issuers = plan.issuer_names();
    let names = test::Names {
        routes: plan.routes.iter().map(|route| route.name.as_str()).collect(),
        issuers: issuers.iter().map(|name| (&**name, None)).collect(),
    };
    test::tests(file.tests.0.as_deref().unwrap_or_default(), &names, &mut check)
}

fn shutdown(document: &Document, check: &mut Check<'_>) -> Shutdown {
    let written = document.shutdown.as_ref();
    Shutdown {
        notice: text::span(written.and_then(|w| w.notice.as_ref()), Duration::ZERO, check),
        drain: text::span(written.and_then(|w| w.drain.as_ref()), Duration::from_secs(30), check),
    }
}

impl Check<'_> {
    fn version(&mut self, document: &Document) {
        if let Some(version) = document.version.0.as_ref().filter(|version| version.value != 1) {
            let cause = format!("this program does not know version {} of the language", version.value);
            self.add(Problem::at(version.place, cause).help("write `version: 1`, or install a newer portcullis"));
        }
    }

    fn add(&mut self, problem: Problem) {
        self.problems.add(problem);
    }

    fn warn(&mut self, place: Place, text: impl Into<String>) {
        self.warnings.push(Noted { place, name: None, text: text.into(), help: None, acknowledged: None });
    }

    /// The line of a place, for messages that point elsewhere.
    fn line(&self, place: Place) -> usize {
        self.problems.text().position(place).0
    }

    /// Notes a leaf error that may carry its advice after a `; `.
    fn add_text(&mut self, place: Place, cause: String) {
        let (cause, help) = super::document::read::split_help(cause);
        self.add(Problem { help, ..Problem::at(place, cause) });
    }

    /// Notes a name that is not defined, with the nearest that is, and its line.
    fn unknown_name(&mut self, name: &At<String>, what: &str, known: &[(&str, Option<Place>)], define: &str) {
        let problem = Problem::at(name.place, format!("there is no {what} `{}`", name.value));
        let near = suggest::nearest(&name.value, known.iter().map(|(name, _)| *name));
        let place = near.and_then(|near| known.iter().find(|(name, _)| *name == near).and_then(|(_, place)| *place));
        let help = match (near, place) {
            (Some(near), Some(place)) => format!("did you mean `{near}`, defined on line {}?", self.line(place)),
            (Some(near), None) => format!("did you mean `{near}`?"),
            (None, _) if known.is_empty() => define.to_owned(),
            (None, _) => format!("there is {}; or {define}", suggest::list(known.iter().map(|(name, _)| *name))),
        };
        self.add(problem.help(help));
    }

    fn finished_warnings(&mut self) -> Vec<Warning> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort();
        let text = self.problems.text();
        let told = |noted: Noted| Warning {
            line: text.position(noted.place).0,
            path: String::new(),
            name: noted.name,
            text: noted.text,
            help: noted.help,
            acknowledged: noted.acknowledged,
            place: noted.place,
        };
        warnings.into_iter().map(told).collect()
    }
}
