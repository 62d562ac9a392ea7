use proptest::prelude::*;
use serde_json::{Value, json};

use super::algorithm::Algorithm;
use super::compact::encode;
use super::jwk::Choice;
use super::*;
use crate::token::TokenFault;
use crate::token::stage::{forge, key_set, signer};

const ES256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const ES256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const OKP_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn verifies(keys: &KeySet, token: &str) -> bool {
    let Some(compact) = Compact::split(token) else { return false };
    let Ok(header) = compact.header() else { return false };
    match keys.choose(header.kid.as_deref(), header.algorithm) {
        Choice::Keys(keys) => keys.iter().any(|key| compact.is_signed_by(key)),
        Choice::OtherAlgorithm | Choice::Unknown => false,
    }
}

fn one(jwk: &Value) -> Result<KeySet, String> {
    KeySet::read(&json!({"keys": [jwk]}).to_string()).map(|reading| reading.keys)
}

#[test]
fn the_examples_of_the_rfcs_verify() {
    let rs256 = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let es256 = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let eddsa = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let rsa = one(&json!({"kty": "RSA", "n": RSA_N, "e": "AQAB"})).unwrap();
    let ec = one(&json!({"kty": "EC", "crv": "P-256", "x": ES256_X, "y": ES256_Y})).unwrap();
    let okp = one(&json!({"kty": "OKP", "crv": "Ed25519", "x": OKP_X})).unwrap();
    for (keys, token) in [(&rsa, rs256), (&ec, es256), (&okp, eddsa)] {
        assert!(verifies(keys, token));
        assert!(!verifies(keys, &token.replacen("eyJpc3Mi", "eyJpc3Ni", 1).replacen("RXhh", "RXhi", 1)));
    }
    assert!(!verifies(&rsa, es256) && !verifies(&ec, rs256) && !verifies(&okp, es256));
}

