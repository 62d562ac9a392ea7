//! What does the log say, and what does it never say? Rules TK-04 and G-15.

use std::io;

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::observe::audit::AuditSettings;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl io::Write for Pages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Pages {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Pages {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }

    /// The last audit event.
    fn last(&self) -> Value {
        let text = self.text();
        let line = text.lines().rfind(|line| line.contains("portcullis::audit")).unwrap();
        serde_json::from_str::<Value>(line).unwrap()["fields"].take()
    }
}

/// Everything that is logged on this thread while the guard lives.
fn log() -> (Pages, tracing::subscriber::DefaultGuard) {
    let pages = Pages::default();
    let writer = pages.clone();
    let subscriber =
        tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE).with_writer(writer).finish();
    (pages, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn tk_04_the_log_knows_the_reason_that_the_client_is_not_told() {
    let (pages, _guard) = log();
    let house = House::open().await;
    let asking = |id: &str, secret: &str| post("grant_type=client_credentials").basic(id, secret);

    let granted = house.ask(asking("reporting", SECRET)).await;
    granted.is_granted();
    let event = pages.last();
    assert_eq!((&event["outcome"], &event["client.id"]), (&"granted".into(), &"reporting".into()));
    assert_eq!((&event["scope"], &event["grant.name"]), (&"read write".into(), &"client_credentials".into()));
    assert_eq!((&event["request.id"], &event["client.address"]), (&"0123456789abcdef".into(), &"192.0.2.1".into()));

    for (asking, code, cause) in [
        (asking("reporting", "wrong"), "invalid_client", "the secret is wrong"),
        (asking("nobody", "wrong"), "invalid_client", "no such client"),
        (post("grant_type=client_credentials&client_id=reporting"), "invalid_client", "no secret was sent"),
        (post("grant_type=password").basic("reporting", SECRET), "unsupported_grant_type", "not supported"),
    ] {
        house.ask(asking).await;
        let event = pages.last();
        assert_eq!((&event["outcome"], &event["refusal.code"]), (&"refused".into(), &code.into()));
        assert!(event["cause"].as_str().unwrap().contains(cause), "{event}");
    }
}

#[tokio::test]
async fn g_15_no_secret_and_no_token_is_ever_logged() {
    let (pages, _guard) = log();
    let slow = ClientParts { id: "slow".into(), secrets: vec![argon2id("planted-slow")], ..reporting() };
    let house = House::with(with_clients(vec![reporting(), slow])).await;
    let grant = "grant_type=client_credentials";
    let answer = house.ask(post(grant).basic("reporting", SECRET)).await;
    for asking in [
        post(grant).basic("slow", "planted-slow"),
        post(grant).basic("reporting", "planted-wrong"),
        post(grant).basic("planted-as-id", "planted-wrong"),
        post(format!("{grant}&client_id=reporting&client_secret=planted-post")),
        post(format!("{grant}&client_id=planted-id-alone")),
        post(format!("{grant}&scope=planted-scope")).basic("reporting", SECRET),
        post(format!("{grant}&resource=planted-resource")).basic("reporting", SECRET),
        post("grant_type=planted-grant").basic("reporting", SECRET),
        post(format!("{grant}&planted-name=1&planted-name=2")).basic("reporting", SECRET),
        post(format!("{grant}&client_assertion=planted-assertion")),
        post(grant).header(http::header::AUTHORIZATION, "Basic planted-header"),
        post(grant).query("client_secret=planted-query"),
    ] {
        let answer = house.ask(asking).await;
        assert!(!answer.body.to_string().contains("planted"), "{}", answer.body);
    }
    let text = pages.text();
    assert!(text.contains("granted") && text.contains("refused"));
    for planted in ["planted", SECRET, answer.text("access_token")] {
        assert!(!text.contains(planted), "{planted} in {text}");
    }
    let signature = answer.text("access_token").rsplit('.').next().unwrap();
    assert!(!text.contains(signature));
}

#[tokio::test]
async fn a_client_that_fails_stands_in_the_audit_log_whichever_endpoint_it_asked() {
    // Somebody has to listen here as well: what nobody listens to first is off for the tests beside this one.
    let (_pages, _guard) = log();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut house = House::open().await;
    let log = AuditSettings::new(file.clone(), Duration::from_secs(86_400));
    let equipment = Equipment { audit: Some(Audit::open(log, house.clock.clone()).unwrap()), ..Equipment::default() };
    house.authority = house.authority.with_settings(Settings::new(parts()).unwrap(), equipment).await.unwrap();
    for endpoint in [Endpoint::Token, Endpoint::Introspect, Endpoint::Revoke] {
        let asking = post("grant_type=client_credentials&token=a").basic("reporting", "wrong");
        house.ask(Asking { endpoint, ..asking }).await.is_refused(401, "invalid_client");
    }
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().filter(|line| line["event"] == "client.failed").collect();
    assert_eq!(told.len(), 3, "{text}");
    for (line, what) in told.iter().zip(["", "introspection ", "revocation "]) {
        assert_eq!((&line["source"], &line["request_id"]), (&"192.0.2.1".into(), &"0123456789abcdef".into()));
        assert!(line["client"].as_str().unwrap().starts_with("sha256:"), "{line}");
        let why = "invalid_client: client authentication failed: the secret is wrong";
        assert_eq!(line["detail"], format!("{what}{why}"));
    }
    let counted = house.authority.events();
    assert!(counted.contains(&("client.failed", 3)), "{counted:?}");
}
