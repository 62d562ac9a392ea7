//! The `authority` section: what the file means when it is right.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::{read, root, world};
use crate::config::document::leaf::Colour;
use crate::config::load;
use crate::config::node::{self, Kind, Node};
use crate::config::place::Text;
use crate::config::plan::authority::{
    AssertionAudience, Authentication, Authority, Client, LogoKind, Password, ResponseType, SecretMethod,
    SigningAlgorithm, TokenFormat,
};
use crate::config::plan::{KeySource, Plan};
use crate::config::problem::Problems;
use crate::config::reference::guide;
use crate::config::source::NoFiles;
use crate::config::{map, schema};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn full() -> Plan {
    read(&root().join("tests/golden/maps/authority.yaml")).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A plan with this under `authority`, beside the issuer.
fn plan(authority: &str) -> Plan {
    let text = format!(
        "version: 1\nlisten: [{{address: 127.0.0.1:8080}}]\nauthority:\n  issuer: https://api.example.com\n{authority}\n\
         routes: [{{match: GET /status, access: public, respond: echo}}]\n"
    );
    let source = world().with("gateway.yaml", text);
    load(Path::new("gateway.yaml"), &source).unwrap_or_else(|problems| panic!("{problems}"))
}

fn authority(written: &str) -> Authority {
    plan(written).authority.unwrap()
}

fn client<'a>(authority: &'a Authority, id: &str) -> &'a Client {
    authority.clients.iter().find(|client| client.id == id).unwrap()
}

fn lines(list: &str) -> Vec<&str> {
    list.split(' ').filter(|part| !part.is_empty()).collect()
}

#[test]
fn an_authority_needs_no_more_than_its_issuer() {
    let authority = authority("");
    assert_eq!(authority.resource.uri, "https://api.example.com");
    assert!(authority.clients.is_empty() && authority.users.is_empty() && authority.resources.is_empty());
    let tokens = authority.access_tokens.settled();
    assert_eq!((tokens.format, tokens.lifetime.as_secs()), (TokenFormat::Jwt, 10 * MINUTE));
    assert_eq!(authority.algorithm, SigningAlgorithm::Es256);
    let refresh = authority.refresh_tokens;
    assert_eq!((refresh.idle.as_secs(), refresh.lifetime.as_secs()), (30 * DAY, 90 * DAY));
    assert_eq!(refresh.grace.as_secs(), 30);
    assert_eq!(authority.codes_for.as_secs(), 60);
    assert_eq!((authority.sessions.idle.as_secs(), authority.sessions.lifetime.as_secs()), (12 * HOUR, 7 * DAY));
    assert_eq!(authority.keys.rotate.as_secs(), 90 * DAY);
    assert!(authority.keys.encryption.is_none());
    assert_eq!((authority.passwords.min, authority.passwords.min_with_second_factor), (15, 8));
    assert_eq!(authority.audit.file, Path::new("portcullis.audit.jsonl"));
    assert_eq!(authority.audit.keep.as_secs(), 400 * DAY);
    assert!(authority.pages.title.is_none() && authority.pages.logo.is_none() && authority.pages.texts.is_empty());
}

