//! The tests of a file, run.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Rehearsal, Told, on_its_own};
use crate::config::Plan;
use crate::config::plan::test::{Expect, Outcome, Test};
use crate::observe::Reason;
use crate::observe::explanation::Verdict;

/// What came of all tests.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub tests: Vec<Ran>,
    /// Routes that no test touched: name and line.
    pub untouched: Vec<(String, usize)>,
}

/// One test that was run.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    pub name: String,
    pub file: String,
    pub line: usize,
    pub passed: bool,
    /// How the call ended: `allow`, `deny CODE`, `observe CODE`.
    pub outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// What was expected and did not come, a line each.
    pub misses: Vec<String>,
    /// Why the call ended as it did.
    pub why: String,
}

impl Report {
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|ran| !ran.passed).count()
    }
}

/// Tests with the name of the file that they stand in.
pub type Suite = (String, Vec<Test>);

/// Runs all `suites` against `plan`; `progress` hears of each test as it ends.
pub async fn run(plan: &Plan, suites: &[Suite], mut progress: impl FnMut(&Ran)) -> anyhow::Result<Report> {
    let rehearsal = Rehearsal::staged(plan)?;
    let mut touched = BTreeSet::new();
    let mut tests = Vec::new();
    for (file, suite) in suites {
        for test in suite {
            let told = rehearsal.call(&test.call, test.after).await?;
            let ran = judge(file, test, &told);
            touched.extend(ran.route.clone());
            progress(&ran);
            tests.push(ran);
        }
    }
    let untouched = plan.routes.iter().filter(|route| !touched.contains(&route.name));
    Ok(Report { tests, untouched: untouched.map(|route| (route.name.clone(), route.line)).collect() })
}

/// Runs the file's own tests on a thread of its own. The error tells which failed.
pub fn must_pass(plan: &Plan) -> Result<(), String> {
    if plan.tests.is_empty() {
        return Ok(());
    }
    let suite = (plan.file.to_string_lossy().into_owned(), plan.tests.clone());
    let report = on_its_own(async || run(plan, std::slice::from_ref(&suite), |_| {}).await);
    let report = report.map_err(|fault| format!("the tests of the file cannot be run: {fault:#}"))?;
    if report.failed() == 0 {
        return Ok(());
    }
    let failed = report.tests.iter().filter(|ran| !ran.passed);
    let lines: Vec<String> =
        failed.map(|ran| format!("{}:{}: {}: {}", ran.file, ran.line, ran.name, ran.misses.join("; "))).collect();
    Err(format!("{} of {} tests of the file fail:\n{}", lines.len(), report.tests.len(), lines.join("\n")))
}

fn judge(file: &str, test: &Test, told: &Told) -> Ran {
    let explanation = &told.explanation;
    let outcome = outcome(told);
    let route = explanation.route.as_ref().map(|route| route.name.clone());
    let misses = misses(&test.expect, &outcome, route.as_deref(), told);
    Ran {
        name: test.name.clone(),
        file: file.to_owned(),
        line: test.line,
        passed: misses.is_empty(),
        outcome: outcome.to_string(),
        route,
        misses,
        why: explanation.summary.clone(),
    }
}

/// How a call ended.
pub fn outcome(told: &Told) -> Outcome {
    let code = told.explanation.code.as_deref();
    let reason = code.and_then(|code| Reason::ALL.iter().find(|reason| reason.code() == code)).copied();
    match (told.explanation.outcome, reason) {
        (Verdict::Allowed, _) | (Verdict::Observed, None) => Outcome::Allow,
        (Verdict::Refused, reason) => Outcome::Deny(reason),
        (Verdict::Observed, Some(reason)) => Outcome::Observe(reason),
    }
}

fn misses(expect: &Expect, outcome: &Outcome, route: Option<&str>, told: &Told) -> Vec<String> {
    let mut misses = Vec::new();
    if let Some(wanted) = &expect.outcome {
        let same = match (wanted, outcome) {
            (Outcome::Deny(None), Outcome::Deny(_)) => true,
            // What is only observed passes.
            (Outcome::Allow, Outcome::Observe(_)) => true,
            (Outcome::Allow | Outcome::Deny(_) | Outcome::Observe(_), _) => wanted == outcome,
        };
        if !same {
            misses.push(format!("expected {wanted}, got {outcome}"));
        }
    }
    if let Some(wanted) = &expect.route
        && route != Some(wanted.as_str())
    {
        misses.push(format!(
            "expected the route `{wanted}`, got {}",
            route.map_or("none".to_owned(), |route| format!("`{route}`"))
        ));
    }
    for (name, wanted) in &expect.headers {
        let seen: Vec<_> = told.headers.get_all(name).iter().collect();
        if !seen.contains(&wanted) {
            let seen: Vec<_> = seen.iter().map(|seen| String::from_utf8_lossy(seen.as_bytes())).collect();
            misses.push(format!("expected the header `{name}: {}`, got {}", shown(wanted), or_none(&seen.join(", "))));
        }
    }
    for (name, wanted) in &expect.upstream_headers {
        let headers = told.upstream.as_ref().and_then(|upstream| upstream.get("headers"));
        let seen = headers.and_then(|headers| headers.get(name.as_str())).and_then(serde_json::Value::as_str);
        if seen.map(str::as_bytes) != Some(wanted.as_bytes()) {
            let seen = or_none(seen.unwrap_or_default());
            misses.push(format!("expected the upstream to get `{name}: {}`, it would get {seen}", shown(wanted)));
        }
    }
    misses
}

fn shown(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { format!("`{text}`") }
}
