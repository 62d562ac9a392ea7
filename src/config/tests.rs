//! Golden files, and the example of the repository. `UPDATE=1 cargo test` rewrites the golden files; read the difference.

use std::path::{Path, PathBuf};

mod authority;
mod refused;

use crate::config::plan::authority::{Authentication, Client, ClientSecret};
use crate::config::plan::{Access, Destination, Per, Plan};
use crate::config::source::{Memory, NoFiles};
use crate::config::{Files, Problems, load, map, schema};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the developer's wish to rewrite golden files comes from the environment"
)]
fn golden(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected == actual { Ok(()) } else { Err(format!("{} differs:\n{actual}", path.display())) }
}

/// RFC 7517 appendix A.1, its first key without its use.
const PUBLIC_KEYS: &str = r#"{"keys": [{"kty": "EC", "crv": "P-256", "kid": "1",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

/// Files and variables that the golden files may name.
fn world() -> Memory {
    let pair = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let ((api, api_key), (_, other_key)) = (pair("api.example.com"), pair("other.example.com"));
    Memory::default()
        .with("tls/api.pem", api)
        .with("tls/api.key", api_key)
        .with("tls/other.key", other_key)
        .with("tls/damaged.pem", "-----BEGIN CERTIFICATE-----\nMIIB!!\n-----END CERTIFICATE-----\n")
        .with("notes.txt", "nothing of use\n")
        .with("empty.txt", "\n")
        .with("two-lines.txt", "one\ntwo\n")
        .with("keys.json", PUBLIC_KEYS)
        .with(
            "unusable-keys.json",
            "{\"keys\": [{\"kty\": \"EC\", \"use\": \"enc\"}, {\"kty\": \"EC\", \"crv\": \"P-521\"}]}",
        )
        .with("private-keys.json", "{\"keys\": [{\"kty\": \"EC\", \"d\": \"AAAA\"}]}")
        .with("redis/wrong", "redis://:hunter2@a,b")
        .with("redis/with-login", "redis://me:hunter2@cache.example")
        .with("redis/sentinel", "rediss+sentinel://me:hunter2@a,b:26380/mymaster")
        .with("secrets/partner", "Nn3mNcHn1nX7r1Zq0pU0cQ\n")
        .with("passwords.txt", "password\n\n  correct horse battery staple  \n")
        .with("latin1.txt", b"passwort\ngl\xfcck\n".as_slice())
        .with("brand/logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>")
        .with("brand/logo.png", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>")
        .with("brand/large.svg", format!("<svg>{}</svg>", " ".repeat(256 << 10)))
        .with("brand/texts.yaml", "login.title: Come in\nconsent.title: May it?\n")
        .with("brand/broken.yaml", "login.title: Come in\nlogin.title: twice\nconsent.title: [a, b]\n")
        .with_variable("REPORTING_SECRET", "0kHqC1mB7m3nVbS6V5r2xA8w")
        .with_variable("WEB_SECRET", "mWb3nVbS6V5r2xA8w0kHqC1mB7")
        .with_variable("WEB_SECRET_NEXT", "S6V5r2xA8w0kHqC1mB7mWb3nVb")
        .with_variable("KEY_ENCRYPTION_KEY", "XKq9iY2mT7h1f0c3sWb8uZ4vRj6nLpQa5dGeHxMoNtk=")
        .with_variable("ALICE_PASSWORD", "battery horse correct staple")
        .with_variable("CAROL_PASSWORD", "correct horse battery staple")
        .with_variable("SHORT", "too short")
        .with_variable(
            "DATABASE_URL",
            "postgres://gate:s3cret-Word@db1.internal:5432,db2.internal/portcullis?sslmode=verify-full",
        )
        .with_variable("DATABASE_CLEAR", "postgres://gate:s3cret-Word@db.internal/portcullis?sslmode=disable")
        .with_variable("DATABASE_KEYWORDS", "host=db.internal password=s3cret-Word dbname=portcullis")
        .with_variable("DATABASE_ODD_PASSWORD", "postgres://gate:s3cret?Word@db.internal/portcullis")
        .with_variable("DATABASE_NO_NAME", "postgres://gate:s3cret-Word@db.internal")
        .with_variable("DATABASE_PRISMA", "postgres://gate:s3cret-Word@db.internal/portcullis?schema=gate")
        .with_variable("DATABASE_LIBPQ", "postgres://gate:s3cret-Word@db.internal/portcullis?sslrootcert=ca.pem")
        .with_variable("EMPTY", "")
}

fn read(path: &Path) -> Result<Plan, Problems> {
    let text = std::fs::read_to_string(path).unwrap();
    load(Path::new("gateway.yaml"), &world().with("gateway.yaml", text))
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("tests/golden").join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    files.sort();
    files
}

#[test]
fn each_wrong_file_has_its_golden_message() {
    let files = yaml_files("problems");
    assert!(files.len() >= 40, "only {} wrong files", files.len());
    let mut wrong = Vec::new();
    for path in files {
        match read(&path) {
            Ok(_) => wrong.push(format!("{} is accepted", path.display())),
            Err(problems) => {
                let shown = problems.render(false);
                assert!(!shown.contains("hunter2"), "{}: a secret is shown\n{shown}", path.display());
                wrong.extend(golden(&path.with_extension("txt"), &shown).err());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_good_file_has_its_golden_access_map() {
    let mut wrong = Vec::new();
    for path in yaml_files("maps") {
        match read(&path) {
            Ok(plan) => wrong.extend(golden(&path.with_extension("txt"), &map::text(&plan)).err()),
            Err(problems) => wrong.push(format!("{}\n{problems}", path.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_of_the_repository_is_good() {
    let plan = load(&root().join("gateway.yaml"), &Files).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(plan.complete);
    assert_eq!(plan.routes.len(), 3);
    let authority = plan.authority.as_ref().unwrap();
    let client = authority.clients.first().unwrap();
    let digest = crate::ground::Digest::of(b"demo-secret");
    let Authentication::Secret { secrets, .. } = &client.authentication else { panic!("{client:?}") };
    assert_eq!(*secrets, [ClientSecret::Sha256(*digest.as_bytes())]);
    assert_eq!(client.resource.resource, authority.issuer);
    assert!(!format!("{plan:?}").contains("argon2") && format!("{plan:?}").contains("Sha256(…)"));
}

#[test]
fn without_files_a_plan_is_checked_but_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.yaml");
    std::fs::write(&path, std::fs::read_to_string(root().join("tests/golden/maps/contract.yaml")).unwrap()).unwrap();
    let plan = load(&path, &NoFiles).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!plan.complete);
    let empty = |client: &Client| match &client.authentication {
        Authentication::Secret { secrets, .. } => secrets.is_empty(),
        Authentication::None | Authentication::PrivateKey { .. } => false,
    };
    assert!(plan.authority.unwrap().clients.iter().all(empty));
    let problems = load(&path, &Files).unwrap_err();
    assert!(problems.could_not_read(), "{problems}");
}

#[test]
fn a_configuration_that_is_not_there_could_not_be_read() {
    let problems = load(Path::new("/nowhere/gateway.yaml"), &Files).unwrap_err();
    assert!(problems.could_not_read() && problems.render(false).contains("does not exist"), "{problems}");
}

#[test]
fn what_is_inherited_reaches_each_route_that_does_not_say_otherwise() {
    let text = "
version: 1
listen: [{address: 127.0.0.1:0}]
authority: {issuer: http://127.0.0.1:8080, scopes: {a: A}}
upstreams: {one: {servers: [http://127.0.0.1:1], timeout: {response: 9s}, forward_token: true}}
defaults: {upstream: one, limit: {rate: 100/s}, timeout: {connect: 7s}, cors: {origins: [https://a.example]}}
routes:
  - {match: GET /a, access: {scope: a}}
  - {match: POST /a, access: {scope: a}, limit: off, cors: off, forward_token: false, timeout: {response: 3s}}
  - {match: GET /open, access: public}
";
    let plan = load(Path::new("gateway.yaml"), &Memory::of("gateway.yaml", text)).unwrap_or_else(|p| panic!("{p}"));
    let [inherits, overrides, open] = plan.routes.as_slice() else { panic!("three routes") };
    let timeout = |destination: &Destination| match destination {
        Destination::Upstream { timeout, .. } => (timeout.connect.as_secs(), timeout.response.as_secs()),
        Destination::Echo | Destination::Fixed(_) => panic!("an upstream"),
    };
    assert_eq!(timeout(&inherits.destination), (7, 9));
    assert_eq!(timeout(&overrides.destination), (7, 3));
    assert_eq!((inherits.limits.len(), overrides.limits.len()), (1, 0));
    assert_eq!((inherits.forward_token, overrides.forward_token), (true, false));
    assert_eq!(inherits.cors.as_ref().unwrap().methods.as_ref().unwrap().len(), 2);
    assert!(overrides.cors.is_none());
    assert_eq!(open.limits.first().unwrap().per, Per::Ip, "nobody is known on a public route");
    assert!(matches!(open.access, Access::Public));
}

#[test]
fn a_name_that_the_authority_does_not_have_is_told_where_others_give_it_too_if_it_looks_like_a_slip() {
    check("{scope: orders:raed}", &["authority.keys", "routes[0].access.scope"]);
    check("{role: clark}", &["authority.keys", "routes[0].access.role"]);
    check("{scope: orders:read, role: clerk}", &["authority.keys"]);
    check("{scope: something:else, role: president}", &["authority.keys"]);

    fn check(access: &str, expected: &[&str]) {
        let text = format!(
            "version: 1\nlisten: [{{address: 127.0.0.1:0}}]\nauthority:\n  issuer: https://api.example\n  keys: {{}}\n  \
             scopes: {{orders:read: Read}}\n  roles: {{clerk: {{scopes: [orders:read]}}}}\nissuers: {{corp: {{url: https://corp.example, \
             audience: api}}}}\nroutes: [{{match: GET /, access: {access}, respond: echo}}]\n"
        );
        let plan =
            load(Path::new("gateway.yaml"), &Memory::of("gateway.yaml", &text)).unwrap_or_else(|p| panic!("{p}"));
        let told: Vec<_> = plan.warnings.iter().map(|warning| &*warning.path).collect();
        assert_eq!(told, expected, "{access}");
    }
}

#[test]
fn the_schema_documents_each_key_and_knows_no_null() {
    let schema = schema();
    let mut undocumented = Vec::new();
    check_documented(&schema, "", &mut undocumented);
    assert!(undocumented.is_empty(), "{undocumented:?}");
    assert!(!schema.to_string().contains("\"null\""), "a key without a value is a problem");
    assert_eq!(schema["required"], serde_json::json!(["version", "listen", "routes"]));
    assert_eq!(schema["additionalProperties"], false);
}

fn check_documented(value: &serde_json::Value, path: &str, undocumented: &mut Vec<String>) {
    if let Some(properties) = value.get("properties").and_then(|it| it.as_object()) {
        for (key, property) in properties {
            if property.get("description").is_none() {
                undocumented.push(format!("{path}.{key}"));
            }
        }
    }
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, value)| check_documented(value, &format!("{path}.{key}"), undocumented));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| check_documented(item, path, undocumented)),
        _ => {}
    }
}

#[test]
fn the_page_of_all_keys_is_up_to_date() {
    let outcome = golden(&root().join("docs/configuration.md"), &crate::config::reference::page(&schema()));
    assert!(outcome.is_ok(), "docs/configuration.md is out of date: run the tests with UPDATE=1");
}

#[test]
fn ten_thousand_routes_are_read() {
    let mut text = String::from(
        "version: 1\nlisten: [{address: 127.0.0.1:1}]\nauthority: {issuer: http://localhost:1, scopes: {a: A}}\n",
    );
    text.push_str("defaults: {cors: {origins: [https://a.example]}}\nroutes:\n");
    for index in 0..10_000 {
        text.push_str(&format!(
            "  - {{name: r{index}, match: 'GET,POST /v1/{index}/{{id}}', access: {{scope: a}}, respond: echo}}\n"
        ));
    }
    let plan = load(Path::new("gateway.yaml"), &Memory::of("gateway.yaml", &text)).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(plan.routes.len(), 10_000);
}