#[test]
fn each_key_of_the_authority_reaches_the_plan() {
    let authority = full().authority.unwrap();
    let billing = authority.resources.first().unwrap();
    assert_eq!(billing.uri, "https://billing.example.com");
    assert_eq!(billing.scopes.as_deref(), Some(&["billing:read".to_owned()][..]));
    assert_eq!(authority.codes_for.as_secs(), 30);
    assert_eq!((authority.sessions.idle.as_secs(), authority.sessions.lifetime.as_secs()), (8 * HOUR, DAY));
    assert_eq!(authority.refresh_tokens.grace.as_secs(), MINUTE);
    assert!(authority.keys.encryption.unwrap().expose().starts_with("XKq9"));
    assert_eq!((authority.passwords.min, authority.passwords.min_with_second_factor), (12, 10));
    let blocked = authority.passwords.blocked.unwrap();
    assert_eq!(blocked.iter().collect::<Vec<_>>(), ["password", "correct horse battery staple"]);
    let roles: Vec<_> = authority.roles.iter().map(|role| (&*role.name, role.scopes.len())).collect();
    assert_eq!(roles, [("clerk", 1), ("auditor", 0)]);
    let pages = authority.pages;
    assert_eq!((pages.title.as_deref(), pages.colour), (Some("Example"), Some(Colour([0x20, 0x50, 0x80]))));
    assert_eq!(pages.colour.unwrap().to_string(), "#205080");
    let logo = pages.logo.unwrap();
    assert!(logo.kind == LogoKind::Svg && logo.file.contents.starts_with(b"<svg"));
    assert_eq!(pages.texts.first().unwrap(), &("login.title".to_owned(), "Come in".to_owned()));
    assert_eq!((authority.audit.file.as_path(), authority.audit.keep.as_secs()), (Path::new("audit.jsonl"), 30 * DAY));
}

#[test]
fn users_keep_what_the_file_says_of_them() {
    let authority = full().authority.unwrap();
    let [alice, bob, carol, dave] = authority.users.as_slice() else { panic!("four users") };
    assert_eq!((alice.email.as_deref(), alice.email_verified), (Some("alice@example.com"), true));
    assert_eq!(alice.subject.as_deref(), Some("auth0|5f7c8ec7c33c6c004bbafe82"));
    assert_eq!(alice.profile.first().unwrap(), &("given_name".to_owned(), "Alice".to_owned()));
    assert_eq!(alice.roles, ["clerk", "auditor"]);
    assert!(matches!(&bob.password, Some(Password::Hash(hash)) if hash.starts_with("$2b$")));
    assert!(matches!(&carol.password, Some(Password::Clear(clear)) if clear.is(b"correct horse battery staple")));
    assert_eq!((dave.password.as_ref(), dave.email_verified), (None, false));
    let shown = format!("{:?}", authority.users);
    assert!(!shown.contains("argon2") && !shown.contains("horse") && shown.contains("Hash(…)"), "{shown}");
}

#[test]
fn a_client_proves_itself_as_it_says() {
    let authority = full().authority.unwrap();
    let proof = |id: &str| match &client(&authority, id).authentication {
        Authentication::None => "none".to_owned(),
        Authentication::Secret { methods, secrets } => format!("{methods:?} {}", secrets.len()),
        Authentication::PrivateKey { keys: KeySource::Url(url), audience } => format!("{url} {audience:?}"),
        Authentication::PrivateKey { keys: KeySource::File(file), audience } => {
            format!("{} {audience:?}", file.path.display())
        }
    };
    assert_eq!(proof("web"), "[Basic, Post] 2");
    assert_eq!(proof("spa"), "none");
    assert_eq!(proof("batch"), format!("https://batch.example.com/jwks.json {:?}", AssertionAudience::Endpoint));
    assert_eq!(proof("bills"), format!("keys.json {:?}", AssertionAudience::Issuer));
    assert_eq!(proof("old-desktop"), format!("{:?} 1", [SecretMethod::Post]));
    assert!(client(&authority, "spa").is_public() && !client(&authority, "batch").is_public());
}

#[test]
fn a_clients_word_on_its_tokens_counts_before_the_resources_and_that_before_the_authoritys() {
    check("", "", "", (TokenFormat::Jwt, 10 * MINUTE));
    check("access_tokens: {format: opaque}", "", "", (TokenFormat::Opaque, HOUR));
    check("access_tokens: {for: 5m}", "", "", (TokenFormat::Jwt, 5 * MINUTE));
    check("access_tokens: {for: 5m}", "access_tokens: {format: opaque}", "", (TokenFormat::Opaque, 5 * MINUTE));
    check("access_tokens: {for: 5m}", "access_tokens: {for: 6m}", "", (TokenFormat::Jwt, 6 * MINUTE));
    check("access_tokens: {for: 5m}", "access_tokens: {for: 6m}", "for: 7m", (TokenFormat::Jwt, 7 * MINUTE));
    check("", "access_tokens: {format: opaque}", "format: jwt", (TokenFormat::Jwt, 10 * MINUTE));
    check("access_tokens: {format: opaque}", "", "for: 2m", (TokenFormat::Opaque, 2 * MINUTE));

    fn check(own: &str, resource: &str, client: &str, expected: (TokenFormat, u64)) {
        let text = format!(
            "  {own}\n  resources: {{https://b.example: {{{resource}}}}}\n  clients:\n    - {{id: a, secret: {{env: \
             WEB_SECRET}}, grants: [client_credentials], resource: https://b.example, access_tokens: {{{client}}}}}"
        );
        let authority = authority(&text);
        let audience = &self::client(&authority, "a").resource;
        assert_eq!(audience.resource, "https://b.example");
        assert_eq!((audience.tokens.format, audience.tokens.lifetime.as_secs()), expected, "{text}");
    }
}

