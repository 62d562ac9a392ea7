//! Keys that may not grow old.

use super::*;

#[tokio::test]
async fn a_healthy_issuer_is_asked_before_its_keys_are_too_old() {
    let key = signer(Algorithm::Es256);
    let stage = Stage::new().await;
    stage.publish(&[&key]);
    let source = KeySource::Url(format!("{}{JWKS}", stage.server.url));
    let short = KeySettings { stale_for: Duration::from_secs(40), ..settings(source, &stage.server.url) };
    let keys = Keys::open(short, &stage.world.context, &stage.generation, None);
    ended(&keys).await;
    for fetches in 2..5 {
        refresh(&stage, &keys, Duration::from_secs(20)).await;
        assert_eq!(stage.fetches(), fetches);
        assert!(stage.check(&keys, &token(&key)).await.is_ok());
    }
}
