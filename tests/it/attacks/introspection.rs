//! Issuers that are asked about tokens, and what they may make a gateway believe.

use serde_json::{Value, json};

use crate::support::house::{House, Plot};
use crate::support::issuer::{Issuer, now};
use crate::support::upstream::{Reply, Upstream};

/// A gateway that asks `url` about every token.
fn house(url: &str) -> House {
    let plot = Plot::new();
    plot.write("secret", "gateway-secret");
    let yaml = plot.yaml(&format!(
        "issuers:\n  opaque:\n    audience: \"https://api.test\"\n    introspection: {{url: \"{url}\", client_id: gateway, \
         client_secret: {{file: secret}}, timeout: 1s, cache: {{for: 1s}}}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
    ));
    plot.start(&yaml)
}

#[test]
fn an_answer_is_believed_for_as_long_as_it_says_and_no_longer_than_it_is_kept() {
    let issuer = Issuer::start();
    let house = house(&format!("{}/introspect", issuer.url()));
    let aud = "https://api.test";
    issuer.know("short", json!({"active": true, "scope": "read", "aud": aud, "exp": now() + 2}));
    issuer.know("endless", json!({"active": true, "scope": "read", "aud": aud}));
    assert_eq!(house.get_with("/read", "short").status, 200, "S26.3");
    assert_eq!(house.get_with("/read", "endless").status, 200, "S26.4");
    issuer.forget();
    let start = std::time::Instant::now();
    for (id, token) in [("S26.4", "endless"), ("S26.3", "short")] {
        while house.get_with("/read", token).status == 200 {
            assert!(start.elapsed() < std::time::Duration::from_secs(10), "{id}: {token} is believed for ever");
            std::thread::yield_now();
        }
        assert_eq!(house.get_with("/read", token).status, 401, "{id}");
    }
}

/// What is answered to a token about which the issuer says `body`.
fn check(status: u16, body: &str, expected: &[u16]) {
    let said = body.to_owned();
    let issuer = Upstream::start(move |_| Reply::with(status, "Content-Type: application/json\r\n", &said));
    let house = house(&format!("http://127.0.0.1:{}/", issuer.port));
    let answer = house.get_with("/read", "any");
    assert!(expected.contains(&answer.status), "S26.5: {} to {status} {body}", answer.status);
}

#[test]
fn s26_5_what_is_not_plainly_active_is_no_token() {
    let good = json!({"active": true, "scope": "read", "aud": "https://api.test", "exp": now() + 60});
    check(200, &good.to_string(), &[200]);
    for (status, body) in
        [(500, "{\"active\":true}"), (200, "<html>log in</html>"), (200, "[true]"), (204, ""), (302, "")]
    {
        check(status, body, &[503]);
    }
    for body in ["{\"active\":\"true\",\"scope\":\"read\"}", "{\"active\":1,\"scope\":\"read\"}", "{}"] {
        check(200, body, &[401, 503]);
    }
    for twice in ["{\"active\":true,\"active\":true,\"scope\":\"read\"}", "{\"active\":false,\"active\":true}"] {
        check(200, twice, &[401, 503]);
    }
}

#[test]
fn s20_5_bad_keys_of_a_set_are_left_out_and_the_rest_works() {
    let issuer = Issuer::start();
    let good = issuer.jwk();
    let (x, y) = (good["x"].clone(), good["y"].clone());
    let with = |change: &dyn Fn(&mut Value)| {
        let mut key = good.clone();
        key["kid"] = json!("bad");
        change(&mut key);
        key
    };
    let bad = vec![
        json!({"kty": "oct", "k": "AAAA", "kid": "bad"}),
        with(&|key| key["use"] = json!("enc")),
        with(&|key| key["alg"] = json!("RS256")),
        with(&|key| (key["x"], key["y"]) = (y.clone(), x.clone())),
        json!({"kty": "RSA", "kid": "bad", "n": "u".repeat(171), "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "bad", "n": "u".repeat(342), "e": "AQ"}),
    ];
    for key in bad {
        issuer.publish(vec![key.clone(), good.clone()]);
        let house = House::start(&format!(
            "issuers: {{corp: {{url: \"{}\", audience: \"https://api.test\"}}}}\n\
             routes: [{{match: GET /read, access: {{scope: read}}, respond: echo}}]\n",
            issuer.url()
        ));
        assert_eq!(house.get_with("/read", &issuer.token("read")).status, 200, "S20.5: {key}");
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "bad"});
        let under_it = issuer.sign_headed(&header, &issuer.claims("read"));
        assert_eq!(house.get_with("/read", &under_it).status, 401, "S20.5: {key}");
    }
}
