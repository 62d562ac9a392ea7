//! Google's Project Wycheproof: signatures that have fooled somebody, given to the keys that check our tokens. The keys come
//! in by a JWK set, as those of any issuer do.

use base64_simd::URL_SAFE_NO_PAD;
use portcullis::token::jwt::jwk::Choice;
use portcullis::token::jwt::{Algorithm, Compact, KeySet};
use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// How many vectors were tried, and how many keys were not taken at all.
#[derive(Default)]
struct Tally {
    tried: usize,
    keys_refused: usize,
}

impl Tally {
    /// Whether a vector's signature is taken as it has to be. One that is merely acceptable may be refused.
    fn check(&mut self, jwk: &Value, algorithm: Algorithm, vector: &Vector<'_>) {
        let Ok(reading) = KeySet::read(&json!({ "keys": [jwk] }).to_string()) else {
            self.keys_refused += 1;
            return;
        };
        let Choice::Keys(keys) = reading.keys.choose(None, algorithm) else { panic!("{}: no key", vector.name) };
        let taken = keys[0].verify_sig(vector.message, vector.signature).is_ok();
        match vector.result {
            TestResult::Valid => assert!(taken, "{}: a good signature is refused", vector.name),
            TestResult::Invalid => assert!(!taken, "{}: a bad signature is taken", vector.name),
            TestResult::Acceptable => {}
        }
        self.tried += 1;
    }
}

struct Vector<'a> {
    name: String,
    message: &'a [u8],
    signature: &'a [u8],
    result: TestResult,
}

/// All tests of a set, each with the JWK that its group's key makes.
macro_rules! check_all {
    ($tally:expr, $room:ident, $name:ident, $algorithm:expr, $jwk:expr) => {
        let set = $room::TestSet::load($room::TestName::$name).expect("the vectors are part of the crate");
        for group in &set.test_groups {
            let jwk = $jwk(group);
            for test in &group.tests {
                let name = format!("{} {}: {}", stringify!($name), test.tc_id, test.comment);
                let vector = Vector { name, message: &test.msg, signature: &test.sig, result: test.result };
                $tally.check(&jwk, $algorithm, &vector);
            }
        }
    };
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// A number as JWK writes it: without leading zeros (RFC 7518 section 6.3.1).
fn number(bytes: &[u8]) -> String {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    encoded(&bytes[start..])
}

fn point(curve: &str, uncompressed: &[u8]) -> Value {
    let (x, y) = uncompressed[1..].split_at((uncompressed.len() - 1) / 2);
    json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)})
}

fn rsa(n: &[u8], e: &[u8], algorithm: Algorithm) -> Value {
    json!({"kty": "RSA", "alg": algorithm.name(), "n": number(n), "e": number(e)})
}

#[test]
fn no_bad_signature_of_an_elliptic_curve_is_taken() {
    let mut tally = Tally::default();
    let p256 = |group: &ecdsa::TestGroup| point("P-256", &group.key.key);
    let p384 = |group: &ecdsa::TestGroup| point("P-384", &group.key.key);
    let ed25519 = |group: &eddsa::TestGroup| json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(&group.key.pk)});
    check_all!(tally, ecdsa, EcdsaSecp256r1Sha256P1363, Algorithm::Es256, p256);
    check_all!(tally, ecdsa, EcdsaSecp384r1Sha384P1363, Algorithm::Es384, p384);
    check_all!(tally, eddsa, Ed25519, Algorithm::EdDsa, ed25519);
    assert_eq!(tally.keys_refused, 0);
    println!("{} vectors", tally.tried);
    assert!(tally.tried > 400, "only {} vectors", tally.tried);
}

