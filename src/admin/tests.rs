use http::{Request, StatusCode};
use http_body_util::BodyExt as _;

use super::*;

struct Fake {
    ready: bool,
    door: Door,
}

fn brief(code: Option<String>) -> Brief {
    Brief {
        request_id: "known".into(),
        at: "2026-11-30T01:02:03.004Z".into(),
        method: "GET".into(),
        host: "h".into(),
        path: "/<b>".into(),
        client: "192.0.2.7".into(),
        route: "-".into(),
        status: 404,
        code,
        observed: false,
        caller: None,
        detail: None,
        took_ms: 1.0,
    }
}

fn explanation(request_id: &str) -> Explanation {
    let step =
        |step: &str, outcome: &str| serde_json::json!({"step": step, "outcome": outcome, "needed": "n", "seen": "s"});
    let value = serde_json::json!({
        "request_id": request_id, "at": "2026-11-30T01:02:03Z", "outcome": "refused", "status": 403, "code": "scope_missing",
        "summary": "GET /<i> was refused.", "advice": "Ask for it.", "considered": [], "limits": [], "took_ms": 1.0,
        "request": {"method": "GET", "host": "h", "path": "/<i>", "client": "192.0.2.7", "version": "1.1", "tls": false},
        "steps": [step("request", "passed"), step("scope", "refused"), step("answer", "not_reached")],
        "upstream_receives": [], "generation": 1,
    });
    serde_json::from_value(value).unwrap()
}

impl Desk for Fake {
    fn metrics(&self) -> String {
        "up 1\n".to_owned()
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>> {
        let dependencies = vec![
            Dependency::store("store", None),
            Dependency::issuer("corp", true, Some("connection refused"), Some(2)),
            Dependency::issuer("<b>", false, Some("never fetched"), Some(0)),
            Dependency::upstream("orders", (1, 2)),
        ];
        Box::pin(async move { Readiness { ready: self.ready, generation: 3, dependencies } })
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = ReloadReport> + Send + '_>> {
        Box::pin(async { ReloadReport { done: false, generation: 3, problems: Some("gateway.yaml:1:1".to_owned()) } })
    }

    fn console(&self, code: Option<String>) -> Pin<Box<dyn Future<Output = Console> + Send + '_>> {
        Box::pin(async move {
            Console {
                readiness: self.ready().await,
                traffic: Traffic {
                    now: 12.5,
                    minutes: vec![Minute { passed: 3, refused: 2, failed: 1 }],
                    routes: vec![RouteTraffic { name: "GET /v1".into(), now: 1.0, minutes: vec![Minute::default()] }],
                    codes: vec![("scope_missing", 2)],
                },
                refusals: vec![brief(code)],
                issuers: vec!["corp".into()],
                figures: vec![("limit".into(), "3 callers".into())],
                map: vec![["GET /v1 <public>".into(), "anyone".into(), "echo".into(), String::new()]],
                warnings: vec![(3, "a finding".into())],
                reloads: vec![ReloadTold {
                    at: "now".into(),
                    generation: 2,
                    problems: None,
                    opens: 1,
                    closes: 0,
                    changes: vec![("opens", "anyone may now GET /v1".into())],
                }],
            }
        })
    }

    fn rehearse(&self, call: Described) -> Pin<Box<dyn Future<Output = Result<Explanation, String>> + Send + '_>> {
        Box::pin(async move { Err(format!("{call:?}")) })
    }

    fn operator(&self, shown: Option<Credentials>) -> Pin<Box<dyn Future<Output = Door> + Send + '_>> {
        let door = match (self.door, shown) {
            (Door::Locked, Some(shown)) if shown.name == "olga" && shown.password.expose() == "a:b" => Door::Open,
            (door, _) => door,
        };
        Box::pin(async move { door })
    }

    fn access(&self) -> Value {
        serde_json::json!({ "routes": [] })
    }

    fn decisions(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Result<Vec<Brief>, String>> + Send + '_>> {
        Box::pin(async move { Ok(vec![brief(Some(format!("{asked:?}")))]) })
    }

    fn explain(&self, request_id: String) -> Pin<Box<dyn Future<Output = Option<Explanation>> + Send + '_>> {
        Box::pin(async move { (request_id == "known").then(|| explanation(&request_id)) })
    }
}

