//! Which settings can there be? Rules G-01 and G-08.

use super::*;

#[track_caller]
fn says<T>(result: Result<T, String>, part: &str) {
    let message = result.err().expect("must be refused");
    assert!(message.contains(part), "{message}");
}

#[test]
fn g_01_an_issuer_is_an_https_url_in_its_normal_form() {
    for good in ["https://as.test", "https://as.test/", "https://as.test:8443/t/1", "https://[2001:db8::1]"] {
        let issuer = Issuer::new(good).unwrap();
        assert_eq!((issuer.as_str(), issuer.warning()), (good, None));
    }
    let check = |bad: &str, part: &str| says(Issuer::new(bad), part);
    check("http://as.test", "https://");
    check("http://127.0.0.1.evil.test", "https://");
    check("ftp://as.test", "https://");
    check("as.test", "not a URL");
    check("", "not a URL");
    check("https://as.test/?", "no `?`");
    check("https://as.test?x=1", "no `?`");
    check("https://as.test/#top", "no `#`");
    check("https://user:pass@as.test", "user name");
    check("https://AS.test", "`https://as.test`");
    check("https://as.test:443", "`https://as.test`");
    check("https://as.test/a/../b", "`https://as.test/b`");
    check(" https://as.test", "`https://as.test`");
}

#[test]
fn g_01_http_is_taken_for_this_machine_alone_and_warned_about() {
    for local in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"] {
        assert!(Issuer::new(local).unwrap().warning().unwrap().contains(local));
    }
    let issuer = Issuer::new("http://127.0.0.1:8080").unwrap();
    assert_eq!((issuer.host(), issuer.port()), ("127.0.0.1", 8080));
    assert_eq!(Issuer::new("https://as.test").unwrap().port(), 443);
}

#[test]
fn a_resource_is_an_absolute_uri_without_fragment() {
    for good in ["https://api.test", "https://api.test/v1?tenant=a", "urn:example:api"] {
        assert_eq!(Resource::new(good).unwrap().as_str(), good);
    }
    says(Resource::new("api"), "not an absolute URI");
    says(Resource::new("https://api.test/#x"), "no `#`");
}

#[test]
fn a_client_is_registered_whole_or_not_at_all() {
    let check = |change: fn(&mut ClientParts), part: &str| {
        let mut parts = reporting();
        change(&mut parts);
        says(Client::new(parts), part);
    };
    check(|parts| parts.id.clear(), "`id`");
    check(|parts| parts.id = "ré".into(), "`id`");
    check(|parts| parts.id = "x".repeat(257), "`id`");
    check(|parts| parts.secrets.clear(), "`client_credentials` needs a `secret`");
    check(|parts| parts.secrets = vec![clear("a"), clear("b"), clear("c")], "at most two");
    check(|parts| parts.authentication = Some(AuthMethod::None), "contradict");
    check(
        |parts| {
            parts.secrets.clear();
            parts.authentication = Some(AuthMethod::Basic);
        },
        "need a `secret`",
    );
}

#[test]
fn g_08_a_secret_is_kept_as_a_hash_and_never_shown() {
    assert_eq!(format!("{:?}", clear(SECRET)), "sha256:…");
    assert!(!format!("{:?}", client(reporting())).contains(SECRET));
    says(ClientSecret::clear(&Secret::new("")), "empty");
    says(ClientSecret::clear(&Secret::new("x".repeat(1025))), "longer");
    let check = |hash: &str, part: &str| says(ClientSecret::hashed(hash), part);
    check("", "`sha256:`");
    check("5f4dcc3b5aa765d61d8327deb882cf99", "`sha256:`");
    check("sha256:abc", "64 hexadecimal digits");
    check(&format!("sha256:{}", "g".repeat(64)), "64 hexadecimal digits");
    check(&format!("sha256:{}", "é".repeat(32)), "64 hexadecimal digits");
    check("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "an empty secret");
    check("$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "Argon2id");
    check("$argon2id$nonsense", "Argon2id");
    check("$argon2id$v=19$m=8,t=1,p=1", "not complete");
    check("$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaA", "cost too much");
    ClientSecret::hashed(&format!("sha256:{}", "aB".repeat(32))).unwrap();
}

/// The test vector of the reference implementation.
#[test]
fn g_08_a_hash_made_by_another_program_is_understood() {
    let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    ClientSecret::hashed(hash).unwrap();
    assert!(secret::matches_argon2(hash, b"password"));
    assert!(!secret::matches_argon2(hash, b"Password"));
}

#[test]
fn all_faults_of_settings_are_found_at_once() {
    let twice = ClientParts { scopes: vec![scope("read"), scope("reed")], ..reporting() };
    let short = ClientParts { id: "short".into(), access_tokens_for: Some(Duration::ZERO), ..reporting() };
    let mut bad = with_clients(vec![reporting(), twice, short]);
    bad.scopes.push((scope("read"), String::new()));
    bad.access_tokens = lasting(Duration::from_secs(86_401));
    let faults = Settings::new(bad).err().unwrap();
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "there are two scopes `read`",
            "access tokens live between 1s and 24h",
            "client `reporting` may ask for scope `reed`, which the authority does not list under `scopes`",
            "there are two clients `reporting`",
            "access tokens live between 1s and 24h",
        ]
    );
}

#[test]
fn what_is_doubtful_is_warned_about() {
    let weak = ClientParts { secrets: vec![clear("short")], ..reporting() };
    let useless = ClientParts { id: "useless".into(), scopes: vec![], ..reporting() };
    let local = Issuer::new("http://localhost:1").unwrap();
    let warnings = Settings::new(Parts { issuer: local, ..with_clients(vec![useless, weak]) }).unwrap().warnings();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("http://localhost:1"));
    assert!(warnings[1].contains("`reporting`") && !warnings[1].contains("short,"));
    assert!(warnings[2].contains("`useless`"));
    assert_eq!(Settings::new(parts()).unwrap().warnings(), [""; 0]);
}