#[test]
fn no_bad_signature_of_rsa_is_taken() {
    let mut tally = Tally::default();
    macro_rules! pkcs1 {
        ($name:ident, $algorithm:expr) => {
            let key = |group: &rsa_pkcs1_verify::TestGroup| rsa(&group.key.n, &group.key.e, $algorithm);
            check_all!(tally, rsa_pkcs1_verify, $name, $algorithm, key);
        };
    }
    pkcs1!(Rsa2048Sha256, Algorithm::Rs256);
    pkcs1!(Rsa3072Sha256, Algorithm::Rs256);
    pkcs1!(Rsa4096Sha256, Algorithm::Rs256);
    pkcs1!(Rsa8192Sha256, Algorithm::Rs256);
    pkcs1!(Rsa2048Sha384, Algorithm::Rs384);
    pkcs1!(Rsa3072Sha384, Algorithm::Rs384);
    pkcs1!(Rsa4096Sha384, Algorithm::Rs384);
    pkcs1!(Rsa8192Sha384, Algorithm::Rs384);
    pkcs1!(Rsa2048Sha512, Algorithm::Rs512);
    pkcs1!(Rsa3072Sha512, Algorithm::Rs512);
    pkcs1!(Rsa4096Sha512, Algorithm::Rs512);
    pkcs1!(Rsa8192Sha512, Algorithm::Rs512);
    macro_rules! pss {
        ($name:ident, $algorithm:expr) => {
            let key = |group: &rsa_pss_verify::TestGroup| rsa(&group.key.n, &group.key.e, $algorithm);
            check_all!(tally, rsa_pss_verify, $name, $algorithm, key);
        };
    }
    // Salts as long as the hash (RFC 7518 section 3.5).
    pss!(RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256);
    pss!(RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256);
    pss!(RsaPss4096Sha256Mgf1SaltLen32, Algorithm::Ps256);
    pss!(RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384);
    pss!(RsaPss4096Sha384Mgf1SaltLen48, Algorithm::Ps384);
    pss!(RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512);
    println!("{} vectors, {} with a key that is not taken", tally.tried, tally.keys_refused);
    assert!(tally.tried > 2000, "only {} vectors", tally.tried);
}

/// The vectors for JOSE are not part of the crate. `PORTCULLIS_WYCHEPROOF` names `json_web_signature_test.json` of a checkout
/// of https://github.com/C2SP/wycheproof; without it there is nothing to try.
#[test]
#[allow(clippy::disallowed_methods, reason = "where the vectors are is for whoever runs the tests to say")]
fn no_bad_token_of_the_jose_vectors_is_taken() {
    let Ok(path) = std::env::var("PORTCULLIS_WYCHEPROOF") else { return };
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut taken, mut refused, mut not_ours) = (0, 0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        let jwk = if group["public"].is_null() { &group["private"] } else { &group["public"] };
        for test in group["tests"].as_array().unwrap() {
            let good = is_taken(jwk, test["jws"].as_str().unwrap_or_default());
            match (test["result"].as_str().unwrap(), good) {
                ("invalid", true) => panic!("{}: a bad token is taken", test["tcId"]),
                ("valid", false) => {
                    // Secrets shared with whoever signs, algorithms that are not on our list, and keys that say that they
                    // are for another algorithm.
                    let algorithm = jwk["alg"].as_str().unwrap_or_default();
                    let ours = Algorithm::from_name(algorithm).is_some() && jwk["kty"] != "oct";
                    assert!(
                        !ours || is_for_another(jwk, test["jws"].as_str().unwrap_or_default()),
                        "{}: a good token is refused ({algorithm}, {})",
                        test["tcId"],
                        test["comment"]
                    );
                    not_ours += 1;
                }
                (_, true) => taken += 1,
                (_, false) => refused += 1,
            }
        }
    }
    println!("{taken} good ones taken, {refused} bad ones refused, {not_ours} of algorithms that are not accepted");
}

fn is_taken(jwk: &Value, token: &str) -> bool {
    let Ok(reading) = KeySet::read(&json!({ "keys": [jwk] }).to_string()) else { return false };
    let Some(compact) = Compact::split(token) else { return false };
    let Ok(header) = compact.header() else { return false };
    match reading.keys.choose(header.kid.as_deref(), header.algorithm) {
        Choice::Keys(keys) => keys.iter().any(|key| compact.is_signed_by(key)),
        Choice::OtherAlgorithm | Choice::Unknown => false,
    }
}

fn is_for_another(jwk: &Value, token: &str) -> bool {
    let header = Compact::split(token).and_then(|compact| compact.header().ok());
    header.is_none_or(|header| jwk["alg"] != header.algorithm.name())
}
