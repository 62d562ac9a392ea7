//! Bad tokens of each kind, on a route that needs a good one.

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Finding, Patient, Verdict, must_be_refused};
use crate::config::Plan;
use crate::ground::{Clock as _, SystemClock};

/// Shows each of them once.
pub fn probe(patient: &Patient<'_>, tell: &mut dyn FnMut(Finding)) {
    let Some(sample) = patient.protected().next() else {
        let (probe, detail) = ("bad tokens".to_owned(), "no route of the file needs a token".to_owned());
        tell(Finding { about: "token", probe, verdict: Verdict::Skipped, detail });
        return;
    };
    for (what, lines) in tokens(patient.plan) {
        let (verdict, detail) = must_be_refused(&patient.wire.ask(sample.head(&sample.path, &lines)));
        tell(Finding { about: "token", probe: format!("{what}, on `{}`", sample.route.name), verdict, detail });
    }
    let forged = forged(patient.plan, &json!({"alg": "none"}));
    let in_query = sample.head(&format!("{}?access_token={forged}", sample.path), "");
    let (verdict, detail) = must_be_refused(&patient.wire.ask(in_query));
    tell(Finding { about: "token", probe: "a token in the query".to_owned(), verdict, detail });
}

fn tokens(plan: &Plan) -> Vec<(&'static str, String)> {
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let with = |header: Value| bearer(&forged(plan, &header));
    vec![
        ("no token", String::new()),
        ("an empty token", bearer("")),
        ("a word that is no token", bearer("let-me-in")),
        ("no signature (`alg: none`)", with(json!({"alg": "none", "typ": "at+jwt"}))),
        ("`alg: nOnE`", with(json!({"alg": "nOnE", "typ": "at+jwt"}))),
        ("a shared secret (HS256)", with(json!({"alg": "HS256", "typ": "at+jwt"}))),
        ("an invented signature (ES256)", with(json!({"alg": "ES256", "typ": "at+jwt", "kid": "invented"}))),
        ("an invented signature (RS256)", with(json!({"alg": "RS256", "typ": "at+jwt"}))),
        (
            "a key that the token brings along",
            with(json!({"alg": "ES256", "jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}})),
        ),
        (
            "a key at an address that the token names",
            with(json!({"alg": "RS256", "jku": "https://attacker.invalid/keys"})),
        ),
        ("an extension that must be understood", with(json!({"alg": "ES256", "crit": ["exp"], "exp": 1}))),
        ("a key id with a path", with(json!({"alg": "HS256", "kid": "../../../dev/null"}))),
        ("two tokens", bearer("one") + &bearer("two")),
        ("a password instead of a token", "Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n".to_owned()),
    ]
}

/// A token that says all the right things in the name of the file's first issuer, signed by nobody.
fn forged(plan: &Plan, header: &Value) -> String {
    let (issuer, audience) = match (&plan.authority, plan.issuers.first()) {
        (Some(authority), _) => (authority.issuer.clone(), authority.resource.uri.clone()),
        (None, Some(issuer)) => {
            (issuer.url.clone().unwrap_or_default(), issuer.audiences.first().cloned().unwrap_or_default())
        }
        (None, None) => (String::new(), String::new()),
    };
    let now = SystemClock.now().secs();
    let scopes: Vec<&str> = plan.authority.iter().flat_map(|it| &it.scopes).map(|scope| scope.name.as_str()).collect();
    let claims = json!({
        "iss": issuer, "aud": audience, "sub": "forged", "client_id": "forged", "jti": "forged", "iat": now, "exp": now + 300,
        "scope": scopes.join(" "), "roles": ["admin"],
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
    format!("{}.{}.{}", part(header), part(&claims), "A".repeat(86))
}
