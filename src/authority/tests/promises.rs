//! Rules that hold for several endpoints: what errors look like, who can be whom, what is told about ourselves.

use super::browser::*;
use super::*;

/// Printable ASCII without quote and backslash (RFC 6749 appendix A.7).
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

#[tokio::test]
async fn g_06_an_error_is_plain_text_and_repeats_nothing_of_the_request() {
    let house = house().await;
    let odd = "%22%3Cscript%3E%0D%0A%C3%A4%5C";
    for form in [
        format!("grant_type={odd}"),
        format!("grant_type=client_credentials&scope={odd}"),
        format!("grant_type=client_credentials&resource={odd}"),
        format!("grant_type=authorization_code&code={odd}&code_verifier={odd}"),
        format!("grant_type=refresh_token&refresh_token={odd}"),
    ] {
        let answer = house.of("web", form.clone()).await;
        let (code, description) = (answer.text("error"), answer.text("error_description"));
        assert!(is_plain(code) && is_plain(description) && !code.is_empty(), "{form}: {code} {description}");
        assert!(!answer.body.to_string().contains("<script"), "{form}");
    }
    for (name, value) in [("scope", "\"<script>\\\u{e4}"), ("response_type", "\"<script>"), ("prompt", "\"<script>")] {
        let told = Browser::new(&house).through(&authorize(&[(name, value)]), "alice").await.answer();
        let description = told.get("error_description").cloned().unwrap_or_default();
        assert!(is_plain(&told["error"]) && is_plain(&description) && !description.contains("<script"), "{told:?}");
    }
}

#[tokio::test]
async fn g_09_a_wrong_secret_and_an_unknown_client_get_one_answer() {
    let house = house().await;
    let form = "grant_type=client_credentials";
    let known = house.ask(post(form).basic("web", "wrong")).await;
    let unknown = house.ask(post(form).basic("nobody", "wrong")).await;
    known.is_refused(401, "invalid_client");
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    assert_eq!(known.header("www-authenticate"), unknown.header("www-authenticate"));
}

#[tokio::test]
async fn ca_07_a_statement_under_a_shared_secret_proves_nothing() {
    let house = house().await;
    let claims = serde_json::json!({"iss": "web", "sub": "web", "aud": ISSUER, "exp": NOW + 60, "jti": "1"});
    let part = |text: String| base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
    let text = format!("{}.{}", part("{\"alg\":\"HS256\",\"typ\":\"JWT\"}".into()), part(claims.to_string()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"web-secret-0123456789");
    let tag = base64_simd::URL_SAFE_NO_PAD.encode_to_string(aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref());
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let form = format!("grant_type=client_credentials&client_assertion_type={kind}&client_assertion={text}.{tag}");
    house.ask(post(form)).await.is_refused(401, "invalid_client");
}

#[tokio::test]
async fn cc_01_a_client_acts_as_itself_and_can_be_no_user() {
    let house = House::with(with_clients(vec![reporting()])).await;
    let answer = house.ask(post("grant_type=client_credentials").basic("reporting", SECRET)).await;
    answer.is_granted();
    assert!(answer.body.get("refresh_token").is_none() && answer.body.get("id_token").is_none());
    let claims = payload(answer.text("access_token"));
    assert_eq!((&claims["sub"], &claims["client_id"]), (&"reporting".into(), &"reporting".into()));
    let error = Client::new(ClientParts::named("usr_alice")).unwrap_err();
    assert!(error.contains("usr_"), "{error}");
    let public = ClientParts { grants: vec![Grant::ClientCredentials], ..ClientParts::named("spa") };
    assert!(Client::new(public).unwrap_err().contains("secret"));
}

#[tokio::test]
async fn id_03_id_tokens_are_rs256_unless_a_client_is_registered_otherwise() {
    let house = house().await;
    let answer = house.tokens("web", "openid read").await;
    let header = |token: &str| -> Value {
        let part = token.split('.').next().unwrap().to_owned();
        serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
    };
    assert_eq!(header(answer.text("id_token"))["alg"], "RS256");
    use crate::token::jwt::Algorithm;
    assert!(Algorithm::from_name("none").is_none() && Algorithm::from_name("HS256").is_none());
}

#[tokio::test]
async fn rv_02_a_wrong_hint_makes_no_difference() {
    for hint in ["", "&token_type_hint=refresh_token", "&token_type_hint=access_token", "&token_type_hint=pears"] {
        let house = house().await;
        let answer = house.tokens("web", "openid offline_access read").await;
        let (access, refresh) = (answer.text("access_token"), answer.text("refresh_token"));
        let form = format!("token={access}{hint}");
        assert_eq!(house.at(Endpoint::Revoke, "web", &form).await.status, 200, "{hint}");
        assert!(!house.is_active(access).await, "{hint}");
        let form = format!("token={refresh}{hint}");
        assert_eq!(house.at(Endpoint::Revoke, "web", &form).await.status, 200, "{hint}");
        house.refresh("web", refresh, "").await.is_refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn md_02_md_03_md_04_the_metadata_leaves_nothing_to_defaults() {
    let house = house().await;
    let told = house.ask(get(Endpoint::Metadata)).await.body;
    for name in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "grant_types_supported",
        "response_modes_supported",
        "token_endpoint_auth_methods_supported",
        "claims_parameter_supported",
        "request_parameter_supported",
        "introspection_endpoint",
        "introspection_endpoint_auth_methods_supported",
        "revocation_endpoint",
        "revocation_endpoint_auth_methods_supported",
    ] {
        assert!(!told[name].is_null(), "{name} is missing");
    }
    assert_eq!(told["request_uri_parameter_supported"], false);
    assert_eq!(told["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert_eq!(told["authorization_response_iss_parameter_supported"], true);
    assert!(told["id_token_signing_alg_values_supported"].as_array().unwrap().contains(&"RS256".into()));
}
