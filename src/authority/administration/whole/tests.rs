//! Is a line what it was in version 1, and does each come back as the row that it was?

use super::head::Head;
use super::line::Line;
use crate::ground::Time;
use crate::store::whole::{Part, Row, Tally};

/// One line of each kind, as files of version 1 have them: what is changed here breaks the files that exist.
const LINES: &str = r#"{"key":{"id":"k","algorithm":"ES256","sealed":"AQID/w==","made":1,"starts":2,"ends":null}}
{"client":{"id":"c","registration":"{\"grants\":[]}","made":3,"disabled":true}}
{"secret_use":{"client":"c","secret":"0a1b2c3d","used":4}}
{"declared":"spa"}
{"user":{"row":{"id":"usr_1","name":"Alice","email":"a@example.com","email_verified":true,"profile":"{\"name\":\"Ä\"}","password":"$argon2id$x","roles":["admin"],"disabled":false,"origin":"file","made":5,"second_factor":{"secret":"AQ==","made":6,"last_step":7},"recovery":["00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"]},"file_hash":"$argon2id$y"}}
{"user":{"row":{"id":"usr_2","name":"bob","email":null,"email_verified":false,"profile":"{}","password":null,"roles":[],"disabled":true,"origin":"command","made":5,"second_factor":null,"recovery":[]},"file_hash":null}}
{"retired":"usr_0"}
{"session":{"digest":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","sid":"s","user":"usr_1","made":8,"authenticated":9,"methods":["pwd"],"seen":10,"idle_end":11,"ends":12,"device":"Browser","address":"::1"}}
{"consent":{"user":"usr_1","client":"spa","resource":"https://api","scopes":["read"],"given":13}}
{"grant":{"row":{"id":"00112233445566778899aabbccddeeff","client":"spa","allowed":{"user":"usr_1","session":"s","scope":"openid read","resources":["https://api"],"offline":true,"authenticated":9,"methods":["pwd","otp"],"tells_auth_time":true},"nonce":"n","salt":"ffeeddccbbaa99887766554433221100","refreshable":true,"made":14,"idle_end":15,"ends":16,"generation":3,"superseded":17,"confirmed":true,"epoch":4294967295,"revoked":true,"used":18},"until":19}}
{"code":{"digest":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","client":"spa","redirect_uri":"https://app/cb","challenge":"x","nonce":null,"allowed":{"user":"usr_1","session":null,"scope":"read","resources":["https://api"],"offline":false,"authenticated":9,"methods":[],"tells_auth_time":false},"made":20,"ends":21,"misses":2,"grant":"00112233445566778899aabbccddeeff"}}
{"finished":{"digest":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","until":22}}
{"token":{"digest":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","id":"jti","client":"spa","subject":"usr_1","grant":["00112233445566778899aabbccddeeff",3,1],"claims":"{}","ends":23}}
{"revocation":{"number":5,"what":{"token":"jti"},"until":24}}
{"revocation":{"number":6,"what":{"grant":{"id":"00112233445566778899aabbccddeeff","below_epoch":2}},"until":24}}
{"revocation":{"number":7,"what":{"client":{"id":"c","issued_until":25}},"until":24}}
{"assertion":{"digest":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","until":26}}"#;

fn read(line: &str) -> serde_json::Result<Row> {
    let mut text = serde_json::Deserializer::from_str(line);
    Line::deserialize(&mut text).and_then(|row| text.end().map(|()| row))
}

#[test]
fn a_line_of_each_kind_is_what_it_always_was() {
    let mut tally = Tally::default();
    for line in LINES.lines() {
        let row = read(line).unwrap_or_else(|cause| panic!("{cause}: {line}"));
        tally.add(row.part(), 1);
        let mut again = Vec::new();
        Line::serialize(&row, &mut serde_json::Serializer::new(&mut again)).unwrap();
        assert_eq!(String::from_utf8(again).unwrap(), line);
    }
    assert!(Part::ALL.iter().all(|part| tally.of(*part) > 0), "{tally}");
}

#[test]
fn a_line_that_is_not_exactly_one_row_is_refused() {
    for line in [
        "",
        "{}",
        "garbage",
        r#"{"declared":"spa"} x"#,
        r#"{"declared":"spa","retired":"usr_0"}"#,
        r#"{"unheard":"of"}"#,
        r#"{"secret_use":{"client":"c","secret":"0a1b2c3d"}}"#,
        r#"{"secret_use":{"client":"c","secret":"0a1b2c3d","used":4,"more":1}}"#,
        r#"{"secret_use":{"client":"c","secret":"0a1b2c3d","used":-4}}"#,
        r#"{"finished":{"digest":"00","until":22}}"#,
        r#"{"finished":{"digest":"00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff","until":22}}"#,
        r#"{"finished":{"digest":"éé112233445566778899aabbccddeeff00112233445566778899aabbccddee","until":22}}"#,
        r#"{"key":{"id":"k","algorithm":"ES256","sealed":"*","made":1,"starts":2,"ends":null}}"#,
    ] {
        assert!(read(line).is_err(), "{line}");
    }
}

#[test]
fn a_first_line_promises_what_follows_and_is_ours() {
    const ISSUER: &str = "https://id.example.com";
    let mut tally = Tally::default();
    tally.add(Part::Users, 2);
    tally.add(Part::Grants, 3);
    let head = serde_json::to_string(&Head::new(ISSUER, Time::from_secs(1), &tally)).unwrap();
    assert_eq!(
        head,
        r#"{"portcullis":"whole store","version":1,"issuer":"https://id.example.com","at":1000,"rows":{"grant":3,"user":2}}"#
    );
    assert_eq!(Head::read(head.as_bytes(), ISSUER).unwrap(), tally);
    for (from, to, part) in [
        ("whole store", "half store", "not what `portcullis export --all` writes"),
        ("\"version\":1", "\"version\":2", "it has version 2; this program reads version 1"),
        ("\"version\":1,", "", "it has no version"),
        ("id.example", "other.example", "it is of the issuer `https://other.example.com`"),
        ("\"grant\"", "\"grand\"", "it is damaged"),
        ("\"at\"", "\"when\"", "it is damaged"),
    ] {
        let refused = Head::read(head.replace(from, to).as_bytes(), ISSUER).unwrap_err();
        assert!(refused.contains(part), "{refused}");
    }
    assert!(Head::read(b"{", ISSUER).is_err());
}
