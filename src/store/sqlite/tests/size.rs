//! Does the file grow with what lives in it, and not with what was?

use std::path::Path;
use std::time::Duration;

use crate::ground::{Digest, Time};
use crate::store::conformance::records::{NOW, TOKENS_END, grant, token, turning};
use crate::store::{AccessToken, Grant, GrantId, SharedStore, open_sqlite};

/// Live grants at the end.
const GRANTS: u32 = 200;

fn id(number: u32) -> GrantId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_le_bytes());
    GrantId(id)
}

async fn with_grants(file: &Path) -> SharedStore {
    let store = open_sqlite(file).unwrap();
    for number in 0..GRANTS {
        let far = NOW.plus(Duration::from_secs(1 << 30));
        let kept = Grant { id: id(number), ends: far, idle_end: far, ..grant(0, "spa", "u1") };
        store.keep_grant(kept).await.unwrap();
    }
    store
}

/// Issues opaque tokens and refreshes, a thousand a second, with the sweeper at work every ten seconds.
async fn issue(store: &SharedStore, tokens: u32) -> Time {
    let idle = Duration::from_secs(1 << 30);
    for first in (0..tokens).step_by(100) {
        let now = NOW.plus(Duration::from_millis(u64::from(first)));
        let acts = (first..(first + 100).min(tokens)).map(async |number| {
            let ends = now.plus(Duration::from_secs(60));
            let owner = Grant { id: id(number % GRANTS), ..grant(0, "spa", "u1") };
            let kept = AccessToken { digest: Digest::of(&number.to_le_bytes()), ends, ..token("", Some(&owner)) };
            store.keep_token(kept).await.unwrap();
            let steady = crate::store::Turning { idle, rotates: false, ..turning() };
            store.turn_grant(owner.id, 0, steady, now, TOKENS_END).await.unwrap();
        });
        futures_util::future::join_all(acts).await;
        if first % 10_000 == 0 {
            while store.sweep(now, 1000).await.unwrap() >= 1000 {}
        }
    }
    NOW.plus(Duration::from_millis(u64::from(tokens)) + Duration::from_secs(60))
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

/// A million by `PORTCULLIS_TOKENS=1000000`.
#[allow(clippy::disallowed_methods, reason = "how much is tried is for whoever runs the tests to say")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ad_04_a_store_is_as_large_as_its_live_grants_need_however_many_tokens_there_were() {
    let tokens = std::env::var("PORTCULLIS_TOKENS").map_or(3000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (plain, used) = (folder.path().join("plain"), folder.path().join("used"));
    drop(with_grants(&plain).await);
    let store = with_grants(&used).await;
    let end = issue(&store, tokens).await;
    let peak = length(&used);
    for _ in 0..1 + tokens / 1000 {
        store.sweep(end, 1000).await.unwrap();
    }
    drop(store);
    let (plain, left) = (length(&plain), length(&used));
    println!("{tokens} tokens: {left} bytes, {peak} at the most; {GRANTS} grants alone: {plain} bytes");
    // 64 spare pages, and pages that are not quite full.
    assert!(left <= plain * 3 / 2 + 64 * 4096, "{left} bytes, and {plain} would do");
}
