//! Who is believed to be which client? Rules CA and TK-04 of the checklist, probes S31.

use http::header::AUTHORIZATION;

use super::*;

const GRANT: &str = "grant_type=client_credentials";

fn named(id: &str, secret: &str) -> ClientParts {
    ClientParts { id: id.into(), secrets: vec![clear(secret)], ..reporting() }
}

fn posted(id: &str, secret: &str) -> Asking {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials").append_pair("client_id", id);
    post(form.append_pair("client_secret", secret).finish())
}

#[tokio::test]
async fn ca_02_basic_and_post_are_both_taken_by_default() {
    let house = House::open().await;
    house.ask(post(GRANT).basic("reporting", SECRET)).await.is_granted();
    house.ask(posted("reporting", SECRET)).await.is_granted();
}

#[tokio::test]
async fn ca_02_basic_credentials_are_form_decoded() {
    let secret = "p+ss:w%rd & = ü 0123456789";
    let house = House::with(with_clients(vec![named("a b:c", secret), named("reporting", SECRET)])).await;
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    house.ask(post(GRANT).basic("a+b%3Ac", &encoded)).await.is_granted();
    house.ask(post(GRANT).basic("%61%20b%3ac", &encoded)).await.is_granted();
    house.ask(post(GRANT).basic("a+b%3Ac", "wrong")).await.is_refused(401, "invalid_client");
}

#[tokio::test]
async fn ca_02_basic_credentials_that_were_not_encoded_are_taken_too() {
    for secret in ["with+plus 0123456789", "with%41percent", "100% sure, & more = more", "colon:colon:colon", "%zz%"] {
        let house = House::with(with_clients(vec![named("reporting", secret)])).await;
        house.ask(post(GRANT).basic("reporting", secret)).await.is_granted();
        house.ask(posted("reporting", secret)).await.is_granted();
    }
}

#[tokio::test]
async fn ca_02_the_scheme_may_be_written_in_any_case() {
    let house = House::open().await;
    let value = base64_simd::STANDARD.encode_to_string(format!("reporting:{SECRET}"));
    for header in [format!("basic {value}"), format!("BASIC {value}"), format!("Basic  {value}")] {
        house.ask(post(GRANT).header(AUTHORIZATION, &header)).await.is_granted();
    }
}

