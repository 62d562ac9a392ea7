//! Tokens that lie: algorithms, keys, signatures, headers, types and claims.

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Bed;

fn part(value: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(value.as_ref())
}

/// The claims of a good token under this header, with the signature of a good token.
pub fn headed(bed: &Bed, header: &Value) -> String {
    let good = bed.issuer.token("read");
    let mut parts = good.split('.');
    let (_, claims, signature) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
    format!("{}.{claims}.{signature}", part(header.to_string()))
}

/// Refused as a token, at once, and nothing reaches the upstream.
fn refused(bed: &Bed, id: &str, token: &str) {
    let probe = format!("GET /api/a HTTP/1.1⏎Host: api.test⏎Authorization: Bearer {token}⏎Connection: close⏎⏎");
    let (answers, seen) = bed.says(id, &probe);
    let shown: String = token.chars().take(120).collect();
    assert!([400, 401, 431].contains(&answers[0].status), "{id}: {} to {shown}", answers[0].status);
    assert!(seen.is_empty(), "{id}: {shown}");
}

fn accepted(bed: &Bed, id: &str, token: &str) {
    let probe = format!("GET /api/a HTTP/1.1⏎Host: api.test⏎Authorization: Bearer {token}⏎Connection: close⏎⏎");
    bed.answers(id, &probe, &[200], &["/api/a"]);
}

#[test]
fn jo_01_jo_02_a_token_is_signed_by_a_known_key_with_the_algorithm_of_that_key() {
    let bed = Bed::new();
    let kid = bed.issuer.kid();
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(""),
        Value::Null,
        json!(7),
        json!("HS256"),
        json!("RS256"),
        json!("PS256"),
        json!("ES384"),
        json!("ES256K"),
        json!("EdDSA"),
        json!(["ES256"]),
        json!("es256"),
    ] {
        let token = headed(&bed, &json!({"alg": alg, "typ": "at+jwt", "kid": kid}));
        refused(&bed, "S19.1 S19.3", &token);
        let unsigned = token.rsplit_once('.').unwrap().0;
        refused(&bed, "S19.1", &format!("{unsigned}."));
        refused(&bed, "S19.1", unsigned);
    }
    refused(&bed, "S19.1", &headed(&bed, &json!({"typ": "at+jwt", "kid": kid})));
    for secret in bed.issuer.public_forms() {
        let token = bed.issuer.signed_hs256(&secret);
        refused(&bed, "S19.2", &token);
    }
    refused(&bed, "S19.4", &bed.issuer.signed_hs256(b""));
    let foreign = crate::support::Issuer::start();
    let own_name = foreign.token_with(|claims| claims["iss"] = bed.issuer.url().into());
    refused(&bed, "S20.6", &own_name);
    for kid in [json!("../../../../dev/null"), json!("' UNION SELECT 'k"), json!(7), json!(""), json!("a".repeat(3000))]
    {
        refused(&bed, "S20.3", &headed(&bed, &json!({"alg": "ES256", "typ": "at+jwt", "kid": kid})));
    }
    let jwk = foreign.jwk();
    let with_key =
        foreign.sign_headed(&json!({"alg": "ES256", "typ": "at+jwt", "jwk": jwk}), &bed.issuer.claims("read"));
    refused(&bed, "S20.1", &with_key);
}

#[test]
fn rs_05_unknown_keys_are_not_asked_for_each_time() {
    let bed = Bed::new();
    accepted(&bed, "S20.4", &bed.read);
    let before = bed.issuer.fetches();
    for number in 0..200 {
        refused(
            &bed,
            "S20.4",
            &headed(&bed, &json!({"alg": "ES256", "typ": "at+jwt", "kid": format!("unknown {number}")})),
        );
    }
    assert!(bed.issuer.fetches() <= before + 2, "S20.4: {} fetches", bed.issuer.fetches() - before);
}

