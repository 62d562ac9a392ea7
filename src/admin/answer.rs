//! Which request gets which answer.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::{Asked, Desk, page};

type Answer = Response<Full<Bytes>>;

/// The paths there are, and the method each takes.
const PATHS: [(&str, Method); 7] = [
    ("/", Method::GET),
    ("/livez", Method::GET),
    ("/readyz", Method::GET),
    ("/metrics", Method::GET),
    ("/decisions", Method::GET),
    ("/access", Method::GET),
    ("/reload", Method::POST),
];

/// Answers one request. A body is not read: none is needed.
pub async fn answer<B>(desk: &dyn Desk, request: Request<B>) -> Answer {
    if !is_for_us(request.headers()) {
        return problem(StatusCode::MISDIRECTED_REQUEST, "ask for this listener by its address or as localhost");
    }
    let path = request.uri().path();
    let one = path.strip_prefix("/decisions/").filter(|id| !id.is_empty());
    let known = if one.is_some() { "/decisions" } else { path };
    let Some((_, method)) = PATHS.iter().find(|(own, _)| *own == known) else {
        let there =
            "there is /, /livez, /readyz, /metrics, /access, /decisions, /decisions/REQUEST_ID and POST /reload";
        return problem(StatusCode::NOT_FOUND, there);
    };
    if request.method() != method && !(*method == Method::GET && request.method() == Method::HEAD) {
        let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method");
        let allow = if *method == Method::GET { "GET, HEAD" } else { "POST" };
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        return answer;
    }
    if let Some(id) = one {
        return match desk.explain(id.to_owned()).await {
            Some(explanation) => document(StatusCode::OK, &explanation),
            None => problem(StatusCode::NOT_FOUND, NOT_KEPT),
        };
    }
    match path {
        "/access" => document(StatusCode::OK, &desk.access()),
        "/decisions" => decisions(desk, request.uri().query().unwrap_or_default()).await,
        "/livez" => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n"),
        "/readyz" => {
            let ready = desk.ready().await;
            let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            document(status, &ready)
        }
        "/metrics" => text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", desk.metrics()),
        "/reload" => reload(desk, request.headers()).await,
        _ => html(page::page(&desk.ready().await, &desk.map())),
    }
}

const NOT_KEPT: &str = "no decision of this request is kept: refusals are kept until newer ones of their kind take their \
                        place, and of what passes a sample";

/// Recent decisions; `?code= ?route= ?refused=true ?limit=`.
async fn decisions(desk: &dyn Desk, query: &str) -> Answer {
    let mut asked = Asked { most: 100, ..Asked::default() };
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (&*name, value.parse()) {
            ("code", _) => asked.code = Some(value.into_owned()),
            ("route", _) => asked.route = Some(value.into_owned()),
            ("refused", _) => asked.refused = value == "true",
            ("limit", Ok(most)) if (1..=1000).contains(&most) => asked.most = most,
            ("limit", _) => return problem(StatusCode::BAD_REQUEST, "`limit` is a number from 1 to 1000"),
            _ => return problem(StatusCode::BAD_REQUEST, "there is `code`, `route`, `refused` and `limit`"),
        }
    }
    match desk.decisions(asked).await {
        Ok(found) => document(StatusCode::OK, &json!({ "decisions": found })),
        Err(what) => problem(StatusCode::BAD_REQUEST, &what),
    }
}

/// A reload changes things, so no web page may cause one: browsers always say where a request comes from.
async fn reload(desk: &dyn Desk, headers: &HeaderMap) -> Answer {
    let own = |value: &HeaderValue| matches!(value.as_bytes(), b"same-origin" | b"none");
    if headers.contains_key(header::ORIGIN) || headers.get("sec-fetch-site").is_some_and(|value| !own(value)) {
        return problem(StatusCode::FORBIDDEN, "a web page cannot reload the gateway");
    }
    let report = desk.reload().await;
    document(if report.done { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &report)
}

/// Asked for by address or as localhost: a name that someone has pointed at this machine (DNS rebinding) is not ours.
fn is_for_us(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

fn document(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    let mut body = serde_json::to_string_pretty(value).unwrap_or_default();
    body.push('\n');
    text(status, "application/json", body)
}

fn problem(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or("Error");
    let value = json!({ "title": title, "status": status.as_u16(), "detail": detail });
    text(status, "application/problem+json", format!("{value}\n"))
}

fn html(page: String) -> Answer {
    let mut answer = text(StatusCode::OK, "text/html; charset=utf-8", page);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