#[tokio::test]
async fn ca_02_a_malformed_header_is_a_401_and_never_a_crash() {
    let house = House::open().await;
    let no_colon = base64_simd::STANDARD.encode_to_string("reporting");
    let not_utf8 = base64_simd::STANDARD.encode_to_string(b"rep\xFF:\xFE\xFD");
    for header in [
        "",
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic =",
        "Basic YQ=",
        "Bearer abc",
        "Basic \u{e9}\u{e9}",
        &format!("Basic {no_colon}"),
        &format!("Basic {not_utf8}"),
    ] {
        let answer = house.ask(post(GRANT).header(AUTHORIZATION, header)).await;
        answer.is_refused(401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{header}");
    }
}

#[tokio::test]
async fn tk_04_unknown_client_and_wrong_secret_get_the_same_answer() {
    let house = House::open().await;
    let unknown = house.ask(post(GRANT).basic("nobody", SECRET)).await;
    let wrong = house.ask(post(GRANT).basic("reporting", "wrong")).await;
    unknown.is_refused(401, "invalid_client");
    assert_eq!((unknown.status, &unknown.body, &unknown.headers), (wrong.status, &wrong.body, &wrong.headers));

    let unknown = house.ask(posted("nobody", SECRET)).await;
    let wrong = house.ask(posted("reporting", "wrong")).await;
    wrong.is_refused(401, "invalid_client");
    assert_eq!(wrong.header("www-authenticate"), "", "the header was not used");
    assert_eq!((&unknown.body, &unknown.headers), (&wrong.body, &wrong.headers));
}

#[tokio::test]
async fn s31_1_two_mechanisms_in_one_request_are_refused() {
    let house = House::open().await;
    let right = |body: &str| post(format!("{GRANT}&{body}")).basic("reporting", SECRET);
    for body in [
        format!("client_id=reporting&client_secret={SECRET}"),
        format!("client_secret={SECRET}"),
        "client_id=other".to_owned(),
        "client_assertion=abc".to_owned(),
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer".to_owned(),
    ] {
        house.ask(right(&body)).await.is_refused(400, "invalid_request");
    }
    house.ask(right("client_id=reporting")).await.is_granted();
    let twice = post(GRANT).basic("reporting", SECRET).basic("reporting", SECRET);
    house.ask(twice).await.is_refused(400, "invalid_request");
}

#[tokio::test]
async fn s31_2_a_confidential_client_without_its_secret_is_refused() {
    let house = House::open().await;
    for body in ["client_id=reporting", "client_id=reporting&client_secret="] {
        house.ask(post(format!("{GRANT}&{body}"))).await.is_refused(401, "invalid_client");
    }
    house.ask(post(GRANT).basic("reporting", "")).await.is_refused(401, "invalid_client");
    house.ask(post(GRANT)).await.is_refused(401, "invalid_client");
    house.ask(post(format!("{GRANT}&client_secret={SECRET}"))).await.is_refused(401, "invalid_client");
}

#[tokio::test]
async fn ca_01_a_client_uses_exactly_the_method_it_is_registered_with() {
    let by = |id: &str, method| ClientParts { authentication: Some(method), ..named(id, SECRET) };
    let house = House::with(with_clients(vec![by("basic", AuthMethod::Basic), by("post", AuthMethod::Post)])).await;
    house.ask(post(GRANT).basic("basic", SECRET)).await.is_granted();
    house.ask(posted("post", SECRET)).await.is_granted();
    house.ask(post(GRANT).basic("post", SECRET)).await.is_refused(401, "invalid_client");
    house.ask(posted("basic", SECRET)).await.is_refused(401, "invalid_client");
}

#[tokio::test]
async fn s31_3_a_client_assertion_is_refused_while_it_is_not_supported() {
    let house = House::open().await;
    let kind = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let body = format!("{GRANT}&client_id=reporting&{kind}&client_assertion=a.b.c");
    house.ask(post(body)).await.is_refused(401, "invalid_client");
}

#[tokio::test]
async fn ca_03_a_public_client_gets_no_client_credentials() {
    let public = ClientParts { secrets: vec![], grants: vec![], ..named("app", SECRET) };
    let house = House::with(with_clients(vec![public])).await;
    house.ask(post(format!("{GRANT}&client_id=app"))).await.is_refused(400, "unauthorized_client");
    house.ask(posted("app", SECRET)).await.is_refused(401, "invalid_client");
    house.ask(post(GRANT).basic("app", "")).await.is_refused(401, "invalid_client");
}

#[tokio::test]
async fn ca_08_two_secrets_are_good_at_the_same_time() {
    let digest = ClientSecret::hashed(
        // printf %s second | sha256sum
        "sha256:16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4",
    );
    let rotating = ClientParts { secrets: vec![clear(SECRET), digest.unwrap()], ..reporting() };
    let house = House::with(with_clients(vec![rotating])).await;
    house.ask(post(GRANT).basic("reporting", SECRET)).await.is_granted();
    house.ask(post(GRANT).basic("reporting", "second")).await.is_granted();
    house.ask(post(GRANT).basic("reporting", "third")).await.is_refused(401, "invalid_client");
}

#[tokio::test]
async fn g_08_secrets_chosen_by_people_are_checked_by_argon2id() {
    let slow = ClientParts { secrets: vec![argon2id("correct horse")], ..named("slow", SECRET) };
    let both = ClientParts { secrets: vec![argon2id("old staple"), clear(SECRET)], ..named("both", SECRET) };
    let two = ClientParts { secrets: vec![argon2id("one"), argon2id("two")], ..named("two", SECRET) };
    let house = House::with(with_clients(vec![slow, both, two, reporting()])).await;
    for (id, secret) in [
        ("slow", "correct horse"),
        ("both", "old staple"),
        ("both", SECRET),
        ("two", "one"),
        ("two", "two"),
        ("reporting", SECRET),
    ] {
        house.ask(post(GRANT).basic(id, secret)).await.is_granted();
        house.ask(posted(id, secret)).await.is_granted();
    }
    for (id, secret) in [("slow", "wrong"), ("slow", SECRET), ("reporting", "one"), ("nobody", "one"), ("both", "two")]
    {
        house.ask(post(GRANT).basic(id, secret)).await.is_refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn s31_6_a_decoy_never_opens_a_client_that_is_not_there() {
    let slow = ClientParts { secrets: vec![argon2id("correct horse")], ..named("slow", SECRET) };
    let house = House::with(with_clients(vec![slow, reporting()])).await;
    // The decoy of the slow path is the hash of this very secret.
    for id in ["nobody", "reporting"] {
        house.ask(post(GRANT).basic(id, "correct horse")).await.is_refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn s34_2_a_secret_longer_than_any_can_be_is_wrong() {
    let slow = ClientParts { secrets: vec![argon2id("correct horse")], ..named("slow", SECRET) };
    let house = House::with(with_clients(vec![slow])).await;
    house.ask(posted("slow", &"x".repeat(60_000))).await.is_refused(401, "invalid_client");
}