#[test]
fn each_audience_of_a_client_has_its_own_kind_of_token() {
    let authority = full().authority.unwrap();
    let tokens = |id: &str| {
        let client = client(&authority, id);
        let all = std::iter::once(&client.resource).chain(&client.resources);
        all.map(|it| (&*it.resource, it.tokens.format, it.tokens.lifetime.as_secs() / MINUTE)).collect::<Vec<_>>()
    };
    let (api, billing) = ("https://api.example.com", "https://billing.example.com");
    assert_eq!(tokens("web"), [(api, TokenFormat::Opaque, 60), (billing, TokenFormat::Opaque, 60)]);
    assert_eq!(tokens("spa"), [(api, TokenFormat::Jwt, 5)]);
    assert_eq!(tokens("bills"), [(billing, TokenFormat::Opaque, 30)]);
}

#[test]
fn what_is_said_of_the_usual_resource_under_resources_holds_for_it() {
    let authority = authority("  resources: {https://api.example.com: {scopes: [], access_tokens: {for: 3m}}}");
    assert!(authority.resources.is_empty());
    assert_eq!(authority.resource.access_tokens.lifetime, Some(Duration::from_secs(3 * MINUTE)));
    assert_eq!(authority.resource.scopes.as_deref(), Some(&[][..]));
}

#[test]
fn refresh_tokens_of_public_clients_rotate_and_in_browsers_end_after_a_day() {
    let code = "grants: [authorization_code, refresh_token], redirect_uris:";
    check(&format!("secret: {{env: WEB_SECRET}}, {code} [https://a.example/cb]"), (30 * DAY, 90 * DAY, false));
    check(&format!("{code} [https://a.example/cb]"), (DAY, DAY, true));
    check(&format!("{code} [com.example.a:/cb]"), (30 * DAY, 90 * DAY, true));
    check(&format!("{code} [\"http://127.0.0.1/cb\"]"), (30 * DAY, 90 * DAY, true));
    check(&format!("{code} [https://a.example/cb], refresh_tokens: {{idle: 1h}}"), (HOUR, DAY, true));
    check(&format!("{code} [https://a.example/cb], refresh_tokens: {{for: 7d}}"), (7 * DAY, 7 * DAY, true));
    check(
        &format!("secret: {{env: WEB_SECRET}}, {code} [https://a.example/cb], refresh_tokens: {{rotate: true}}"),
        (30 * DAY, 90 * DAY, true),
    );

    fn check(written: &str, expected: (u64, u64, bool)) {
        let authority = authority(&format!("  clients: [{{id: a, {written}}}]"));
        let refresh = client(&authority, "a").refresh.unwrap();
        assert_eq!((refresh.idle.as_secs(), refresh.lifetime.as_secs(), refresh.rotates), expected, "{written}");
    }
}

#[test]
fn a_client_without_the_grant_has_no_refresh_tokens() {
    assert_eq!(client(&full().authority.unwrap(), "batch").refresh, None);
}

