use std::collections::HashSet;
use std::time::Duration;

use super::families::{ALL, Kind};
use super::*;
use crate::observe::Reason;
use crate::observe::record::tests::record;

fn line<'a>(page: &'a str, start: &str) -> &'a str {
    page.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no `{start}` in\n{page}"))
}

#[test]
fn requests_are_counted_by_route_code_and_class() {
    let metrics = Metrics::new(2);
    let mut passed = record();
    passed.route = Some(metrics.route("orders"));
    passed.status = 201;
    let mut refused = record();
    refused.route = Some(metrics.route("orders"));
    refused.refusal = Some(Reason::ScopeMissing);
    refused.status = 403;
    metrics.worker(0).request_ends(&passed, Duration::from_millis(3));
    metrics.worker(1).request_ends(&passed, Duration::from_millis(30));
    metrics.worker(1).request_ends(&refused, Duration::from_millis(3));
    let page = metrics.page();
    let requests = "portcullis_requests_total{route=\"orders\",code=";
    assert!(line(&page, &format!("{requests}\"ok\",status=\"2xx\"")).ends_with(" 2"), "{page}");
    assert!(line(&page, &format!("{requests}\"scope_missing\",status=\"4xx\"")).ends_with(" 1"));
    let bucket = "portcullis_request_duration_seconds_bucket{route=\"orders\",le=";
    assert!(line(&page, &format!("{bucket}\"0.005\"")).ends_with(" 2"), "{page}");
    assert!(line(&page, &format!("{bucket}\"+Inf\"")).ends_with(" 3"));
    assert!(line(&page, "portcullis_request_duration_seconds_count{route=\"orders\"}").ends_with(" 3"));
}

#[test]
fn an_upstream_fails_by_itself_and_is_left_by_clients_that_wait_no_longer() {
    let metrics = Metrics::new(1);
    let time = Some(Duration::from_millis(3));
    for (status, refusal, upstream_time) in [
        (200, None, time),
        (499, None, None),
        (504, Some(Reason::UpstreamTimeout), None),
        // What the upstream says itself is its answer.
        (499, None, time),
        // Neither is its doing: bodies that broke off or grew too large on their way there.
        (413, Some(Reason::BodyTooLarge), None),
        (400, Some(Reason::RequestMalformed), None),
    ] {
        let upstream = Some(metrics.upstream("far"));
        metrics
            .worker(0)
            .request_ends(&Record { status, refusal, upstream_time, upstream, ..record() }, Duration::ZERO);
    }
    let page = metrics.page();
    for outcome in ["2xx", "4xx", "failed", "left"] {
        let series = format!("portcullis_upstream_requests_total{{upstream=\"far\",outcome=\"{outcome}\"}}");
        assert!(line(&page, &series).ends_with(" 1"), "{page}");
    }
}

#[test]
fn connections_are_refused_for_want_of_room_or_because_an_address_has_too_many() {
    let metrics = Metrics::new(1);
    metrics.worker(0).connection_refused(Crowded::All);
    metrics.worker(0).connection_refused(Crowded::Address);
    metrics.worker(0).connection_refused(Crowded::Address);
    let page = metrics.page();
    for (cause, times) in [("limit", 1), ("address", 2)] {
        let series = format!("portcullis_connections_refused_total{{cause=\"{cause}\"}}");
        assert!(line(&page, &series).ends_with(&format!(" {times}")), "{page}");
    }
}

#[test]
fn a_token_is_bad_when_it_was_refused_and_not_when_something_else_was() {
    let metrics = Metrics::new(1);
    let count = |token, refusal| {
        let mut record = record();
        (record.token, record.refusal) = (token, refusal);
        metrics.worker(0).request_ends(&record, Duration::ZERO);
    };
    count(TokenUse::Local, None);
    count(TokenUse::Verified, Some(Reason::UpstreamOverloaded));
    count(TokenUse::Refused, Some(Reason::TokenExpired));
    count(TokenUse::None, Some(Reason::TokenMissing));
    let page = metrics.page();
    for (level, good, bad) in [("local", 1, 0), ("shared", 0, 0), ("verified", 1, 1)] {
        for (result, times) in [("good", good), ("bad", bad)] {
            let series = format!("portcullis_token_checks_total{{level=\"{level}\",result=\"{result}\"}}");
            assert!(line(&page, &series).ends_with(&format!(" {times}")), "{page}");
        }
    }
}

#[test]
fn a_series_is_the_same_after_a_reload() {
    let metrics = Metrics::new(1);
    assert!(Arc::ptr_eq(&metrics.route("orders"), &metrics.route("orders")));
    assert!(Arc::ptr_eq(&metrics.upstream("far"), &metrics.upstream("far")));
}

#[test]
fn two_workers_count_without_losing_anything() {
    let metrics = Metrics::new(2);
    std::thread::scope(|scope| {
        for index in 0..2 {
            let worker = metrics.worker(index);
            scope.spawn(move || (0..10_000).for_each(|_| worker.connection_opened()));
        }
    });
    assert!(line(&metrics.page(), "portcullis_connections_accepted_total").ends_with(" 20000"));
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let mut seen = HashSet::new();
    for family in ALL {
        assert!(seen.insert(family.name), "{} twice", family.name);
        assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
        assert!(family.help.ends_with('.'), "{}", family.name);
    }
}

/// `docs/metrics.md` is this table; `UPDATE=1` writes it anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "UPDATE=1 is for whoever runs the tests")]
fn the_documented_table_is_the_code() {
    let mut table = String::from("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for family in ALL {
        let labels = family.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
        let kind = format!("{:?}", family.kind).to_lowercase();
        table.push_str(&format!("| `{}` | {kind} | {labels} | {} |\n", family.name, family.help));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- table -->\n").expect("the page has its marks");
    let (old, after) = rest.split_once("<!-- /table -->").expect("the page has its marks");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}<!-- table -->\n{table}<!-- /table -->{after}")).unwrap();
    } else {
        assert_eq!(old, table, "docs/metrics.md is out of date: run `UPDATE=1 cargo test`");
    }
}
