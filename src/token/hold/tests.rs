use serde_json::{Value, json};

use super::*;
use crate::token::issuer::{IntrospectionSettings, IssuerSettings};
use crate::token::stage::{NOW, Reply, Server, World, world};

const PATH: &str = "/introspect";

struct Scene {
    world: World,
    server: Arc<Server>,
    hold: Hold,
}

impl Scene {
    /// A hold on a token of which the issuer has said `answer`.
    async fn new(answer: Value) -> Self {
        let (world, server) = (world(), Server::start().await);
        server.set(PATH, Reply::json(answer));
        let mut partner = IssuerSettings::new("partner", None, &["https://api.test"]);
        partner.introspection =
            Some(IntrospectionSettings::new(&format!("{}{PATH}", server.url), "gateway", Secret::new("s")));
        let verifier = Arc::new(Verifier::open(vec![partner], None, &world.context));
        let (claims, _) = verifier.verify("opaque", None, Time::from_secs(NOW)).await.unwrap();
        let hold = Hold::new(claims, Some("opaque"), verifier, world.clock.clone());
        Self { world, server, hold }
    }

    /// Goes on by so many seconds, and then does what a tunnel does.
    async fn holds_after(&self, seconds: u64) -> bool {
        self.world.clock.advance(Duration::from_secs(seconds));
        match self.hold.look() {
            Holding::Yes => true,
            Holding::No => false,
            Holding::Unsure => self.hold.ask().await,
        }
    }
}

#[tokio::test]
async fn an_active_token_without_an_end_holds_as_long_as_its_issuer_says_so() {
    let scene = Scene::new(json!({"active": true})).await;
    for _ in 0..10 {
        assert!(scene.holds_after(29).await);
    }
    assert!(scene.server.count(PATH) > 5);
    scene.server.set(PATH, Reply::json(json!({"active": false})));
    assert!(!scene.holds_after(30).await, "it was revoked");
    assert!(!scene.holds_after(1).await);
}

#[tokio::test]
async fn a_token_with_an_end_is_asked_about_before_and_not_after() {
    let scene = Scene::new(json!({"active": true, "exp": NOW + 100})).await;
    assert!(scene.holds_after(29).await);
    assert_eq!(scene.server.count(PATH), 1);
    assert!(scene.holds_after(1).await);
    assert_eq!(scene.server.count(PATH), 2);
    assert!(!scene.holds_after(80).await, "with 10 s of leeway");
    assert_eq!(scene.server.count(PATH), 2);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_is_trusted_for_five_minutes() {
    let scene = Scene::new(json!({"active": true})).await;
    scene.server.set(PATH, Reply::status(503));
    assert!(scene.holds_after(30).await);
    assert!(scene.holds_after(299).await);
    assert!(!scene.holds_after(1).await);
    scene.server.set(PATH, Reply::json(json!({"active": true})));
    let back = Scene::new(json!({"active": true})).await;
    back.server.set(PATH, Reply::status(503));
    assert!(back.holds_after(200).await);
    back.server.set(PATH, Reply::json(json!({"active": true})));
    assert!(back.holds_after(2).await);
    back.server.set(PATH, Reply::status(503));
    assert!(back.holds_after(329).await, "counted from its last answer");
}