#[test]
fn a_signature_has_one_form_and_a_token_three_parts() {
    let bed = Bed::new();
    let good = bed.issuer.token("read");
    accepted(&bed, "S21", &good);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
    let mut forged: Vec<Vec<u8>> =
        vec![vec![0; 64], raw[..63].to_vec(), [raw.clone(), vec![0]].concat(), vec![1; 22_000], vec![]];
    // The order of P-256: as r and as s it must not be taken.
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    forged.push([order.clone(), raw[32..].to_vec()].concat());
    forged.push([raw[..32].to_vec(), order].concat());
    // DER, as OpenSSL writes it.
    forged.push([vec![0x30, 68, 2, 32], raw[..32].to_vec(), vec![2, 32], raw[32..].to_vec()].concat());
    for signature in forged {
        refused(&bed, "S21.1", &format!("{signed}.{}", part(signature)));
    }
    let (header, claims) = signed.split_once('.').unwrap();
    let last = signature.chars().last().unwrap();
    let other_bits = char::from(if last == 'A' { b'B' } else { last as u8 ^ 1 });
    for token in [
        format!("{header}.{claims}."),
        format!("{header}{claims}{signature}"),
        format!("{good}.x"),
        ".".repeat(9000),
        format!("{good}="),
        good.replace(['-', '_'], "+"),
        format!("{}{other_bits}", &good[..good.len() - 1]),
        format!("{header}.{claims}x.{signature}"),
        format!("{}.{claims}.{signature}", part("{}")),
        format!("{header}..{signature}"),
        "...".into(),
    ] {
        if token != good {
            refused(&bed, "S21.3 S21.4", &token);
        }
    }
}

#[test]
fn jo_01_rs_03_a_header_that_asks_for_more_than_is_done_is_refused() {
    let bed = Bed::new();
    let claims = bed.issuer.claims("read");
    let base = json!({"alg": "ES256", "typ": "at+jwt", "kid": bed.issuer.kid()});
    accepted(&bed, "S22", &bed.issuer.sign_headed(&base, &claims));
    for (id, name, value) in [
        ("S22.1", "crit", json!(["x"])),
        ("S22.3", "crit", json!([])),
        ("S22.3", "crit", json!(["exp"])),
        ("S22.3", "crit", json!(["alg"])),
        ("S22.3", "crit", json!("x")),
        ("S22.2", "b64", json!(false)),
        ("S25.2", "zip", json!("DEF")),
        ("S25.1", "enc", json!("A256GCM")),
        ("S20.2", "jku", json!("https://evil.test/jwks")),
        ("S20.2", "x5u", json!("https://evil.test/x5u")),
        ("S20.1", "x5c", json!(["MIIB"])),
        ("S23.2", "typ", json!("JWT")),
        ("S23.2", "typ", json!("logout+jwt")),
        ("S23.3", "typ", json!("dpop+jwt")),
        ("S23.2", "typ", json!(7)),
    ] {
        let mut header = base.clone();
        header[name] = value;
        refused(&bed, id, &bed.issuer.sign_headed(&header, &claims));
    }
    let twice = format!("{{\"alg\":\"none\",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"{}\"}}", bed.issuer.kid());
    refused(&bed, "S22.4", &bed.issuer.sign_text(&twice, &claims.to_string()));
    let without = json!({"alg": "ES256", "kid": bed.issuer.kid()});
    refused(&bed, "S23.2", &bed.issuer.sign_headed(&without, &claims));
}

#[test]
fn jo_04_rs_03_claims_are_what_they_must_be_or_the_token_is_none() {
    let bed = Bed::new();
    let now = crate::support::issuer::now();
    let with = |name: &str, value: Value| bed.issuer.token_with(|claims| claims[name] = value);
    let without = |name: &str| bed.issuer.token_with(|claims| drop(claims.as_object_mut().unwrap().remove(name)));
    for name in ["exp", "iss", "aud"] {
        refused(&bed, "S24.1 S24.4 S24.5", &without(name));
    }
    for exp in [
        Value::Null,
        json!("1999999999"),
        json!([1_999_999_999_u64]),
        json!(-1),
        json!(0),
        json!(1e30),
        json!(true),
        json!(18_446_744_073_709_551_615_u64),
        json!(now - 120),
        json!({}),
    ] {
        refused(&bed, "S24.1", &with("exp", exp));
    }
    refused(&bed, "S24.2", &with("nbf", json!(now + 120)));
    refused(&bed, "S24.2", &with("iat", json!(now + 3600)));
    for nbf in [json!("9999999999"), json!([]), json!(true)] {
        refused(&bed, "S24.3", &with("nbf", nbf));
    }
    let url = bed.issuer.url();
    for iss in [json!(7), json!([url]), json!(format!("{url}/")), json!(url.to_uppercase()), json!(""), Value::Null] {
        refused(&bed, "S24.4", &with("iss", iss));
    }
    for aud in [
        json!(7),
        json!([]),
        json!(["x", 1, "https://api.test"]),
        json!("https://api.test/"),
        json!("HTTPS://api.test"),
        json!(["x"]),
        json!({}),
        Value::Null,
    ] {
        refused(&bed, "S24.5", &with("aud", aud));
    }
    accepted(&bed, "S24.5", &with("aud", json!(["x", "https://api.test"])));
    for sub in [json!(7), json!(["a"]), json!("a".repeat(20_000))] {
        refused(&bed, "S24.8", &with("sub", sub));
    }
    let text = bed.issuer.claims("read").to_string();
    for twice in [
        text.replace("\"sub\":", "\"sub\":\"root\",\"sub\":"),
        text.replace("\"scope\":", "\"scope\":\"admin\",\"scope\":"),
    ] {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": bed.issuer.kid()}).to_string();
        refused(&bed, "S24.7", &bed.issuer.sign_text(&header, &twice));
    }
}

