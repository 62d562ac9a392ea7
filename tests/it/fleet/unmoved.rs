//! A move that cannot be is refused whole, with its reason, and leaves the new store as empty as it was.

use serde_json::Value;

use super::moving::{run, stop};
use super::{signed_in, with_store};
use crate::support::House;
use crate::support::house::Plot;

const SEALED: &str = "  keys: {encryption: {file: seal}}\n";

/// Everything of a gateway that somebody has signed in to, its port, and its house.
fn lived() -> (String, House) {
    let plot = Plot::new();
    let yaml = with_store(&plot, "{sqlite: store.db}", plot.port, "");
    let mut house = plot.start(&yaml);
    signed_in(&house, "web");
    stop(&mut house);
    let (code, export, said) = run(&house.path("."), &["export", "--all"], "");
    assert_eq!(code, Some(0), "{said}");
    (export, house)
}

/// A folder with a file for an empty store; not started.
fn empty(issuer: u16) -> Plot {
    let plot = Plot::new();
    let yaml = with_store(&plot, "{sqlite: store.db}", issuer, "");
    plot.write("gateway.yaml", yaml);
    plot
}

/// The text with another number of rows in its first line.
fn promising(export: &str, part: &str, more: i64) -> String {
    let (head, rest) = export.split_once('\n').unwrap();
    let mut head: Value = serde_json::from_str(head).unwrap();
    let count = head["rows"][part].as_i64().unwrap() + more;
    head["rows"][part] = count.into();
    format!("{head}\n{rest}")
}

/// The number of the first line of this kind, and the line.
fn line<'e>(export: &'e str, kind: &str) -> (usize, &'e str) {
    let start = format!("{{\"{kind}\":");
    export.lines().enumerate().find(|(_, line)| line.starts_with(&start)).map(|(at, line)| (at + 1, line)).unwrap()
}

#[test]
fn a_file_that_is_not_whole_and_right_is_refused_whole() {
    let (export, old) = lived();
    let plot = empty(old.port);
    let folder = plot.folder.path();
    let check = |text: &str, part: &str| {
        for arguments in [&["import", "--all", "-"][..], &["import", "--all", "-", "--dry-run"]] {
            let (code, out, err) = run(folder, arguments, text);
            assert_eq!(code, Some(1), "{part}: {out}{err}");
            assert!(err.contains(part) && out.is_empty(), "{part}: {out}{err}");
            assert!(!err.contains("argon2"), "{err}");
        }
    };
    let (head, rest) = export.split_once('\n').unwrap();
    let (at_user, user) = line(&export, "user");
    let (at_grant, grant) = line(&export, "grant");
    let cut = &export[..export.len() - 20];
    let last = export.lines().count();
    check("", "there is nothing in it");
    check(rest, "line 1: it is not what `portcullis export --all` writes");
    check("{\n  \"version\": 1,\n  \"clients\": []\n}\n", "line 1: it is not what");
    check(&export.replacen("\"version\":1", "\"version\":2", 1), "version 2; this program reads version 1");
    check(&export.replacen("\"issuer\":\"http://127", "\"issuer\":\"http://128", 1), "it is of the issuer `http://128");
    check(cut, &format!("line {last}: it breaks off"));
    check(&cut[..=cut.rfind('\n').unwrap()], "the export is not whole: its first line promises 3 keys");
    check(&format!("{head}\n"), "and there is nothing");
    check(&export.replacen(grant, &format!("{grant}\n{grant}"), 1), &format!("line {}: it comes twice", at_grant + 1));
    check(
        &export.replacen(grant, "argon2, garbage", 1),
        &format!("line {at_grant}: it cannot be read from column 1 on"),
    );
    check(&export.replacen("\"salt\"", "\"pepper\"", 1), &format!("line {at_grant}: it cannot be read"));
    let key = line(&export, "key").1;
    check(&export.replacen(key, &format!("{key}\n{key}"), 1), "line 3: it comes twice");
    // Its first byte says whether it is sealed.
    let (start, sealed) = key.split_once("\"sealed\":\"A").unwrap();
    let clear = format!("{start}\"sealed\":\"AA{}", &sealed[1..]);
    check(&export.replacen(key, &clear, 1), "line 2: the key lies in clear");

    // What only the store itself can see.
    let refused = |text: &str, part: &str| {
        let (code, out, err) = run(folder, &["import", "--all", "-"], text);
        assert!(code == Some(1) && err.contains(part), "{part}: {out}{err}");
    };
    let namesake = user.replacen("\"id\":\"usr_", "\"id\":\"usr_z", 1);
    let two = promising(&export, "user", 1).replacen(user, &format!("{user}\n{namesake}"), 1);
    refused(&two, &format!("line {}: one with its id or name stands before it", at_user + 1));
    let orphaned = promising(&export, "user", -1).replacen(&format!("{user}\n"), "", 1);
    let (at_session, _) = line(&orphaned, "session");
    refused(&orphaned, &format!("line {at_session}: what it belongs to is not there"));

    // Nothing of all that was kept: the right one finds an empty store.
    let (code, out, err) = run(folder, &["import", "--all", "-", "--dry-run"], &export);
    assert_eq!((code, out.starts_with("would move: 3 keys, ")), (Some(0), true), "{out}{err}");
    let (code, out, err) = run(folder, &["import", "--all", "-"], &export);
    assert_eq!((code, out.starts_with("moved: 3 keys, ")), (Some(0), true), "{out}{err}");
    check_occupied(folder, &export);
    let (code, _, err) = run(folder, &["import", "-"], &export);
    assert!(code == Some(1) && err.contains("is a whole store, which `portcullis import --all` reads"), "{err}");
}

