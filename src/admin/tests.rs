use http::{Request, StatusCode};
use http_body_util::BodyExt as _;

use super::*;

struct Fake {
    ready: bool,
}

impl Desk for Fake {
    fn metrics(&self) -> String {
        "up 1\n".to_owned()
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>> {
        let dependencies = vec![
            Dependency::store(None),
            Dependency::issuer("corp", true, Some("connection refused"), Some(2)),
            Dependency::issuer("<b>", false, Some("never fetched"), Some(0)),
            Dependency::upstream("orders", (1, 2)),
        ];
        Box::pin(async move { Readiness { ready: self.ready, generation: 3, dependencies } })
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = ReloadReport> + Send + '_>> {
        Box::pin(async { ReloadReport { done: false, generation: 3, problems: Some("gateway.yaml:1:1".to_owned()) } })
    }

    fn map(&self) -> String {
        "GET /v1 <public>".to_owned()
    }

    fn access(&self) -> Value {
        serde_json::json!({ "routes": [] })
    }

    fn decisions(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Result<Vec<Value>, String>> + Send + '_>> {
        Box::pin(async move { Ok(vec![serde_json::json!({ "asked": format!("{asked:?}") })]) })
    }

    fn explain(&self, request_id: String) -> Pin<Box<dyn Future<Output = Option<Value>> + Send + '_>> {
        Box::pin(async move { (request_id == "known").then(|| serde_json::json!({ "request_id": request_id })) })
    }
}

async fn ask(ready: bool, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = answer::answer(&Fake { ready }, request.body(()).unwrap()).await;
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
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["decisions"][0]["asked"], format!("{asked:?}"));
    for wrong in ["/decisions?limit=0", "/decisions?limit=x", "/decisions?colour=red"] {
        assert_eq!(ask(true, "GET", wrong, &[]).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(ask(true, "GET", "/decisions/known", &[]).await.0, StatusCode::OK);
    assert_eq!(ask(true, "GET", "/decisions/forgotten", &[]).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(true, "POST", "/decisions/known", &[]).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_page_shows_text_as_text() {
    let (_, page) = ask(true, "GET", "/", &[]).await;
    assert!(page.contains("&lt;b&gt;") && page.contains("GET /v1 &lt;public&gt;"), "{page}");
}
