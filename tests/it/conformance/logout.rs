//! RP-initiated logout: who is signed out, who is asked, and where that leads.

use serde_json::Value;

use super::{BYE, Run};
use crate::support::Answer;

/// A browser that is signed in, and its ID token.
fn signed_in() -> (Run, String) {
    let mut run = Run::new();
    let tokens = run.tokens(&[]);
    (run, tokens["id_token"].as_str().unwrap().to_owned())
}

/// What the end-session endpoint answers to this query; where people are asked, they leave.
fn logout(run: &mut Run, members: &[(&str, &str)]) -> Answer {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
    run.with_browser(|browser| {
        let page = browser.get(&format!("/oauth/logout?{query}"));
        if page.text().contains("value=\"leave\"") {
            return browser.submit(&page, "/oauth/logout", &[("decision", "leave")]);
        }
        page
    })
}

/// Nobody is signed in any more.
fn is_over(run: &mut Run) {
    assert_eq!(run.first(&[("prompt", "none")]).error(), "login_required");
}

/// Ends on a page of ours and leads nowhere.
fn check_stays(members: &[(&str, &str)]) {
    let (mut run, hint) = signed_in();
    let members: Vec<(&str, &str)> =
        members.iter().map(|(name, value)| (*name, if *value == "HINT" { hint.as_str() } else { *value })).collect();
    let page = logout(&mut run, &members);
    assert!(!page.has("location") && page.text().contains("<h1>"), "{members:?}: {page:?}");
}

#[test]
fn oidcc_rp_initiated_logout() {
    let (mut run, hint) = signed_in();
    let page = logout(&mut run, &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE), ("state", "s 1")]);
    assert_eq!((page.status, page.header("location")), (303, format!("{BYE}?state=s+1").as_str()));
    is_over(&mut run);
}

#[test]
fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    check_stays(&[("id_token_hint", "garbage"), ("post_logout_redirect_uri", BYE)]);
}

#[test]
fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    let (mut run, hint) = signed_in();
    let claims = hint.split('.').nth(1).unwrap();
    let unsigned = format!("{}.{claims}.", base64_simd::URL_SAFE_NO_PAD.encode_to_string("{\"alg\":\"none\"}"));
    let page = logout(&mut run, &[("id_token_hint", &unsigned), ("post_logout_redirect_uri", BYE)]);
    assert!(!page.has("location"), "{page:?}");
}

#[test]
fn oidcc_rp_initiated_logout_no_id_token_hint() {
    check_stays(&[("post_logout_redirect_uri", BYE), ("state", "s")]);
}

#[test]
fn oidcc_rp_initiated_logout_no_params() {
    let (mut run, _) = signed_in();
    let page = logout(&mut run, &[]);
    assert!(!page.has("location") && page.text().contains("signed out"), "{page:?}");
    is_over(&mut run);
}

#[test]
fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    check_stays(&[("id_token_hint", "HINT"), ("state", "s")]);
}

#[test]
fn oidcc_rp_initiated_logout_no_state() {
    let (mut run, hint) = signed_in();
    let page = logout(&mut run, &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]);
    assert_eq!(page.header("location"), BYE);
    is_over(&mut run);
}

#[test]
fn oidcc_rp_initiated_logout_only_state() {
    check_stays(&[("state", "s")]);
}

#[test]
fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    check_stays(&[("id_token_hint", "HINT"), ("post_logout_redirect_uri", "https://app.example.com/other")]);
    check_stays(&[("id_token_hint", "HINT"), ("post_logout_redirect_uri", "https://evil.example.com/")]);
}

#[test]
fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    check_stays(&[("id_token_hint", "HINT"), ("post_logout_redirect_uri", "https://app.example.com/bye?x=1")]);
}

#[test]
fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    let run = Run::new();
    assert_ne!(run.metadata()["end_session_endpoint"], Value::Null);
}
