//! Whom a token is shown that has the form of our own opaque ones.

use super::*;
use crate::store::{AccessToken, Grants as _};
use crate::token::issuer::HostedHere;
use crate::token::revoked::Revocations;

const OWN: &str = "https://own.test";
/// Of our form; only `kept` puts it into the own store.
const TOKEN: &str = "pc_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct Scene {
    world: World,
    server: Arc<Server>,
    verifier: Verifier,
}

impl Scene {
    /// The hosted authority, and a partner that says what `answer` says.
    async fn new(answer: serde_json::Value) -> Self {
        let (world, server) = (world(), Server::start().await);
        server.set("/introspect", Reply::json(answer));
        let (sightings, _) = tokio::sync::mpsc::channel(1);
        let hosted = Hosted::new(world.store.clone(), Arc::new(Revocations::default()), sightings);
        let mut own = issuer("authority", OWN, &[&signer(Algorithm::Es256)]);
        own.hosted = Some(HostedHere(Arc::new(hosted)));
        let partner = opaque("partner", None, &server, "/introspect");
        let verifier = Verifier::open(vec![own, partner], None, &world.context);
        Self { world, server, verifier }
    }

    async fn keep(&self) {
        let claims = stage::claims(OWN, &json!({})).to_string();
        let (id, client, subject) = ("1".to_owned(), "web".to_owned(), "alice".to_owned());
        let (digest, ends) = (Digest::of(TOKEN.as_bytes()), Time::from_secs(NOW + 600));
        let token = AccessToken { digest, id, client, subject, grant: None, claims, ends };
        self.world.store.keep_token(token).await.unwrap();
    }

    /// Whose it is on a route that takes these issuers.
    async fn whose(&self, accepted: Option<&[&str]>) -> Result<String, TokenFault> {
        let accepted = accepted.map(names);
        let found = self.verifier.verify(TOKEN, accepted.as_deref(), Time::from_secs(NOW)).await;
        found.map(|(claims, _)| claims.issuer.to_string())
    }
}

#[tokio::test]
async fn an_opaque_token_of_another_portcullis_is_asked_about() {
    let scene = Scene::new(json!({"active": true, "sub": "bob"})).await;
    assert_eq!(scene.whose(None).await.as_deref(), Ok("partner"));
    assert_eq!(scene.whose(Some(&["partner"])).await.as_deref(), Ok("partner"));
    assert_eq!(scene.whose(Some(&["authority", "partner"])).await.as_deref(), Ok("partner"));
    assert_eq!(scene.whose(Some(&["authority"])).await, Err(TokenFault::Inactive));
}

#[tokio::test]
async fn a_token_of_our_own_authority_is_shown_to_nobody() {
    let scene = Scene::new(json!({"active": true, "sub": "bob"})).await;
    scene.keep().await;
    assert_eq!(scene.whose(Some(&["partner"])).await, Err(TokenFault::IssuerUnknown));
    assert_eq!(scene.whose(None).await.as_deref(), Ok("authority"));
    assert_eq!(scene.whose(Some(&["partner"])).await, Err(TokenFault::IssuerUnknown), "also when it is remembered");
    assert_eq!(scene.server.count("/introspect"), 0);
}

#[tokio::test]
async fn a_token_that_nobody_knows_is_inactive() {
    let scene = Scene::new(json!({"active": false})).await;
    for accepted in [None, Some(&["authority"][..]), Some(&["partner"][..])] {
        assert_eq!(scene.whose(accepted).await, Err(TokenFault::Inactive), "{accepted:?}");
    }
}

#[tokio::test]
async fn a_store_that_fails_shows_the_token_to_nobody() {
    let scene = Scene::new(json!({"active": true, "sub": "bob"})).await;
    scene.world.store.is_down.store(true, Ordering::SeqCst);
    for accepted in [None, Some(&["partner"][..])] {
        let found = scene.whose(accepted).await;
        assert!(matches!(found, Err(TokenFault::StoreUnavailable(_))), "{found:?}");
    }
    assert_eq!(scene.server.count("/introspect"), 0);
}