#[test]
fn thumbprints_are_those_of_rfc_7638_and_rfc_8037() {
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": OKP_X});
    assert_eq!(sign::thumbprint(&okp), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let rsa = json!({"kty": "RSA", "e": "AQAB", "n": n});
    assert_eq!(sign::thumbprint(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn what_we_sign_verifies_with_what_we_publish_here_and_elsewhere() {
    for algorithm in Algorithm::ALL {
        let signer = signer(algorithm);
        let token = signer.sign("at+jwt", &json!({"sub": "alice", "exp": 4_000_000_000_u64})).unwrap();
        let keys = one(&signer.public_jwk()).unwrap();
        assert!(verifies(&keys, &token), "{algorithm:?}");
        let header = Compact::split(&token).unwrap().header().unwrap();
        assert_eq!(header.kid.as_deref(), Some(&**signer.kid()));
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        // The library of the field agrees.
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(signer.public_jwk()).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
        let mut validation = jsonwebtoken::Validation::new(algorithm.name().parse().unwrap());
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
        assert_eq!(decoded.claims["sub"], "alice");
    }
}

#[test]
fn a_private_key_of_another_kind_is_refused() {
    let es256 = sign::generate_pkcs8(Algorithm::Es256).unwrap();
    assert_eq!(Signer::from_pkcs8(Algorithm::Rs256, &es256).unwrap_err(), SignFault::Key);
    assert_eq!(Signer::from_pkcs8(Algorithm::Es384, &es256).unwrap_err(), SignFault::Key);
    assert_eq!(Signer::from_pkcs8(Algorithm::EdDsa, b"").unwrap_err(), SignFault::Key);
    let shown = format!("{:?}", Signer::from_pkcs8(Algorithm::Es256, &es256).unwrap());
    assert!(shown.contains("kid") && !shown.contains("pair"), "{shown}");
}

fn check_header(json: &str, expected: Result<(), &str>) {
    match (Header::read(json.as_bytes()), expected) {
        (Ok(_), Ok(())) => {}
        (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{json}: {fault}"),
        (found, _) => panic!("{json}: {found:?}"),
    }
}

#[test]
fn a_header_names_one_accepted_algorithm() {
    check_header(r#"{"alg":"ES256"}"#, Ok(()));
    check_header(r#"{"alg":"Ed25519"}"#, Ok(()));
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "HS512", "es256", "ES256 ", "RS1", "dir"] {
        check_header(&json!({ "alg": alg }).to_string(), Err("is not accepted for this issuer"));
    }
    for json in [r#"{"alg":null}"#, r#"{"alg":256}"#, r#"{"alg":["ES256"]}"#, "{}", r#"{"typ":"at+jwt"}"#] {
        check_header(json, Err("is not accepted for this issuer"));
    }
    check_header(r#"{"alg":"none","alg":"ES256"}"#, Err("not one JSON object"));
}

#[test]
fn a_header_brings_no_key_no_extension_and_no_other_token() {
    for extension in [r#""crit":["x"],"x":"1""#, r#""crit":["b64"],"b64":false"#, r#""crit":[]"#, r#""crit":["exp"]"#] {
        check_header(&format!(r#"{{"alg":"ES256",{extension}}}"#), Err("extension"));
    }
    for extension in [r#""crit":["alg"]"#, r#""crit":"x""#, r#""b64":true"#] {
        check_header(&format!(r#"{{"alg":"ES256",{extension}}}"#), Err("extension"));
    }
    for key in ["jwk", "jku", "x5u", "x5c"] {
        check_header(&json!({"alg": "ES256", key: "http://127.0.0.1:1/"}).to_string(), Err("its own key"));
    }
    check_header(r#"{"alg":"ES256","enc":"A128GCM"}"#, Err("encrypted"));
    check_header(r#"{"alg":"ES256","zip":"DEF"}"#, Err("compressed"));
    for cty in ["JWT", "jwt", "application/jwt"] {
        check_header(&json!({"alg": "ES256", "cty": cty}).to_string(), Err("another token"));
    }
    check_header(r#"{"alg":"ES256","x5t":"abc","nonce":"n","cty":"json"}"#, Ok(()));
}

#[test]
fn the_names_in_a_header_are_short_strings() {
    let long = "k".repeat(257);
    for kid in [json!(5), json!(""), json!("a\u{0}b"), json!("a\nb"), json!(long), json!(null), json!(["k"])] {
        check_header(&json!({"alg": "ES256", "kid": kid}).to_string(), Err("`kid`"));
    }
    check_header(&json!({"alg": "ES256", "kid": "../../../../dev/null"}).to_string(), Ok(()));
    check_header(&json!({"alg": "ES256", "kid": "' UNION SELECT 'k"}).to_string(), Ok(()));
    check_header(&json!({"alg": "ES256", "typ": 5}).to_string(), Err("`typ`"));
    check_header(&json!({"alg": "ES256", "x": "y".repeat(5000)}).to_string(), Err("4 KiB"));
    let header = Header::read(br#"{"alg":"ES256","typ":"application/AT+JWT"}"#).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let fault = Header::read(r#"{"alg":"a`b\u001b[31m café"}"#.as_bytes()).unwrap_err();
    assert_eq!(fault, TokenFault::AlgorithmRefused("a?b?[31m?caf?".into()));
}

#[test]
fn a_token_has_three_strict_parts() {
    let key = signer(Algorithm::Es256);
    let keys = one(&key.public_jwk()).unwrap();
    let token = key.sign("JWT", &json!({})).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    assert!(verifies(&keys, &token));
    let padded = format!("{token}==");
    let newline = format!("{header}.{payload}.\n{signature}");
    let dots = ".".repeat(100_000);
    for wrong in [
        &format!("{header}.{payload}."),
        &format!("{header}.{payload}"),
        &format!("{header}{payload}{signature}"),
        &format!("{token}."),
        &format!("{token}.{signature}"),
        &format!("{header}.{payload}.{}", encode([0; 64])),
        &format!("{header}.{payload}.{}", &signature[..84]),
        &format!("{header}.{payload}.{signature}AA"),
        &format!("{header}.{payload}.{}", "A".repeat(14_000)),
        &padded,
        &newline,
        &dots,
        &format!("{token}{}", "A".repeat(17_000)),
        &"".to_owned(),
        &"..".to_owned(),
    ] {
        assert!(!verifies(&keys, wrong), "{}", wrong.chars().take(300).collect::<String>());
    }
}

/// A signature is 64 bytes, so its last character carries four unused bits: only zeros are read.
#[test]
fn the_unused_bits_of_the_last_character_are_zero() {
    let key = signer(Algorithm::Es256);
    let keys = one(&key.public_jwk()).unwrap();
    let token = key.sign("JWT", &json!({})).unwrap();
    let (body, last) = token.split_at(token.len() - 1);
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_', '+', '/', '=']).collect();
    let accepted: Vec<_> = alphabet.iter().filter(|c| verifies(&keys, &format!("{body}{c}"))).collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0].to_string(), last);
}

#[test]
fn an_ecdsa_signature_is_two_numbers_in_range() {
    let key = signer(Algorithm::Es256);
    let keys = one(&key.public_jwk()).unwrap();
    let token = key.sign("JWT", &json!({})).unwrap();
    let signed = token.rsplit_once('.').unwrap().0;
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let one = [[0; 31].as_slice(), &[1]].concat();
    for (r, s) in [(&[0; 32][..], &[0; 32][..]), (&order, &one), (&one, &order), (&order, &order), (&[0; 32], &one)] {
        assert!(!verifies(&keys, &format!("{signed}.{}", encode([r, s].concat()))));
    }
}

fn check_key(jwk: Value, expected: Result<(), &str>) {
    match (one(&jwk), expected) {
        (Ok(_), Ok(())) => {}
        (Err(cause), Err(part)) => assert!(cause.contains(part), "{jwk}: {cause}"),
        (found, _) => panic!("{jwk}: {found:?}"),
    }
}

#[test]
fn only_fit_keys_are_used() {
    let ec = |changes: Value| {
        let mut jwk = json!({"kty": "EC", "crv": "P-256", "x": ES256_X, "y": ES256_Y, "kid": "k"});
        jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        jwk
    };
    check_key(ec(json!({})), Ok(()));
    check_key(ec(json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"]})), Ok(()));
    check_key(ec(json!({"use": "enc"})), Err("`use`"));
    check_key(ec(json!({"key_ops": ["sign"]})), Err("`key_ops`"));
    check_key(ec(json!({"alg": "RS256"})), Err("`alg`"));
    check_key(ec(json!({"alg": "ES384"})), Err("`alg`"));
    check_key(ec(json!({"alg": "HS256"})), Err("`alg`"));
    check_key(ec(json!({"alg": "none"})), Err("`alg`"));
    check_key(ec(json!({"crv": "secp256k1"})), Err("curve"));
    check_key(ec(json!({"y": ES256_X})), Err("not on the curve"));
    check_key(ec(json!({"y": "AA"})), Err("wrong length"));
    check_key(ec(json!({"d": "AA"})), Err("secret"));
    check_key(ec(json!({"kid": 5})), Err("wrong type"));
    check_key(ec(json!({"kid": ""})), Err("`kid`"));
    check_key(json!({"kty": "oct", "k": "c2VjcmV0"}), Err("secret"));
    check_key(json!({"kty": "oct"}), Err("not accepted"));
    check_key(json!({"kty": "OKP", "crv": "X25519", "x": OKP_X}), Err("curve"));
    check_key(json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}), Err("wrong length"));
    check_key(json!("k"), Err("wrong type"));
}

#[test]
fn rsa_keys_are_long_enough_and_have_a_sane_exponent() {
    let rsa = |n: &str, e: &str| json!({"kty": "RSA", "n": n, "e": e});
    let short = encode([[0x80].as_slice(), &[1; 127]].concat());
    let barely_short = encode([[0x7f].as_slice(), &[0xff; 255]].concat());
    let huge = encode([0xff; 1025]);
    check_key(rsa(RSA_N, "AQAB"), Ok(()));
    check_key(rsa(RSA_N, "AAEAAQ"), Ok(()));
    check_key(rsa(&short, "AQAB"), Err("1024 bits"));
    check_key(rsa(&barely_short, "AQAB"), Err("2047 bits"));
    check_key(rsa(&huge, "AQAB"), Err("8200 bits"));
    for e in ["AQ", "AA", "", "Ag", "AQAA", &encode([0xff; 9])] {
        check_key(rsa(RSA_N, e), Err("exponent"));
    }
    check_key(json!({"kty": "RSA", "e": "AQAB"}), Err("`n`"));
    check_key(rsa("+/==", "AQAB"), Err("`n`"));
}

#[test]
fn bad_keys_are_left_out_and_the_rest_of_the_set_works() {
    let (good, twin) = (signer(Algorithm::Es256), signer(Algorithm::EdDsa));
    let mut copy = twin.public_jwk();
    copy["x"] = json!(OKP_X);
    let set = json!({"keys": [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}, good.public_jwk(), twin.public_jwk(), copy, 5,
    ]});
    let reading = KeySet::read(&set.to_string()).unwrap();
    assert_eq!((reading.keys.len(), reading.warnings.len()), (1, 4));
    assert!(verifies(&reading.keys, &good.sign("JWT", &json!({})).unwrap()));
    assert!(!verifies(&reading.keys, &twin.sign("JWT", &json!({})).unwrap()));
}

#[test]
fn what_is_no_key_set_is_refused() {
    for (text, part) in [
        ("", "not JSON"),
        ("<html>", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "`keys` is missing"),
        (r#"{"keys":{}}"#, "`keys` is missing"),
        (r#"{"keys":[]}"#, "no usable key"),
        (r#"{"keys":[{"kty":"oct"}]}"#, "no usable key (key 1"),
        (r#"{"keys":[],"keys":[]}"#, "two members"),
    ] {
        let cause = KeySet::read(text).unwrap_err();
        assert!(cause.contains(part), "{text}: {cause}");
    }
}

#[test]
fn a_token_without_a_key_name_is_checked_with_the_keys_of_its_kind() {
    let (one, two, other) = (signer(Algorithm::Es256), signer(Algorithm::Es256), signer(Algorithm::EdDsa));
    let keys = KeySet::read(&key_set(&[&one, &two, &other])).unwrap().keys;
    let header = r#"{"alg":"ES256"}"#;
    assert!(verifies(&keys, &forge(&one, header, "{}")) && verifies(&keys, &forge(&two, header, "{}")));
    assert!(!verifies(&keys, &forge(&other, header, "{}")));
    let lying = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, one.kid());
    assert!(!verifies(&keys, &forge(&two, &lying, "{}")), "a named key alone counts");
    let other_algorithm = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, one.kid());
    assert!(!verifies(&keys, &forge(&other, &other_algorithm, "{}")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_signed_token_verifies_and_any_changed_byte_does_not(sub in ".{0,40}", place in any::<prop::sample::Index>(), with in any::<u8>()) {
        let key = signer(Algorithm::EdDsa);
        let keys = one(&key.public_jwk()).unwrap();
        let token = key.sign("at+jwt", &json!({ "sub": sub })).unwrap();
        prop_assert!(verifies(&keys, &token));
        let mut bytes = token.clone().into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != with);
        bytes[place] = with;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(!verifies(&keys, &changed), "{changed}");
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,300}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(compact) = Compact::split(&text) {
            let _ = (compact.header(), compact.claims());
        }
        let made = format!("{}.{}.{}", encode([b"{", bytes.as_slice()].concat()), encode(&bytes), encode(&bytes));
        if let Some(compact) = Compact::split(&made) {
            let _ = (compact.header(), compact.claims());
        }
        let _ = KeySet::read(&text);
    }
}
