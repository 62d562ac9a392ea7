//! What holds for any bytes whatever.

use std::collections::BTreeMap;

use http::header::AUTHORIZATION;
use proptest::prelude::*;

use super::*;
use crate::authority::credentials::Credentials;
use crate::authority::form::Form;

fn read(body: &[u8]) -> Result<Form, OAuthError> {
    Form::read(&post("").incoming.headers, body)
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&body);
    }

    #[test]
    fn any_body_of_a_forms_characters_is_read_or_refused(body in "[a-c=&%+0-9]{0,40}") {
        if let Ok(form) = read(body.as_bytes()) {
            // Whatever was read is written in one way only, and reads back the same.
            prop_assert!(!body.contains("%%"));
            prop_assert!(form.one("a").is_none_or(|value| !value.is_empty()));
        }
    }

    #[test]
    fn a_form_that_was_written_reads_back(pairs in prop::collection::btree_map("[^\u{FFFD}]{1,8}", "[^\u{FFFD}]{0,8}", 0..8)) {
        let pairs: BTreeMap<String, String> = pairs;
        let written = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        let form = read(written.as_bytes()).unwrap();
        for (name, value) in &pairs {
            prop_assert_eq!(form.one(name).unwrap_or_default(), value);
        }
    }

    #[test]
    fn any_authorization_header_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let encoded = base64_simd::STANDARD.encode_to_string(&bytes);
        let asking = post("").header(AUTHORIZATION, &format!("Basic {encoded}"));
        let form = read(b"").unwrap();
        if let Ok(credentials) = Credentials::read(&asking.incoming.headers, &form) {
            // The plain reading is always among the claims: an id without a colon, and the rest.
            let text = String::from_utf8(bytes).unwrap();
            let (id, secret) = text.split_once(':').unwrap();
            prop_assert!(credentials.claims().any(|claim| claim.id == id && claim.secret.expose() == secret));
        }
    }

    #[test]
    fn any_encoded_credentials_are_read_as_they_were_meant(id in "[^\u{FFFD}]{1,12}", secret in "[^\u{FFFD}]{1,12}") {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let asking = post("").basic(&encode(&id), &encode(&secret));
        let credentials = Credentials::read(&asking.incoming.headers, &read(b"").unwrap()).unwrap();
        prop_assert_eq!(&credentials.claim.id, &id);
        prop_assert_eq!(credentials.claim.secret.expose(), &secret);
    }

    #[test]
    fn any_issuer_and_resource_is_taken_or_refused(text in ".{0,40}") {
        if let Ok(issuer) = Issuer::new(&text) {
            prop_assert_eq!(issuer.as_str(), text.as_str());
        }
        let _ = Resource::new(&text);
        let _ = ScopeName::new(&text);
        let _ = ClientSecret::hashed(&text);
    }
}