#[test]
fn web_pages_of_public_clients_may_read_the_token_endpoint_unless_the_file_says_otherwise() {
    let code = "grants: [authorization_code], redirect_uris: [https://a.example/x, https://a.example/y, \
                https://b.example:8443/, \"http://127.0.0.1/\", com.example:/]";
    check(code, "https://a.example https://b.example:8443");
    check(&format!("{code}, origins: []"), "");
    check(&format!("{code}, origins: [https://c.example]"), "https://c.example");
    check(&format!("{code}, secret: {{env: WEB_SECRET}}"), "");

    fn check(written: &str, expected: &str) {
        let authority = authority(&format!("  clients: [{{id: a, {written}}}]"));
        assert_eq!(client(&authority, "a").origins, lines(expected), "{written}");
    }
}

#[test]
fn response_types_follow_from_grants_and_scopes() {
    let redirects = "redirect_uris: [https://a.example/x]";
    let implicit = "danger_allow_implicit_grant: true";
    check(&format!("{redirects}, grants: [authorization_code]"), &[ResponseType::Code]);
    check(&format!("{redirects}, {implicit}, grants: [implicit]"), &[ResponseType::Token]);
    check(
        &format!("{redirects}, {implicit}, grants: [implicit], scopes: [openid]"),
        &[ResponseType::Token, ResponseType::IdTokenToken],
    );
    check("secret: {env: WEB_SECRET}, grants: [client_credentials]", &[]);

    fn check(written: &str, expected: &[ResponseType]) {
        let authority = authority(&format!("  clients: [{{id: a, {written}}}]"));
        assert_eq!(client(&authority, "a").response_types(), expected, "{written}");
    }
}

#[test]
fn every_insecure_switch_is_told() {
    let plan = full();
    let told: Vec<_> = plan.warnings.iter().map(|warning| &*warning.path).collect();
    let old = "authority.clients[5].danger_allow";
    assert_eq!(
        told,
        [
            "authority.roles.auditor".to_owned(),
            "authority.clients[2].trusted".to_owned(),
            format!("{old}_missing_pkce"),
            format!("{old}_password_grant"),
            format!("{old}_implicit_grant"),
        ]
    );
}

#[test]
fn what_works_and_is_not_safe_is_told_once() {
    check("", "private keys");
    check("  keys: {encryption: {env: KEY_ENCRYPTION_KEY}}\n  users: [{name: a, password: {env: SHORT}}]", "shorter");
    check(
        "  keys: {encryption: {env: KEY_ENCRYPTION_KEY}}\n  clients: [{id: a, grants: [authorization_code, \
         refresh_token], redirect_uris: [https://a.example/cb], refresh_tokens: {for: 7d}}]",
        "in a browser",
    );
    check(
        "  keys: {encryption: {env: KEY_ENCRYPTION_KEY}}\n  clients: [{id: a, auth: private_key_jwt, keys: {url: \
         \"http://127.0.0.1/jwks\"}, grants: [client_credentials]}]",
        "by http",
    );

    fn check(written: &str, expected: &str) {
        let plan = plan(written);
        let [warning] = plan.warnings.as_slice() else { panic!("{written}: {:?}", plan.warnings) };
        assert!(warning.text.contains(expected), "{written}: {}", warning.text);
    }
}

