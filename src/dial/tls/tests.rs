use super::*;

fn pem() -> String {
    rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap().cert.pem()
}

#[test]
fn two_that_trust_the_same_are_the_same() {
    let (one, other) = (pem(), pem());
    let tls = |text: &str| ClientTls::new(Some(text.as_bytes())).unwrap();
    assert!(tls(&one) == tls(&one));
    assert!(tls(&one) != tls(&other));
    assert!(tls(&format!("{one}{other}")) == tls(&format!("{other}{one}")));
    assert!(tls(&format!("{one}{other}")) != tls(&one));
}

#[test]
fn authorities_that_cannot_be_used_are_said_in_plain_words() {
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, part) in [
        ("", "no `BEGIN CERTIFICATE` block"),
        ("hello", "no `BEGIN CERTIFICATE` block"),
        (cut, "are not PEM"),
        (junk, "an authority cannot be used"),
    ] {
        let message = ClientTls::new(Some(text.as_bytes())).err().unwrap();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn a_server_is_known_by_a_name_or_an_address() {
    for text in ["api.example.com", "127.0.0.1", "[::1]", "::1"] {
        assert!(server_name(text).is_ok(), "{text}");
    }
    for text in ["", "a b", "https://a"] {
        assert!(server_name(text).unwrap_err().contains("cannot be the name"), "{text}");
    }
}
