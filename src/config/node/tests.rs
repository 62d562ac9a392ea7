use proptest::prelude::*;

use crate::config::node::{Kind, Node, parse};
use crate::config::place::Text;
use crate::config::problem::Problems;
use crate::config::source::Memory;

fn tree(content: &str) -> (Node, Text) {
    let text = Text::new("gateway.yaml", content.to_owned());
    let mut problems = Problems::new(text.clone());
    let root = parse(&text, &mut problems).unwrap_or_else(|| panic!("{problems}"));
    assert!(problems.is_empty(), "{problems}");
    (root, text)
}

fn value<'n>(node: &'n Node, path: &[&str]) -> &'n Node {
    path.iter().fold(node, |node, name| match &node.kind {
        Kind::Map(entries) => &entries.iter().find(|(key, _)| key.name == *name).unwrap().1,
        other => panic!("{other:?}"),
    })
}

#[test]
fn numbers_and_booleans_keep_the_text_they_were_written_as() {
    let (root, text) = tree("a: 007\nb: 1_000\nc: True\nd: \"08\"\ne: 1e3\nf: yes\n");
    let check = |name: &str, expected: &str| {
        let written = match &value(&root, &[name]).kind {
            Kind::Number(text) | Kind::Text(text) | Kind::Bool(_, text) => text,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(written, expected, "{name}");
    };
    check("a", "007");
    check("b", "1_000");
    check("c", "True");
    check("d", "08");
    check("e", "1e3");
    check("f", "yes");
    assert_eq!(text.position(value(&root, &["d"]).place), (4, 4));
}

#[test]
fn places_count_characters_and_not_bytes() {
    let (root, text) = tree("é: {ß: x, y: 1}\n");
    let place = value(&root, &["é", "y"]).place;
    assert_eq!((text.position(place), text.slice(place)), ((1, 14), "1"));
}

#[test]
fn anchors_and_merge_keys_work() {
    let (root, _) = tree("a: &usual {rate: 10/s, per: ip}\nb: *usual\nc: {<<: *usual, per: token}\n");
    let text = |path: &[&str]| match &value(&root, path).kind {
        Kind::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(&["b", "rate"]), "10/s");
    assert_eq!(text(&["c", "rate"]), "10/s");
    assert_eq!(text(&["c", "per"]), "token");
}

#[test]
fn a_problem_within_an_alias_has_a_place() {
    let content = "version: 1\nlisten: [{address: 127.0.0.1:1}]\nroutes:\n  - {match: GET /a, access: public, respond: \
                   echo, limit: &x {rate: 10, per: ip}}\n  - {match: GET /b, access: public, respond: echo, limit: *x}\n";
    let source = Memory::of("gateway.yaml", content);
    let problems = crate::config::load(std::path::Path::new("gateway.yaml"), &source).unwrap_err();
    assert!(problems.iter().all(|problem| problem.place.is_some_and(|place| place.end <= content.len())), "{problems}");
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut content = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let item = format!("*a{}", level - 1);
        content.push_str(&format!("a{level}: &a{level} [{}]\n", vec![item; 10].join(", ")));
    }
    let text = Text::new("gateway.yaml", content);
    let mut problems = Problems::new(text.clone());
    assert!(parse(&text, &mut problems).is_none());
    assert_eq!(problems.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered_without_a_panic(text in "[-a-z0-9:{}\\[\\], \n\t*&!|>'\"#%@é~?.<]{0,80}") {
        check_answered(&text);
    }

    #[test]
    fn a_damaged_file_is_answered_without_a_panic(file in 0_usize..2, at in 0_usize..4000, length in 0_usize..40, with in "[:{}\\[\\], \n\t*&'\"#a0]{0,6}") {
        let mut text = [
            include_str!("../../../tests/golden/maps/contract.yaml"),
            include_str!("../../../tests/golden/maps/authority.yaml"),
        ][file].to_owned();
        let start = (at % text.len()..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
        let end = (start..=(start + length).min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        text.replace_range(start..end, &with);
        check_answered(&text);
    }
}

fn check_answered(text: &str) {
    let source = Memory::of("gateway.yaml", text);
    match crate::config::load(std::path::Path::new("gateway.yaml"), &source) {
        Ok(plan) => assert!(!crate::config::map::text(&plan).is_empty()),
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.render(true).contains("gateway.yaml"));
            assert!(problems.to_json().is_object());
        }
    }
}
