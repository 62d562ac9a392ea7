//! Gateways that start: together on an empty database, before the database is there, and on one that is not for them.

use std::process::{Command, Stdio};

use super::{fleet, own, store_of, text, until, yaml};
use crate::support::house::Plot;
use crate::support::postgres::Server;

#[test]
fn gateways_that_start_together_on_an_empty_database_make_its_tables_once_and_one_set_of_keys() {
    let database = Server::shared().database();
    let plots: Vec<Plot> = (0..3).map(|_| Plot::new()).collect();
    let issuer = plots[0].port;
    let url = database.url();
    let starting: Vec<_> = plots
        .into_iter()
        .map(|plot| {
            let yaml = yaml(&plot, &url, issuer, "");
            std::thread::spawn(move || plot.start(&yaml))
        })
        .collect();
    let houses: Vec<_> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
    let made: usize = houses.iter().map(|house| house.mentions("were brought up to date")).sum();
    assert_eq!(made, 1);
    assert_eq!(database.sql("SELECT version FROM portcullis.form"), "1");
    let algorithms = database.sql("SELECT count(*), count(DISTINCT algorithm) FROM portcullis.signing_key");
    let (all, distinct) = algorithms.split_once('|').unwrap();
    assert_eq!(all, distinct, "each algorithm has one key");
    assert_eq!(database.sql("SELECT count(*) FROM portcullis.person"), "1");
    let token = text(&own(houses[0].port, "gate").1, "access_token");
    assert!(houses.iter().all(|house| house.get_with("/read", &token).status == 200));
}

#[test]
fn a_gateway_that_starts_before_its_database_waits_for_it_and_says_so() {
    let server = Server::start(&[]);
    let database = server.database();
    let url = database.url();
    server.stop();
    let plot = Plot::new();
    let yaml = yaml(&plot, &url, plot.port, "");
    let mut house = plot.start_until(&yaml, "waits for its store");
    let ready = house.admin_get("/readyz");
    assert_eq!(ready.status, 503);
    let store = store_of(&house);
    assert_eq!((store["name"].as_str(), store["state"].as_str()), (Some("postgres"), Some("down")), "{store}");
    assert_eq!(house.admin_get("/livez").status, 200);
    assert!(std::net::TcpStream::connect(("127.0.0.1", house.port)).is_err(), "nothing is served yet");
    server.start_again();
    until("it is ready", || house.admin_get("/readyz").status == 200);
    assert_eq!(store_of(&house)["state"], "up");
    assert_eq!(own(house.port, "gate").0, 200);

    // Whoever gives it up ends it.
    server.stop();
    house.signal("TERM");
    assert_eq!(house.ended(), Some(0));
}

#[test]
fn what_waiting_does_not_mend_ends_the_start_with_a_reason() {
    let database = Server::shared().database();
    drop(fleet(&database.url(), 1));
    let check = |url: &str, parts: &[&str]| {
        let plot = Plot::new();
        let yaml = yaml(&plot, url, plot.port, "");
        let file = plot.write("gateway.yaml", yaml);
        let ran = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("run").arg(file).stdin(Stdio::null()).output();
        let ran = ran.unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("s3cret"), "{said}");
    };
    let port = Server::shared().port;
    check(&format!("postgres://postgres:s3cret@127.0.0.1:{port}/nowhere"), &["3D000", "make the database"]);
    check(&format!("postgres://nobody:s3cret@127.0.0.1:{port}/postgres"), &["28000"]);

    // Tables of a version to come: taken when they say that this one can work with them, and otherwise not.
    database.sql("UPDATE portcullis.form SET version = 9, oldest = 1");
    let houses = fleet(&database.url(), 1);
    assert_eq!(own(houses[0].port, "gate").0, 200);
    assert_eq!(database.sql("SELECT version FROM portcullis.form"), "9", "an older gateway leaves it alone");
    drop(houses);
    database.sql("UPDATE portcullis.form SET oldest = 9");
    check(&database.url(), &["newer version of Portcullis (form 9", "name another database"]);

    // A role that may do nothing.
    database.sql("CREATE ROLE poor LOGIN");
    let other = Server::shared().database();
    let url = other.url().replace("postgres@", "poor:s3cret@");
    check(&url, &["42501", "grant the role what it lacks"]);
}

#[test]
fn a_column_that_a_newer_version_adds_disturbs_no_gateway_that_runs() {
    let database = Server::shared().database();
    let houses = fleet(&database.url(), 1);
    let (_, renewal) = super::signed_in(&houses[0], "spa");
    for table in ["family", "person", "session", "code", "signing_key", "client", "access_token", "revocation"] {
        database.sql(&format!("ALTER TABLE portcullis.{table} ADD COLUMN later text NOT NULL DEFAULT 'x'"));
    }
    assert_eq!(super::refresh(houses[0].port, "spa", &renewal).unwrap().0, 200);
    assert_eq!(own(houses[0].port, "kept").0, 200);
    super::signed_in(&houses[0], "web");
}

#[test]
fn a_role_that_owns_the_schema_and_nothing_else_is_enough() {
    let database = Server::shared().database();
    let role = format!("gate_{}", database.name);
    database.sql(&format!("CREATE ROLE {role} LOGIN; CREATE SCHEMA portcullis AUTHORIZATION {role}"));
    let houses = fleet(&database.url().replace("postgres@", &format!("{role}@")), 1);
    super::signed_in(&houses[0], "web");
    drop(houses);
    // Then one that may only use what the owner has made.
    let user = format!("user_{}", database.name);
    database.sql(&format!(
        "CREATE ROLE {user} LOGIN; GRANT USAGE ON SCHEMA portcullis TO {user};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA portcullis TO {user}"
    ));
    let houses = fleet(&database.url().replace("postgres@", &format!("{user}@")), 1);
    let (_, renewal) = super::signed_in(&houses[0], "spa");
    assert_eq!(super::refresh(houses[0].port, "spa", &renewal).unwrap().0, 200);
    drop(houses);
    database.sql(&format!("DROP OWNED BY {user}; DROP ROLE {user}; DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn the_server_is_verified_by_the_authority_that_the_file_names() {
    let make = |name: &str| rcgen::generate_simple_self_signed([name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (server_pair, other) = (make("localhost"), make("localhost"));
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (ca, stranger) = (put("ca.pem", server_pair.cert.pem()), put("other.pem", other.cert.pem()));
    let server = Server::start(&[]);
    server.encrypt(&server_pair.cert.pem(), &server_pair.signing_key.serialize_pem());
    let database = server.database();
    let said = |tls: &str, mode: &str| {
        let plot = Plot::new();
        let yaml = yaml(&plot, &format!("{}?sslmode={mode}", database.url()), plot.port, "");
        let file = plot.write("gateway.yaml", yaml.replace("file: url,", &format!("file: url, {tls}")));
        let mut list = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let ran = list.args(["key", "list", "--file"]).arg(file).stdin(Stdio::null()).output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let trusting = |file: &std::path::Path| format!("tls: {{ca: {}}},", file.display());
    let (code, text) = said(&trusting(&ca), "require");
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = said(&trusting(&stranger), "require");
    assert!(code == Some(2) && text.contains("certificate"), "{text}");
    let (code, text) = said("", "verify-full");
    assert!(code == Some(2), "no authority of the system has signed it: {text}");
}
