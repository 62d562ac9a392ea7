//! Refresh tokens: the state machine from outside. Rules RT.

use super::browser::*;
use super::*;

const SCOPE: &str = "openid offline_access read";

async fn first(house: &House, client: &str) -> String {
    house.tokens(client, SCOPE).await.text("refresh_token").to_owned()
}

async fn next(house: &House, client: &str, token: &str) -> String {
    let answer = house.refresh(client, token, "").await;
    answer.is_granted();
    answer.text("refresh_token").to_owned()
}

#[tokio::test]
async fn rt_01_a_public_client_s_token_turns_and_a_confidential_one_s_stays() {
    let house = house().await;
    let token = first(&house, "spa").await;
    assert_ne!(next(&house, "spa", &token).await, token);
    let token = first(&house, "web").await;
    assert_eq!(next(&house, "web", &token).await, token);
    house.clock.advance(Duration::from_secs(100));
    assert_eq!(next(&house, "web", &token).await, token);
}

#[tokio::test]
async fn rt_02_a_lost_answer_is_given_again_and_the_chain_never_forks() {
    let house = house().await;
    let one = first(&house, "spa").await;
    let two = next(&house, "spa", &one).await;
    assert_eq!(next(&house, "spa", &one).await, two, "within the grace");
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(next(&house, "spa", &one).await, two, "nobody has shown the new one");
    let three = next(&house, "spa", &two).await;
    assert_eq!(next(&house, "spa", &two).await, three);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rt_02_fifty_refreshes_at_once_get_the_same_successor() {
    let house = Arc::new(house().await);
    let one = first(&house, "spa").await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (house, one) = (Arc::clone(&house), one.clone());
            tokio::spawn(async move { next(&house, "spa", &one).await })
        })
        .collect();
    let mut successors = std::collections::HashSet::new();
    for task in tasks {
        successors.insert(task.await.unwrap());
    }
    assert_eq!(successors.len(), 1);
    next(&house, "spa", successors.iter().next().unwrap()).await;
}

#[tokio::test]
async fn rt_03_an_old_token_in_other_hands_ends_the_whole_grant() {
    let house = house().await;
    let one = first(&house, "spa").await;
    let two = next(&house, "spa", &one).await;
    let answer = house.refresh("spa", &two, "").await;
    let (three, access) = (answer.text("refresh_token").to_owned(), answer.text("access_token").to_owned());
    house.refresh("spa", &one, "").await.is_refused(400, "invalid_grant");
    house.refresh("spa", &three, "").await.is_refused(400, "invalid_grant");
    assert!(house.authority.own_token(&access).await.unwrap().is_none(), "its access tokens too");
}

