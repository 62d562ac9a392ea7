//! The console: what the gateway is, does and refuses, on one page. Server-rendered; a short script only brings it up to date.

pub mod chart;

use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use super::{Console, Traffic};
use crate::observe::explanation::{Explanation, Outcome, Verdict};

pub const STYLE: &str = include_str!("console.css");
pub const SCRIPT: &str = include_str!("console.js");

/// Rows of the access map that are shown.
const MOST_ROUTES: usize = 500;

#[derive(Template)]
#[template(path = "console.html", config = "src/admin/console/askama.toml")]
struct Page<'a> {
    it: View<'a>,
}

/// The console's data as the page names it.
struct View<'a> {
    readiness: &'a super::Readiness,
    version: &'static str,
    traffic: TrafficView,
    code: Option<&'a str>,
    refusals: &'a [crate::observe::explanation::Brief],
    issuers: &'a [String],
    figures: &'a [(String, String)],
    map: &'a [[String; 4]],
    more_routes: usize,
    warnings: &'a [(usize, String)],
    reloads: &'a [super::ReloadTold],
}

struct TrafficView {
    now: String,
    hour: String,
    refused: String,
    failed: String,
    chart: String,
    routes: Vec<RouteView>,
    codes: Vec<(&'static str, String)>,
}

struct RouteView {
    name: String,
    spark: String,
    now: String,
    hour: String,
    refused: String,
    failed: String,
}

#[derive(Template)]
#[template(path = "explanation.html", config = "src/admin/console/askama.toml")]
struct Explained<'a> {
    it: &'a Explanation,
    word: &'static str,
    took: String,
}

/// The page.
pub fn page(console: &Console, code: Option<&str>) -> Response<Full<Bytes>> {
    let shown = console.map.get(..MOST_ROUTES).unwrap_or(&console.map);
    let view = View {
        readiness: &console.readiness,
        version: env!("CARGO_PKG_VERSION"),
        traffic: TrafficView::of(&console.traffic),
        code,
        refusals: &console.refusals,
        issuers: &console.issuers,
        figures: &console.figures,
        map: shown,
        more_routes: console.map.len() - shown.len(),
        warnings: &console.warnings,
        reloads: &console.reloads,
    };
    html(StatusCode::OK, Page { it: view }.render())
}

/// One decision.
pub fn explanation(it: &Explanation) -> Response<Full<Bytes>> {
    let word = match it.outcome {
        Verdict::Allowed => "allowed",
        Verdict::Refused => "refused",
        Verdict::Observed => "observed",
    };
    html(StatusCode::OK, Explained { it, word, took: format!("{:.1}", it.took_ms) }.render())
}

impl TrafficView {
    fn of(traffic: &Traffic) -> Self {
        let sum = |pick: fn(&chart::Minute) -> u64| traffic.minutes.iter().map(pick).sum::<u64>();
        let routes = traffic.routes.iter().map(|route| {
            let sum = |pick: fn(&chart::Minute) -> u64| chart::short(route.minutes.iter().map(pick).sum::<u64>());
            RouteView {
                name: route.name.clone(),
                spark: chart::spark(&route.minutes),
                now: format!("{:.1}", route.now),
                hour: sum(|minute| minute.all()),
                refused: sum(|minute| minute.refused),
                failed: sum(|minute| minute.failed),
            }
        });
        Self {
            now: format!("{:.1}", traffic.now),
            hour: chart::short(sum(|minute| minute.all())),
            refused: chart::short(sum(|minute| minute.refused)),
            failed: chart::short(sum(|minute| minute.failed)),
            chart: chart::hour(&traffic.minutes),
            routes: routes.collect(),
            codes: traffic.codes.iter().map(|(code, count)| (*code, chart::short(*count))).collect(),
        }
    }
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::Observed => "observed",
            Self::NotReached => "not_reached",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::Observed => "only observed",
            Self::NotReached => "not reached",
        }
    }
}

/// Filters of the templates.
mod filters {
    /// The time of day of an RFC 3339 time.
    #[askama::filter_fn]
    pub fn clock(at: &str, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(at.get(11..19).unwrap_or(at).to_owned())
    }
}

fn html(status: StatusCode, rendered: Result<String, askama::Error>) -> Response<Full<Bytes>> {
    let (status, text) = match rendered {
        Ok(text) => (status, text),
        Err(fault) => (StatusCode::INTERNAL_SERVER_ERROR, format!("the page cannot be made: {fault}")),
    };
    let mut answer = super::answer::text(status, "text/html; charset=utf-8", text);
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    answer
}