async fn ask(ready: bool, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = answer::answer(&Fake { ready, door: Door::Open }, request.body(()).unwrap()).await;
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told() {
    assert_eq!(ask(true, "GET", "/livez", &[]).await, (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(ask(true, "GET", "/metrics", &[]).await, (StatusCode::OK, "up 1\n".to_owned()));
    let (status, body) = ask(true, "GET", "/readyz", &[]).await;
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, StatusCode::OK);
    let states: Vec<_> =
        value["dependencies"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["up", "degraded", "down", "degraded"]);
    assert_eq!(ask(false, "GET", "/readyz", &[]).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_reload_is_an_operators_word_and_no_web_pages() {
    assert_eq!(ask(true, "POST", "/reload", &[]).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    for headers in [&[("origin", "https://evil.test")][..], &[("sec-fetch-site", "cross-site")]] {
        assert_eq!(ask(true, "POST", "/reload", headers).await.0, StatusCode::FORBIDDEN);
    }
    assert_eq!(ask(true, "GET", "/reload", &[]).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_listener_answers_to_its_address_alone() {
    for (host, status) in [
        ("127.0.0.1:9090", StatusCode::OK),
        ("[::1]:9090", StatusCode::OK),
        ("localhost", StatusCode::OK),
        ("rebound.evil.test:9090", StatusCode::MISDIRECTED_REQUEST),
    ] {
        assert_eq!(ask(true, "GET", "/livez", &[("host", host)]).await.0, status, "{host}");
    }
    assert_eq!(ask(true, "GET", "/other", &[]).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn decisions_are_asked_for_by_what_they_were() {
    let (status, body) =
        ask(true, "GET", "/decisions?code=scope_missing&route=GET%20/a&refused=true&limit=5", &[]).await;
    assert_eq!(status, StatusCode::OK);
    let asked = Asked { code: Some("scope_missing".into()), route: Some("GET /a".into()), refused: true, most: 5 };
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["decisions"][0]["code"], format!("{asked:?}"));
    for wrong in ["/decisions?limit=0", "/decisions?limit=x", "/decisions?colour=red"] {
        assert_eq!(ask(true, "GET", wrong, &[]).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(ask(true, "GET", "/decisions/known", &[]).await.0, StatusCode::OK);
    assert_eq!(ask(true, "GET", "/decisions/forgotten", &[]).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(true, "POST", "/decisions/known", &[]).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_pages_show_text_as_text() {
    let (_, page) = ask(true, "GET", "/?code=scope_missing", &[]).await;
    for part in [
        "&#60;b&#62;",
        "GET /v1 &#60;public&#62;",
        "12.5",
        "anyone may now GET /v1",
        "/explained/known",
        "<svg",
        "a finding",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<b>") && !page.contains("<public>"), "{page}");
    let (_, page) = ask(true, "GET", "/explained/known", &[]).await;
    assert!(page.contains("GET /&#60;i&#62; was refused.") && page.contains("not reached"), "{page}");
}

#[tokio::test]
async fn elsewhere_than_on_this_machine_operators_log_in() {
    let ask = async |door, path: &str, authorization: Option<&str>| {
        let mut request = Request::builder().uri(path);
        if let Some(value) = authorization {
            request =
                request.header("authorization", format!("Basic {}", base64_simd::STANDARD.encode_to_string(value)));
        }
        let answer = answer::answer(&Fake { ready: true, door }, request.body(()).unwrap()).await;
        (answer.status(), answer.headers().contains_key("www-authenticate"))
    };
    for path in ["/", "/decisions", "/decisions/known", "/explained/known", "/explain?url=/", "/access"] {
        assert_eq!(ask(Door::Locked, path, None).await, (StatusCode::UNAUTHORIZED, true), "{path}");
        assert_eq!(ask(Door::Locked, path, Some("olga:wrong")).await.0, StatusCode::UNAUTHORIZED, "{path}");
        assert_ne!(ask(Door::Locked, path, Some("olga:a:b")).await.0, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(ask(Door::Shut, path, Some("olga:a:b")).await, (StatusCode::FORBIDDEN, false), "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(Door::Locked, path, None).await.0, StatusCode::OK, "{path}");
        assert_eq!(ask(Door::Shut, path, None).await.0, StatusCode::OK, "{path}");
    }
}