#[tokio::test]
async fn rt_03_the_predecessor_is_a_replay_once_the_new_one_was_seen_in_use() {
    let house = house().await;
    let one = first(&house, "spa").await;
    let answer = house.refresh("spa", &one, "").await;
    assert_eq!(house.userinfo(answer.text("access_token")).await.status, 200, "so the answer has arrived");
    house.clock.advance(Duration::from_secs(31));
    house.refresh("spa", &one, "").await.is_refused(400, "invalid_grant");
    house.refresh("spa", answer.text("refresh_token"), "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn rt_04_a_token_belongs_to_its_client_and_a_narrow_answer_narrows_nothing_for_good() {
    let house = house().await;
    let token = first(&house, "web").await;
    house.refresh("own", &token, "").await.is_refused(400, "invalid_grant");
    house.refresh("spa", &token, "").await.is_refused(400, "invalid_grant");
    house.refresh("web", &token, "&scope=openid+write").await.is_refused(400, "invalid_scope");
    assert_eq!(house.refresh("web", &token, "&scope=read").await.text("scope"), "read");
    assert_eq!(house.refresh("web", &token, "").await.text("scope"), SCOPE);
}

#[tokio::test]
async fn rt_04_a_forged_token_is_refused_and_revokes_nothing() {
    let house = house().await;
    let token = first(&house, "spa").await;
    for place in [10, 30, 40, 60, 74] {
        let mut forged = token.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        house.refresh("spa", &forged, "").await.is_refused(400, "invalid_grant");
    }
    for garbage in ["x", "pc_rt_", "pc_rt_AAAA", &token[..70]] {
        house.refresh("spa", garbage, "").await.is_refused(400, "invalid_grant");
    }
    house.of("spa", "grant_type=refresh_token".into()).await.is_refused(400, "invalid_request");
    next(&house, "spa", &token).await;
}

#[tokio::test]
async fn rt_05_the_access_token_before_stays_good() {
    let house = house().await;
    let answer = house.tokens("web", SCOPE).await;
    next(&house, "web", answer.text("refresh_token")).await;
    assert!(house.is_active(answer.text("access_token")).await);
}

#[tokio::test]
async fn rt_06_it_ends_when_unused_and_in_any_case_in_a_browser_after_a_day() {
    let house = house().await;
    let token = first(&house, "web").await;
    house.clock.advance(Duration::from_secs(29 * 86_400));
    next(&house, "web", &token).await;
    house.clock.advance(Duration::from_secs(31 * 86_400));
    house.refresh("web", &token, "").await.is_refused(400, "invalid_grant");

    let mut token = first(&house, "spa").await;
    for _ in 0..5 {
        house.clock.advance(Duration::from_secs(4 * 3600));
        token = next(&house, "spa", &token).await;
    }
    house.clock.advance(Duration::from_secs(4 * 3600));
    house.refresh("spa", &token, "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn rt_06_a_role_that_is_taken_away_narrows_the_next_answer() {
    let house = house().await;
    let answer = house.tokens("web", "openid offline_access read write").await;
    let now = house.clock.now();
    house.store.set_roles("usr_alice".into(), vec![], now, now.plus(Duration::from_secs(999))).await.unwrap();
    assert!(!house.is_active(answer.text("access_token")).await, "what it gave so far is refused");
    let after = house.refresh("web", answer.text("refresh_token"), "").await;
    assert_eq!(after.text("scope"), "openid offline_access read");
    assert!(house.is_active(after.text("access_token")).await);
}

#[tokio::test]
async fn rt_08_a_refreshed_id_token_is_about_the_same_login() {
    let house = house().await;
    let answer = house.tokens("web", SCOPE).await;
    house.clock.advance(Duration::from_secs(100));
    let before = payload(answer.text("id_token"));
    let after = payload(house.refresh("web", answer.text("refresh_token"), "").await.text("id_token"));
    for name in ["iss", "sub", "aud", "nonce", "sid"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    assert_eq!(after["iat"], NOW + 100);
}

/// What gives an access token.
#[derive(Clone, Copy, Debug)]
enum Way {
    Refresh,
    Code,
    Password,
    Implicit,
}

/// Whenever it happens in the course of a request: what the answer gives is either without the role, or dead already.
#[tokio::test]
async fn tk_06_a_role_taken_away_while_tokens_are_being_made_is_in_none_of_them() {
    use Way::{Code, Implicit, Password, Refresh};
    let ways = [Refresh, Code, Password, Implicit].into_iter();
    for (way, moment) in ways.flat_map(|way| (0..14).map(move |moment| (way, moment))) {
        let memory = Arc::new(Memory::default());
        let mut parts = people();
        let own = parts.clients.iter().find(|client| &**client.id() == "own").unwrap().parts().clone();
        let grants = vec![Grant::Password, Grant::Implicit];
        parts.clients.push(client(ClientParts { id: "old".into(), grants, ..own }));
        let house = House::on(memory.clone(), parts).await;
        let scope = "offline_access read write";
        let mut browser = Browser::new(&house);
        let asked = authorize(&[("client_id", "own"), ("scope", scope)]);
        let code = browser.through(&asked, "alice").await.answer().remove("code").unwrap();
        let refresh = match way {
            Refresh => house.redeem("own", &code, "").await.text("refresh_token").to_owned(),
            Code | Password | Implicit => String::new(),
        };
        let (now, end) = (house.clock.now(), house.clock.now().plus(Duration::from_secs(3600)));
        let lose = move |memory: &Memory| {
            let lost = crate::store::People::set_roles(memory, "usr_alice".into(), vec![], now, end);
            assert!(futures_util::FutureExt::now_or_never(lost).unwrap().unwrap());
        };
        *memory.between.lock() = Some((moment, Box::new(lose)));
        let (scope, token) = match way {
            Refresh => given(&house.refresh("own", &refresh, "").await),
            Code => given(&house.redeem("own", &code, "").await),
            Password => {
                let form = format!("grant_type=password&username=alice&scope=read+write&password={PASSWORD}");
                given(&house.of("old", form.replace(' ', "+")).await)
            }
            Implicit => {
                let asked = [("client_id", "old"), ("response_type", "token"), ("scope", "read write")];
                let told = browser.get(&authorize(&asked)).await.answer();
                (told["scope"].clone(), told["access_token"].clone())
            }
        };
        let happened = memory.between.lock().take().is_none();
        let client = if matches!(way, Refresh | Code) { "own" } else { "old" };
        let told = house.at(Endpoint::Introspect, client, &format!("token={token}")).await;
        let has_role = scope.contains("write") && told.body["active"] == true;
        assert!(has_role != happened, "{way:?} before verb {moment}");
    }
}

fn given(answer: &Answer) -> (String, String) {
    answer.is_granted();
    (answer.text("scope").to_owned(), answer.text("access_token").to_owned())
}
