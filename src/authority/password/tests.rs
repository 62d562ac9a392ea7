//! Does every kind of hash open to its password alone, and does no bad password get in?

use proptest::prelude::*;

use super::*;
use crate::ground::SystemRandom;

const PASSWORD: &str = "a sentence of alice";

/// Made by other programs: python's hashlib, and its bcrypt.
const BROUGHT: [&str; 6] = [
    "$2b$10$5Bv2MnJZyf/FZ3Wqot0Cxu0qO/sfOYs1yG57bNt7rH8lMpqTujYXy",
    "$2y$10$5Bv2MnJZyf/FZ3Wqot0Cxu0qO/sfOYs1yG57bNt7rH8lMpqTujYXy",
    "$scrypt$ln=14,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$8eYdd9BCKmWNrgxrK5bt0BZxaeJV7iWju7oCuxgbBnE",
    "$pbkdf2-sha256$i=600000,l=32$c2FsdHNhbHRzYWx0c2FsdA$TSbu3u9mYGs+PVPCs8rb8iyg5p+/gQM4yvVfIjcnqD0",
    "$pbkdf2-sha512$210000$c2FsdHNhbHRzYWx0c2FsdA$1oxuGeQEzdHATWxmOYY2c45cV484isEi4wYjKbnvSaxoeZ7JsoF9yeMBUXo4JXGaYNtD7DsiEQXHgTVPdQ6NpA",
    "pbkdf2_sha256$600000$saltsaltsaltsalt$TSbu3u9mYGs+PVPCs8rb8iyg5p+/gQM4yvVfIjcnqD0=",
];

fn verdict(hash: &str, password: &str) -> Verdict {
    verify_or_decoy(Some(&PasswordHash::new(hash).unwrap()), &Secret::new(password))
}

#[test]
fn ui_08_hashes_of_other_systems_open_to_their_password_and_ask_to_be_replaced() {
    for hash in BROUGHT {
        assert_eq!(verdict(hash, PASSWORD), Verdict::RightButOld, "{hash}");
        assert_eq!(verdict(hash, "a sentence of bob"), Verdict::Wrong, "{hash}");
        assert_eq!(verdict(hash, ""), Verdict::Wrong, "{hash}");
    }
    let own = hash(&Secret::new(PASSWORD), &SystemRandom).unwrap();
    assert_eq!((verdict(&own, PASSWORD), verdict(&own, "other")), (Verdict::Right, Verdict::Wrong));
    assert_eq!(verify_or_decoy(None, &Secret::new(PASSWORD)), Verdict::Wrong);
    assert!(PasswordHash::new(DECOY).is_ok(), "the decoy has to be hashed like a real one");
}

#[test]
fn bcrypt_looks_at_72_bytes_as_the_systems_did_that_made_it() {
    let of_72 = "$2b$04$LJbug72ukGcwfzM41boxF.JxuNYJ8lzeCKk7QyQy5MZgw/ZmL7P9m";
    assert_eq!(verdict(of_72, &"x".repeat(72)), Verdict::RightButOld);
    assert_eq!(verdict(of_72, &"x".repeat(100)), Verdict::RightButOld);
    assert_eq!(verdict(of_72, &"x".repeat(71)), Verdict::Wrong);
}

#[test]
fn ui_08_a_password_is_the_same_however_it_was_typed() {
    let composed = hash(&Secret::new("caf\u{e9} au lait, bien s\u{fb}r"), &SystemRandom).unwrap();
    assert_eq!(verdict(&composed, "cafe\u{301} au lait, bien su\u{302}r"), Verdict::Right);
}

#[test]
fn a_wrong_password_costs_a_user_and_nobody_the_same_hashes_however_it_was_typed() {
    let own = PasswordHash::new(DECOY).unwrap();
    let hashes = |hash, password: &str| {
        let mut hashes = 0;
        let mut count = |_: &Kind, _: &[u8]| {
            hashes += 1;
            false
        };
        assert_eq!(verify_by(&mut count, hash, &Secret::new(password)), Verdict::Wrong);
        hashes
    };
    for (password, expected) in [("caf\u{e9}", 1), ("cafe\u{301}", 2)] {
        assert_eq!(hashes(Some(&own), password), expected, "{password}");
        assert_eq!(hashes(None, password), expected, "{password}");
    }
}

