//! What a person types: answers, places and exit codes of the commands.

use std::process::Command;

use crate::support::house::Plot;

const GOOD: &str = "\
version: 1
listen: [{address: \"127.0.0.1:8080\"}]
upstreams: {api: {servers: [\"http://127.0.0.1:9\"]}}
issuers:
  corp:
    url: https://login.corp.example
    audience: https://api.example.com
routes:
  - {match: GET /v1/orders/**, access: {scope: orders:read}, upstream: api}
  - {match: GET /v1/status, access: public, respond: {status: 204}}
";

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs in a folder of its own in which `gateway.yaml` has this text, where there is one.
fn run(yaml: Option<&str>, arguments: &[&str]) -> Ran {
    let plot = Plot::new();
    if let Some(yaml) = yaml {
        plot.write("gateway.yaml", yaml);
    }
    let ran =
        Command::new(env!("CARGO_BIN_EXE_portcullis")).args(arguments).current_dir(&plot.folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: ran.status.code(), out: text(ran.stdout), err: text(ran.stderr) }
}

#[test]
fn check_prints_who_may_call_what() {
    let ran = run(Some(GOOD), &["check"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    for part in ["GET /v1/orders/**", "scope orders:read", "anyone (public)", "2 routes, 1 of them public"] {
        assert!(ran.out.contains(part), "{part} in\n{}", ran.out);
    }
    let ran = run(Some(GOOD), &["check", "--format", "json"]);
    let map: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(map["routes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn check_shows_every_problem_and_exits_by_1() {
    let wrong = GOOD.replace("access: public", "acess: public").replace("upstream: api", "upstream: apj");
    let ran = run(Some(&wrong), &["check"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    for part in ["did you mean `access`", "did you mean `api`", "gateway.yaml:9:", "gateway.yaml:10:"] {
        assert!(ran.err.contains(part), "{part} in\n{}", ran.err);
    }
    assert!(!ran.err.contains('\u{1b}'), "no colour where no terminal is");
    let ran = run(Some(&wrong), &["check", "--format", "json"]);
    assert_eq!(ran.code, Some(1));
    let problems: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert!(problems["problems"].as_array().is_some_and(|list| list.len() >= 2), "{problems}");
}

#[test]
fn what_a_file_names_is_read_unless_it_is_said_otherwise() {
    let named = GOOD.replace(
        "    audience: https://api.example.com",
        "    audience: https://api.example.com\n    keys: {file: keys.json}",
    );
    assert_eq!(run(Some(&named), &["check"]).code, Some(2), "a file that is not there");
    assert_eq!(run(Some(&named), &["check", "--no-files"]).code, Some(0));
}

#[test]
fn what_cannot_be_read_exits_by_2() {
    for arguments in [&["check"][..], &["run"], &["check", "elsewhere.yaml"], &["run", "elsewhere.yaml"]] {
        let ran = run(None, arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        assert!(ran.err.contains("cannot be read"), "{}", ran.err);
    }
}

#[test]
fn a_wrong_file_never_runs() {
    let ran = run(Some("version: 1\n"), &["run"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("gateway.yaml"), "{}", ran.err);
}

#[test]
fn schema_prints_json_schema() {
    let ran = run(None, &["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(ran.code, Some(0));
    assert!(schema["$schema"].is_string() && schema["properties"]["routes"].is_object(), "{schema}");
}

#[test]
fn words_that_are_no_command_are_told_so_and_help_is_no_failure() {
    for arguments in
        [&["explain"][..], &["tset"], &["serve"], &["run", "--workers", "0"], &["check", "--format", "xml"], &[]]
    {
        let ran = run(Some(GOOD), arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.err.contains("--help") || ran.err.contains("Usage"), "{arguments:?}: {}", ran.err);
    }
    for arguments in [["--help"], ["--version"]] {
        let ran = run(None, &arguments);
        assert!(ran.code == Some(0) && ran.out.contains("portcullis") && ran.err.is_empty(), "{arguments:?}");
    }
}