#[test]
fn a_scope_is_a_word_of_a_list_and_nothing_like_it() {
    let bed = Bed::new();
    for scope in [
        json!(["read"]),
        json!("read\tadmin"),
        json!("READ"),
        json!("readadmin"),
        json!("read,admin"),
        json!(7),
        json!("read\u{a0}x"),
        Value::Null,
    ] {
        let token = bed.issuer.token_with(|claims| claims["scope"] = scope.clone());
        let probe = format!("GET /api/a HTTP/1.1⏎Host: api.test⏎Authorization: Bearer {token}⏎Connection: close⏎⏎");
        let (answers, seen) = bed.says("S24.6", &probe);
        assert!([401, 403].contains(&answers[0].status) && seen.is_empty(), "S24.6: {} for {scope}", answers[0].status);
    }
    let other = bed.issuer.token_with(|claims| {
        claims["scp"] = "read".into();
        claims.as_object_mut().unwrap().remove("scope");
    });
    let probe = format!("GET /api/a HTTP/1.1⏎Host: api.test⏎Authorization: Bearer {other}⏎Connection: close⏎⏎");
    bed.answers("S24.6", &probe, &[403], &[]);
}

#[test]
fn tokens_within_tokens_and_vast_ones_cost_nothing() {
    let bed = Bed::new();
    let deep = "[".repeat(100_000);
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": bed.issuer.kid()}).to_string();
    refused(&bed, "S25.1", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.BBBB.CCCC");
    refused(
        &bed,
        "S25.2",
        &format!("{}.a.b.c.d", part("{\"alg\":\"PBES2-HS256+A128KW\",\"p2c\":2000000000,\"enc\":\"A128GCM\"}")),
    );
    refused(&bed, "S25.4", &bed.issuer.sign_text(&header, &format!("{{\"a\":{}", &deep[..9000])));
    refused(&bed, "S25.4", &bed.issuer.sign_text(&header, &format!("{{\"a\":{deep}")));
    let mut nested = bed.issuer.token("read");
    for _ in 0..8 {
        nested = bed.issuer.sign_text(&json!({"alg": "ES256", "cty": "JWT", "typ": "at+jwt"}).to_string(), &nested);
    }
    refused(&bed, "S25.3", &nested);
}

#[test]
fn rs_06_a_cache_knows_who_and_never_whether() {
    let bed = Bed::new();
    let get = |target: &str| format!("GET {target} HTTP/1.1⏎Host: api.test⏎T.read⏎Connection: close⏎⏎");
    for _ in 0..3 {
        bed.answers("S26.1", &get("/api/admin/x"), &[403], &[]);
        bed.answers("S26.1", &get("/api/a"), &[200], &["/api/a"]);
        let other = "GET /x HTTP/1.1⏎Host: other.test⏎T.read⏎Connection: close⏎⏎".to_owned();
        bed.answers("S26.2", &other, &[403], &[]);
    }
    // A byte more or less is another token.
    accepted(&bed, "S26.8", &bed.read);
    refused(&bed, "S26.8", &bed.read[..bed.read.len() - 1]);
    refused(&bed, "S26.8", &format!("{}A", bed.read));
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
