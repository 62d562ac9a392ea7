use super::*;

const CORP: &str = "https://id.example";

fn corp() -> IssuerSettings {
    IssuerSettings::new("corp", Some(CORP), &["api"])
}

fn check(change: impl Fn(&mut IssuerSettings), expected: Result<(), &str>) {
    let mut settings = corp();
    change(&mut settings);
    match (settings.check(), expected) {
        (Ok(()), Ok(())) => {}
        (Err(cause), Err(part)) => assert!(cause.contains(part), "{cause}"),
        (found, _) => panic!("{settings:?}: {found:?}"),
    }
}

#[test]
fn settings_that_could_let_something_through_are_refused() {
    check(|_| {}, Ok(()));
    check(|it| it.audience.clear(), Err("needs an audience"));
    check(|it| it.audience.push(String::new()), Err("needs an audience"));
    check(|it| it.keys = None, Err("needs keys or introspection"));
    check(|it| it.url = None, Err("needs a url"));
    check(|it| it.algorithms.clear(), Err("at least one algorithm"));
    check(|it| it.url = Some("http://id.example".to_owned()), Err("must be https"));
    check(|it| it.url = Some("https://id.example?tenant=1".to_owned()), Err("no query"));
    check(|it| it.keys = Some(KeySource::Url("file:///keys".to_owned())), Err("must be https"));
    check(|it| it.keys = Some(KeySource::Document("{}".into())), Err("key set file"));
    let introspection =
        |url: &str| Some(IntrospectionSettings::new(url, "gateway", crate::ground::Secret::new("secret")));
    check(|it| it.introspection = introspection("http://id.example/introspect"), Err("must be https"));
    check(|it| (it.keys, it.url, it.introspection) = (None, None, introspection("https://id.example/i")), Ok(()));
}

#[test]
fn http_leads_to_this_machine_alone() {
    for address in ["https://id.example/x", "http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:80/"] {
        assert_eq!(check_address(address), Ok(()), "{address}");
    }
    for address in [
        "http://id.example",
        "http://localhost.example",
        "http://10.0.0.1",
        "http://169.254.169.254/",
        "ftp://127.0.0.1",
        "https://user@id.example",
        "https://id.example/#x",
        "id.example",
        "",
    ] {
        assert!(check_address(address).is_err(), "{address}");
    }
}

#[test]
fn equal_settings_are_equal_and_any_change_shows() {
    let local = Arc::new(ArcSwap::from_pointee(KeySet::default()));
    let hosted =
        |keys: &Arc<ArcSwap<KeySet>>| IssuerSettings { keys: Some(KeySource::Local(Arc::clone(keys))), ..corp() };
    assert_eq!(corp(), corp());
    assert_eq!(hosted(&local), hosted(&local));
    assert_ne!(hosted(&local), hosted(&Arc::new(ArcSwap::from_pointee(KeySet::default()))));
    assert_ne!(corp(), IssuerSettings { audience: vec!["other".to_owned()], ..corp() });
    assert_ne!(corp(), IssuerSettings { keys: Some(KeySource::Url(CORP.to_owned())), ..corp() });
    assert_ne!(corp(), IssuerSettings { leeway: Duration::ZERO, ..corp() });
}

#[test]
fn types_are_compared_without_case_and_prefix() {
    let own = IssuerSettings::new("authority", Some(CORP), &["api"]).types;
    let only = TypeRule::only(&["application/AT+JWT", "x+jwt"]);
    for (rule, typ, accepted) in [
        (&own, Some("at+jwt"), true),
        (&own, Some("jwt"), false),
        (&own, None, false),
        (&TypeRule::foreign(), Some("at+jwt"), true),
        (&TypeRule::foreign(), Some("jwt"), true),
        (&TypeRule::foreign(), None, true),
        (&TypeRule::foreign(), Some("dpop+jwt"), false),
        (&TypeRule::foreign(), Some("logout+jwt"), false),
        (&only, Some("at+jwt"), true),
        (&only, Some("x+jwt"), true),
        (&only, None, false),
    ] {
        assert_eq!(rule.accepts(typ), accepted, "{rule:?} {typ:?}");
    }
}