/// A store that holds something takes nothing in, and a dry run says so beside what it read.
fn check_occupied(folder: &std::path::Path, export: &str) {
    let (code, _, err) = run(folder, &["import", "--all", "-"], export);
    assert!(code == Some(1) && err.contains("the store is not empty: it holds 3 keys, "), "{err}");
    let (code, out, err) = run(folder, &["import", "--all", "-", "--dry-run"], export);
    assert!(code == Some(1) && err.contains("the store is not empty"), "{err}");
    assert!(out.starts_with("would move: 3 keys"), "{out}");
}

#[test]
fn a_store_that_a_gateway_has_started_on_is_not_empty() {
    let (export, old) = lived();
    let plot = Plot::new();
    let yaml = with_store(&plot, "{sqlite: store.db}", old.port, "");
    let house = plot.start(&yaml);
    let (code, _, err) = run(&house.path("."), &["import", "--all", "-"], &export);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("it holds 3 keys, 4 clients of the file, 1 user.") && err.contains("empty this one"), "{err}");
}

#[test]
fn another_encryption_key_or_none_opens_nothing_and_is_seen_before_anything_is_kept() {
    let (export, old) = lived();
    let check = |seal: Option<&str>, part: &str| {
        let plot = empty(old.port);
        match seal {
            Some(seal) => drop(plot.write("seal", seal)),
            None => {
                let yaml = std::fs::read_to_string(plot.folder.path().join("gateway.yaml")).unwrap();
                plot.write("gateway.yaml", yaml.replace(SEALED, ""));
            }
        }
        let (code, _, err) = run(plot.folder.path(), &["import", "--all", "-"], &export);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains("line 2: the key `") && err.contains(part), "{err}");
        assert!(err.contains("give the file the `keys.encryption` that the old store had"), "{err}");
    };
    check(Some("fedcba9876543210fedcba9876543210"), "it is sealed under another key than the configured one");
    check(None, "it is sealed, and no key is configured");
}

#[test]
fn what_lies_in_clear_is_not_exported_and_is_sealed_by_one_start() {
    let plot = Plot::new();
    let yaml = with_store(&plot, "{sqlite: store.db}", plot.port, "");
    let mut house = plot.start(&yaml.replace(SEALED, ""));
    let (code, out, err) = run(&house.path("."), &["export", "--all"], "");
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("the key `") && err.contains("` lies in clear") && err.contains("keys.encryption"), "{err}");
    house.rewrite(&yaml);
    house.stop_and_start();
    let (code, out, err) = run(&house.path("."), &["export", "--all"], "");
    assert_eq!(code, Some(0), "beside the running gateway, too: {err}");
    assert!(out.starts_with("{\"portcullis\":"), "{out}");
}
