//! Which request gets which answer.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::{Asked, Credentials, Described, Desk, Door, console};
use crate::ground::Secret;

type Answer = Response<Full<Bytes>>;

/// The paths there are, the method each takes, and whether everybody who reaches the listener may ask.
const PATHS: [(&str, Method, Audience); 11] = [
    ("/", Method::GET, Audience::Operators),
    ("/livez", Method::GET, Audience::All),
    ("/readyz", Method::GET, Audience::All),
    ("/metrics", Method::GET, Audience::All),
    ("/decisions", Method::GET, Audience::Operators),
    ("/explained", Method::GET, Audience::Operators),
    ("/explain", Method::GET, Audience::Operators),
    ("/access", Method::GET, Audience::Operators),
    ("/console.css", Method::GET, Audience::All),
    ("/console.js", Method::GET, Audience::All),
    ("/reload", Method::POST, Audience::Operators),
];

/// Whom a path is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Probes and Prometheus too.
    All,
    Operators,
}

/// Answers one request. A body is not read: none is needed.
pub async fn answer<B>(desk: &dyn Desk, request: Request<B>) -> Answer {
    let (parts, _) = request.into_parts();
    if !is_for_us(&parts.headers) {
        return problem(StatusCode::MISDIRECTED_REQUEST, "ask for this listener by its address or as localhost");
    }
    let path = parts.uri.path();
    let one = ["/decisions/", "/explained/"].into_iter().find_map(|prefix| path.strip_prefix(prefix));
    let one = one.filter(|id| !id.is_empty());
    let known = one.map_or(path, |id| path.strip_suffix(id).unwrap_or(path).trim_end_matches('/'));
    let Some((_, method, audience)) = PATHS.iter().find(|(own, _, _)| *own == known) else {
        let there =
            "there is /, /livez, /readyz, /metrics, /access, /decisions, /decisions/REQUEST_ID and POST /reload";
        return problem(StatusCode::NOT_FOUND, there);
    };
    if parts.method != *method && !(*method == Method::GET && parts.method == Method::HEAD) {
        let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method");
        let allow = if *method == Method::GET { "GET, HEAD" } else { "POST" };
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        return answer;
    }
    if *audience == Audience::Operators
        && let Some(refusal) = refused(desk.operator(credentials(&parts.headers)).await)
    {
        return refusal;
    }
    let query = parts.uri.query().unwrap_or_default();
    match (known, one) {
        ("/livez", _) => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n"),
        ("/readyz", _) => {
            let ready = desk.ready().await;
            let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            document(status, &ready)
        }
        ("/metrics", _) => text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", desk.metrics()),
        ("/reload", _) => reload(desk, &parts.headers).await,
        ("/access", _) => document(StatusCode::OK, &desk.access()),
        ("/decisions", Some(id)) => match desk.explain(id.to_owned()).await {
            Some(explanation) => document(StatusCode::OK, &explanation),
            None => problem(StatusCode::NOT_FOUND, NOT_KEPT),
        },
        ("/explained", Some(id)) => match desk.explain(id.to_owned()).await {
            Some(explanation) => console::explanation(&explanation),
            None => problem(StatusCode::NOT_FOUND, NOT_KEPT),
        },
        ("/decisions" | "/explained", None) => decisions(desk, query).await,
        ("/explain", _) => match desk.rehearse(described(query)).await {
            Ok(explanation) => console::explanation(&explanation),
            Err(what) => problem(StatusCode::BAD_REQUEST, &what),
        },
        ("/console.css", _) => text(StatusCode::OK, "text/css; charset=utf-8", console::STYLE),
        ("/console.js", _) => text(StatusCode::OK, "text/javascript; charset=utf-8", console::SCRIPT),
        _ => {
            let code = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code");
            let code = code.map(|(_, value)| value.into_owned());
            console::page(&desk.console(code.clone()).await, code.as_deref())
        }
    }
}

/// The answer to whoever may not see what operators see.
fn refused(door: Door) -> Option<Answer> {
    match door {
        Door::Open => None,
        Door::Locked => {
            let mut answer = problem(StatusCode::UNAUTHORIZED, "this is for operators: log in");
            let challenge = HeaderValue::from_static("Basic realm=\"Portcullis console\", charset=\"UTF-8\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            Some(answer)
        }
        Door::Shut => Some(problem(
            StatusCode::FORBIDDEN,
            "this listener can be reached from other machines, and the file names no `operators` under `admin`",
        )),
    }
}

/// `Authorization: Basic` (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64_simd::STANDARD.decode_to_vec(rest.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Credentials { name: name.to_owned(), password: Secret::new(password.to_owned()) })
}

fn described(query: &str) -> Described {
    let mut described = Described::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = value.trim();
        let list = || value.split_whitespace().map(str::to_owned).collect();
        let one = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match &*name {
            "method" => value.clone_into(&mut described.method),
            "url" => value.clone_into(&mut described.url),
            "scope" => described.scopes = list(),
            "role" => described.roles = list(),
            "client" => described.client = one(),
            "subject" => described.subject = one(),
            "issuer" => described.issuer = one(),
            "from" => described.from = one(),
            _ => {}
        }
    }
    described
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

/// An answer that no cache keeps.
pub(super) fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