#[test]
fn without_files_the_authority_is_checked_and_nothing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.yaml");
    std::fs::copy(root().join("tests/golden/maps/authority.yaml"), &path).unwrap();
    let plan = load(&path, &NoFiles).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!plan.complete);
    let authority = plan.authority.unwrap();
    assert!(authority.keys.encryption.is_none() && authority.pages.texts.is_empty());
    assert!(authority.passwords.blocked.as_ref().unwrap().text.is_empty());
    let logo = authority.pages.logo.as_ref().unwrap();
    assert!(logo.kind == LogoKind::Svg && logo.file.contents.is_empty());
    let passwords: Vec<_> = authority.users.iter().map(|user| user.password.is_some()).collect();
    assert_eq!(passwords, [true, true, false, false], "hashes stand in the file, clear text does not");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_of_any_key_is_answered_without_a_panic(
        line in 0_usize..100,
        value in prop::sample::select(vec![
            "", "~", "0", "-1", "4294967295", "99999999999999999999", "true", "\"\"", "\" \"", "[]", "[[]]", "{}", "[~]", "x",
            "{x: y}", "0s", "36500d", "ä", "https://", "a:b", "\"#\"", "{env: EMPTY}", "{file: latin1.txt}", "{hash: $2b$}",
            "\"\\0\"", "usr_", "openid", "[openid, openid]", "[none, basic]", "[implicit]", "empty.txt", "notes.svg",
        ]),
    ) {
        let text = include_str!("../../../tests/golden/maps/authority.yaml");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = line % lines.len();
        if let Some((key, _)) = lines[at].clone().split_once(": ") {
            lines[at] = format!("{key}: {value}");
        }
        let source = world().with("gateway.yaml", lines.join("\n"));
        match load(Path::new("gateway.yaml"), &source) {
            Ok(plan) => prop_assert!(!map::text(&plan).is_empty()),
            Err(problems) => prop_assert!(!problems.render(true).is_empty() && problems.to_json().is_object()),
        }
    }
}

#[test]
fn every_example_of_the_page_of_all_keys_is_right() {
    let mut checked = 0;
    for name in ["Authority", "Client", "User"] {
        let guide = guide(name).unwrap();
        for block in guide.split("```yaml\n").skip(1) {
            let (section, _) = block.split_once("```").unwrap();
            plan(section.strip_prefix("authority:\n  issuer: https://api.example.com\n").unwrap());
            checked += 1;
        }
    }
    assert_eq!(checked, 5);
}

/// Every key that the schema has under `authority` stands in the golden file, wherever its section is used.
#[test]
fn the_golden_file_uses_every_key_of_the_authority() {
    let text = std::fs::read_to_string(root().join("tests/golden/maps/authority.yaml")).unwrap();
    let text = Text::new("gateway.yaml", text);
    let file = node::parse(&text, &mut Problems::new(text.clone())).unwrap();
    let (mut known, mut used) = (BTreeSet::new(), BTreeSet::new());
    let schema = schema();
    let section = &schema["properties"]["authority"];
    keys(section, &schema, &mut known);
    uses(section, &schema, value(&file, "authority"), &mut used);
    assert!(known.len() > 60, "{known:?}");
    let missing: Vec<_> = known.difference(&used).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The definition behind a schema, with its name.
fn definition<'s>(schema: &'s serde_json::Value, root: &'s serde_json::Value) -> Vec<(&'s str, &'s serde_json::Value)> {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return vec![(name, &root["$defs"][name])];
    }
    let choices = schema["anyOf"].as_array().into_iter().flatten();
    let inner = [&schema["items"], &schema["additionalProperties"]].into_iter().filter(|it| it.is_object());
    choices.chain(inner).flat_map(|it| definition(it, root)).collect()
}

fn keys(schema: &serde_json::Value, root: &serde_json::Value, known: &mut BTreeSet<String>) {
    for (name, definition) in definition(schema, root) {
        for (key, inner) in definition["properties"].as_object().unwrap() {
            if known.insert(format!("{name}.{key}")) {
                keys(inner, root, known);
            }
        }
    }
}

fn uses(schema: &serde_json::Value, root: &serde_json::Value, node: &Node, used: &mut BTreeSet<String>) {
    let is_named = schema["additionalProperties"].is_object();
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| uses(schema, root, item, used)),
        Kind::Map(entries) if is_named => {
            entries.iter().for_each(|(_, value)| uses(&schema["additionalProperties"], root, value, used));
        }
        Kind::Map(entries) => {
            for (name, definition) in definition(schema, root) {
                for (key, value) in entries {
                    if let Some(inner) = definition["properties"].get(&key.name) {
                        used.insert(format!("{name}.{}", key.name));
                        uses(inner, root, value, used);
                    }
                }
            }
        }
        Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) => {}
    }
}

fn value<'n>(node: &'n Node, name: &str) -> &'n Node {
    let Kind::Map(entries) = &node.kind else { panic!("{node:?}") };
    &entries.iter().find(|(key, _)| key.name == name).unwrap().1
}