#[test]
fn a_hash_that_cannot_be_or_costs_too_much_is_refused_without_being_repeated() {
    for (text, part) in [
        ("plainly-a-password", "one of Argon2id"),
        ("$argon2i$v=19$m=19456,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$x", "one of Argon2id"),
        ("$argon2id$v=19$m=2000000,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$8mKpgkqJ7d5Xn5c0q1dTLeXhWwI2m7qYRrKQhYxYV1w", "`m`"),
        ("$argon2id$v=19$m=19456,t=2,p=1", "not complete"),
        ("$2b$16$5Bv2MnJZyf/FZ3Wqot0Cxu0qO/sfOYs1yG57bNt7rH8lMpqTujYXy", "cost above 15"),
        ("$2b$10$short", "cannot be read"),
        ("$scrypt$ln=30,r=8,p=1$c2FsdA$8eYdd9BCKmWNrgxrK5bt0BZxaeJV7iWju7oCuxgbBnE", "more memory"),
        ("$scrypt$r=8,p=1$c2FsdA$8eYdd9BCKmWNrgxrK5bt0A", "`ln`"),
        ("$pbkdf2-sha256$i=99999999$c2FsdA$8eYdd9BCKmWNrgxrK5bt0A", "rounds"),
        ("$pbkdf2-sha256$i=1$c2FsdA$c2FsdA", "16 and 128 bytes"),
        ("$pbkdf2-sha256$i=1$c2FsdA", "three parts"),
        ("pbkdf2_sha256$many$salt$8eYdd9BCKmWNrgxrK5bt0A", "not a number"),
        ("pbkdf2_sha256$0$salt$8eYdd9BCKmWNrgxrK5bt0A==", "no rounds"),
    ] {
        let message = PasswordHash::new(text).err().unwrap_or_else(|| panic!("{text}"));
        assert!(message.contains(part) && !message.contains(text), "{text}: {message}");
    }
}

#[test]
fn ui_08_what_everybody_tries_is_refused_in_every_disguise() {
    let rules =
        PasswordRules { min: 8, blocked: std::sync::Arc::new(["our town hall".into()].into()), ..Default::default() };
    let about = ["alice", "alice.smith@example.test", "Example Shop"];
    for bad in [
        "password",
        "P4ssw0rd!",
        "passwordpassword",
        "PASSWORD123456",
        "alicealice",
        "Alice2026!!",
        "example1234",
        "our town hall",
        "aaaaaaaaaaaaaaa",
        "abababababababab",
        "abcdefghijklmnop",
        "123456789012345",
        "qwertyuiopasdfghjkl",
        "correcthorsebatterystaple",
    ] {
        assert_eq!(rules.check(bad, false, &about), Err(Unfit::Common), "{bad}");
    }
    for good in ["a sentence of mine", "gehweg lampe ziegel", "tr0ub4dor&3x9", "Ünïcödé fïsh 7", "alice likes her tea"]
    {
        assert_eq!(rules.check(good, false, &about), Ok(()), "{good}");
    }
    let usual = PasswordRules::default();
    assert_eq!(usual.check("fourteen chars", false, &[]), Err(Unfit::TooShort(15)));
    assert_eq!(usual.check("tr0ub4do", true, &[]), Ok(()));
    assert_eq!(usual.check(&"long words ".repeat(100), false, &[]), Err(Unfit::TooLong));
    assert_eq!(usual.check(&"jagged cliff ".repeat(9), false, &[]), Ok(()), "128 characters are taken");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\$|pbkdf2_sha256\\$|\\$2b\\$|\\$scrypt\\$|\\$argon2id\\$)?[ -~]{0,80}") {
        let _ = PasswordHash::new(&text);
    }
}
