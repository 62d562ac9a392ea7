//! The shipped alarms and the dashboard: expressions that Prometheus takes, over metrics that are there, which say what they
//! are meant to say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis::observe::audit::NAMES;
use serde_json::{Value, json};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

fn promtool(arguments: &[&str], file: &Path) {
    let out = Command::new("promtool").args(arguments).arg(file).output().expect("promtool is installed");
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}{complained}");
}

/// Every name in the text that could be a metric of ours is one, by the table that is made of the code.
fn metrics_exist(text: &str) -> usize {
    let page = std::fs::read_to_string(docs("metrics.md")).unwrap();
    let mut there = BTreeSet::new();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (name, rest) = row.split_once('`').unwrap();
        there.insert(name.to_owned());
        if rest.starts_with(" | histogram") {
            there.extend(["_bucket", "_count", "_sum"].map(|end| format!("{name}{end}")));
        }
    }
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let ours: BTreeSet<&str> =
        words.filter(|word| word.starts_with("portcullis_") || word.starts_with("process_")).collect();
    for name in &ours {
        assert!(there.contains(*name), "{name} is no metric");
    }
    ours.len()
}

#[test]
fn the_shipped_alarms_are_rules_that_prometheus_takes_over_metrics_that_are_there() {
    promtool(&["check", "rules"], &docs("prometheus-rules.yaml"));
    assert!(metrics_exist(&std::fs::read_to_string(docs("prometheus-rules.yaml")).unwrap()) > 10);
}

#[test]
fn an_alarm_goes_off_when_its_time_has_come_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alarms.yaml");
    let cases = include_str!("../golden/alarms.yaml").replace("RULES", docs("prometheus-rules.yaml").to_str().unwrap());
    std::fs::write(&file, cases).unwrap();
    promtool(&["test", "rules"], &file);
}

#[test]
fn every_alarm_is_tried() {
    let rules = std::fs::read_to_string(docs("prometheus-rules.yaml")).unwrap();
    let cases = include_str!("../golden/alarms.yaml");
    for name in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(cases.contains(&format!("alertname=\"{name}\"")), "{name}");
    }
}

/// Every value of a key, wherever it stands.
fn values<'a>(of: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match of {
        Value::Object(map) => {
            found.extend(map.get(key).and_then(Value::as_str));
            map.values().for_each(|value| values(value, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, key, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&std::fs::read_to_string(docs("grafana-dashboard.json")).unwrap()).unwrap()
}

#[test]
fn the_dashboard_asks_prometheus_what_it_can_answer() {
    let board = dashboard();
    let mut asked = Vec::new();
    values(&board, "expr", &mut asked);
    assert!(asked.len() > 40, "{} expressions", asked.len());
    assert!(metrics_exist(&asked.join("\n")) > 25);
    let mut labels = Vec::new();
    values(&board, "definition", &mut labels);
    assert_eq!(labels.len(), 2);
    metrics_exist(&labels.join("\n"));

    // As Grafana puts them together for somebody who looks at all gateways.
    let filled =
        |asked: &&str| asked.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$route", ".*");
    let rules: Vec<Value> = asked
        .iter()
        .map(filled)
        .enumerate()
        .map(|(index, asked)| {
            assert!(!asked.contains('$'), "a variable that there is not: {asked}");
            json!({"record": format!("panel_{index}"), "expr": asked})
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yaml");
    std::fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    promtool(&["check", "rules"], &file);
}

/// What a matcher such as `login.*|.*replayed` is made of; each part stands for some event, and for the whole of its name.
fn fits(part: &str, name: &str) -> bool {
    match part.split_once(".*") {
        Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
        None => part == name,
    }
}

#[test]
fn every_event_that_a_panel_or_an_alarm_asks_for_is_one_that_is_counted() {
    let board = dashboard();
    let mut asked = Vec::new();
    values(&board, "expr", &mut asked);
    let rules = std::fs::read_to_string(docs("prometheus-rules.yaml")).unwrap();
    asked.extend(rules.lines().filter(|line| line.contains("portcullis_authority_events_total{")));
    let mut parts = 0;
    for expression in asked {
        for matcher in ["event=~\"", "event=\""] {
            for value in expression.split(matcher).skip(1).filter_map(|rest| rest.split('"').next()) {
                for part in value.split('|') {
                    parts += 1;
                    assert!(NAMES.iter().any(|(name, _)| fits(part, name)), "no event is `{part}`: {expression}");
                }
            }
        }
    }
    assert!(parts > 10, "{parts}");
}

#[test]
fn the_words_on_the_number_of_alarms_are_true() {
    let rules = std::fs::read_to_string(docs("prometheus-rules.yaml")).unwrap();
    let count = rules.lines().filter(|line| line.trim().starts_with("- alert: ")).count();
    let changes = std::fs::read_to_string(docs("../CHANGELOG.md")).unwrap();
    assert!(changes.contains(&format!(" and {count} alarms for Prometheus")), "{count} alarms");
}

#[test]
fn the_dashboard_has_a_row_for_each_subject_and_panels_that_do_not_overlap() {
    let board = dashboard();
    let panels = board["panels"].as_array().unwrap();
    let rows: Vec<&str> =
        panels.iter().filter(|one| one["type"] == "row").filter_map(|one| one["title"].as_str()).collect();
    for row in [
        "Traffic",
        "Refusals by reason",
        "Latency",
        "Tokens and issuers",
        "Authority",
        "Store and shared state",
        "Process",
    ] {
        assert!(rows.contains(&row), "{row} in {rows:?}");
    }
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64()), "one id for each panel");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{} says what it shows", panel["title"]);
        }
    }
}
