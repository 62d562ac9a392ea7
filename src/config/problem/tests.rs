use crate::config::place::{Place, Text};
use crate::config::problem::{Problem, Problems};

fn problems(text: &str) -> Problems {
    Problems::new(Text::new("gateway.yaml", text.to_owned()))
}

fn place(text: &str, what: &str) -> Place {
    let start = text.find(what).unwrap();
    Place { start, end: start + what.len() }
}

#[test]
fn a_problem_shows_line_column_caret_cause_and_help() {
    let text = "routes:\n  - match: GET /\n    upstream: orderz\n";
    let mut problems = problems(text);
    let mut problem = Problem::at(place(text, "orderz"), "there is no upstream with this name");
    problem.path = "routes[0].upstream".to_owned();
    problems.add(problem.help("did you mean `orders`, defined on line 12?"));
    let expected = "gateway.yaml:3:15  routes[0].upstream\n\n  3 |     upstream: orderz\n    |               ^^^^^^ there \
                    is no upstream with this name\n\n  help: did you mean `orders`, defined on line 12?\n\n1 problem in \
                    gateway.yaml\n";
    assert_eq!(problems.render(false), expected);
    assert!(problems.render(true).contains("\u{1b}[1;31m^^^^^^"));
    assert_eq!(problems.to_json()["problems"][0]["column"], 15);
}

#[test]
fn secrets_are_dots_in_every_line_shown() {
    check_hidden("clients:\n  - {id: a, secret: hunter2, grants: []}\n");
    check_hidden("clients:\n  - id: a\n    secret: \"hunter2\"\n");
    check_hidden("x: {client_secrett: hunter2}\n");
    check_hidden("password: hunter2 # why\n");
    let text = "auth: [hunter2]\n";
    let mut problems = problems(text);
    problems.mask(place(text, "hunter2"));
    problems.add(Problem::at(place(text, "hunter2"), "clear"));
    assert!(!problems.render(false).contains("hunter2"));
}

#[test]
fn no_part_of_a_secret_is_shown_whatever_characters_it_has() {
    for text in [
        "client_secret: xY,hunter2\n",
        "client_secret: xY}hunter2\n",
        "- password: xY, hunter2\n",
        "{password: \"xY\\\"hunter2\", id: a}\n",
        "password: 'xY''hunter2'\n",
        "password: \"xY #hunter2\"\n",
    ] {
        check_hidden(text);
    }
}

fn check_hidden(text: &str) {
    let mut problems = problems(text);
    problems.add(Problem::at(place(text, "hunter2"), "clear"));
    let shown = problems.render(false);
    assert!(!shown.contains("hunter2") && shown.contains("•••••••"), "{shown}");
}

#[test]
fn references_to_secrets_stay_readable() {
    let text = "secret: {env: NAME}\n";
    let mut problems = problems(text);
    problems.add(Problem::at(place(text, "NAME"), "is not set"));
    assert!(problems.render(false).contains("secret: {env: NAME}"));
}

#[test]
fn a_very_long_line_is_shown_around_the_place() {
    let text = format!("a: [{}wrong{}]\n", "x, ".repeat(300), ", y".repeat(300));
    let mut problems = problems(&text);
    problems.add(Problem::at(place(&text, "wrong"), "no"));
    let shown = problems.render(false);
    assert!(shown.contains("wrong") && shown.lines().all(|line| line.chars().count() < 220), "{shown}");
}
