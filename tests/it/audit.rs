//! The audit log of the running gateway, its command, and the alarms that are shipped.

use std::process::Command;

use crate::support::House;
use crate::support::house::Plot;

const HASH: &str = "sha256:cd577fe2561ebff23505db0bb006300c7cdecbd46bc0e03c449afafaca2c25bf";

fn house() -> House {
    let plot = Plot::new();
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read}}\n  clients:\n    \
         - {{id: demo, secret: {{hash: \"{HASH}\"}}, grants: [client_credentials], scopes: [read]}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
        plot.port
    ));
    plot.start(&yaml)
}

fn token(house: &House, secret: &str) -> u16 {
    let form = format!("grant_type=client_credentials&client_id=demo&client_secret={secret}");
    house.post_form("/oauth/token", "", &form).status
}

fn run(house: &House, program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let ran = Command::new(program).args(arguments).current_dir(house.path(".")).output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn ad_03_what_is_done_stands_in_a_chained_log_that_shows_every_change() {
    let mut house = house();
    assert_eq!([token(&house, "demo-secret"), token(&house, "wrong")], [200, 401]);
    house.restart();
    assert_eq!(token(&house, "demo-secret"), 200);
    let portcullis = env!("CARGO_BIN_EXE_portcullis");
    let add = ["client", "add", "made", "--grant", "client_credentials", "--scope", "read"];
    assert_eq!(run(&house, portcullis, &add).0, Some(0));

    let (code, said) = run(&house, portcullis, &["audit", "verify"]);
    assert_eq!((code, said.contains("4 events in 1 file: whole")), (Some(0), true), "{said}");
    let (_, shown) = run(&house, portcullis, &["audit", "show"]);
    for part in ["token.issued", "client.failed", "admin.client", "client=\"made\"", "source=\"command line\""] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("demo-secret"));
    assert_eq!(run(&house, portcullis, &["audit", "show", "--event", "token.issued"]).1.lines().count(), 2);

    // The snippet of the documentation agrees.
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md")).unwrap();
    let snippet = guide.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    std::fs::write(house.path("check.py"), snippet).unwrap();
    let (code, said) = run(&house, "python3", &["check.py", "store.audit.jsonl"]);
    assert_eq!((code, said.contains("whole")), (Some(0), true), "{said}");

    let log = std::fs::read_to_string(house.path("store.audit.jsonl")).unwrap();
    std::fs::write(house.path("store.audit.jsonl"), log.replacen("\"subject\":\"demo\"", "\"subject\":\"dema\"", 1))
        .unwrap();
    let (code, said) = run(&house, portcullis, &["audit", "verify"]);
    assert_eq!((code, said.contains(":1: the line was changed")), (Some(1), true), "{said}");
    assert_eq!(run(&house, "python3", &["check.py", "store.audit.jsonl"]).0, Some(1));
}

#[test]
fn ad_03_events_are_counted() {
    let house = house();
    token(&house, "demo-secret");
    token(&house, "wrong");
    for (event, count) in [("token.issued", 1.0), ("client.failed", 1.0), ("refresh.replayed", 0.0)] {
        house.wait_for_metric("portcullis_authority_events_total", &[("event", event)], |sum| sum == count);
    }
}

#[test]
fn the_shipped_alarms_are_rules_that_prometheus_takes_over_metrics_that_are_there() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/prometheus-rules.yaml");
    let checked = Command::new("promtool").args(["check", "rules", rules]).output().expect("promtool is installed");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let text = std::fs::read_to_string(rules).unwrap();
    let documented = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let names = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    for name in names.filter(|name| name.starts_with("portcullis_")) {
        // The buckets of a histogram go by the name of the histogram.
        let family = name.strip_suffix("_bucket").unwrap_or(name);
        assert!(documented.contains(&format!("`{family}`")), "{name} is no metric");
    }
}
