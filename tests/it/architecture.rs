//! The house stays as it was drawn: rooms use only lower floors, files stay small, names say something, tests do not wait.

use std::path::{Path, PathBuf};

/// Lowest floor first; a room may use only rooms on lower floors.
const FLOORS: &[&[&str]] = &[
    &["ground"],
    &["observe"],
    &["store", "listen", "dial"],
    &["token"],
    &["gate"],
    &["forward", "authority"],
    &["config", "serve", "admin"],
    &["app"],
    &["cli"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// Rooms that a source text names after `crate::`, also in a list, and chains of `super` that would hide one.
fn rooms_used_by(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rooms: Vec<String> = code.matches("super::super").map(str::to_owned).collect();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(heads(list)),
            None => rooms.push(word(rest)),
        }
    }
    rooms.retain(|room| room.contains("::") || FLOORS.iter().any(|floor| floor.contains(&&**room)));
    rooms
}

/// The first word of each entry of an import list, up to its closing brace.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut heads, mut entry) = (0, Vec::new(), String::new());
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(std::mem::take(&mut entry).trim())),
            _ if depth == 0 => entry.push(letter),
            _ => {}
        }
    }
    heads.push(word(entry.trim()));
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_room_is_found_in_every_form_of_import() {
    check("use crate::gate::Permit;", &["gate"]);
    check("let x = crate::store::open();", &["store"]);
    check("use crate::{gate::Permit, store};", &["gate", "store"]);
    check("use crate::{\n    dial::{self, connect},\n    ground::{Clock, Time},\n};", &["dial", "ground"]);
    check("use super::super::forward::pool;", &["super::super"]);
    check("// as crate::cli does", &[]);

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(rooms_used_by(text), expected, "{text}");
    }
}

#[test]
fn rooms_use_only_lower_floors() {
    let mut wrong = Vec::new();
    for (floor, rooms) in FLOORS.iter().enumerate() {
        for room in *rooms {
            for file in sources(&root().join("src").join(room)) {
                for used in rooms_used_by(&std::fs::read_to_string(&file).unwrap()) {
                    let below = FLOORS[..floor].iter().any(|rooms| rooms.contains(&used.as_str()));
                    if used != *room && !below {
                        wrong.push(format!("{}: {room} may not use {used}", file.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_has_a_floor_and_a_front_page() {
    for entry in std::fs::read_dir(root().join("src")).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            let room = entry.file_name().into_string().unwrap();
            assert!(FLOORS.iter().any(|floor| floor.contains(&&*room)), "src/{room} has no floor");
        }
    }
    for file in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let test = file.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
        assert!(test || text.starts_with("//!"), "{} does not begin by saying what it is", file.display());
    }
}

#[test]
fn files_stay_small_and_names_say_something() {
    const EMPTY_WORDS: [&str; 7] = ["utils", "util", "common", "helpers", "types", "manager", "misc"];
    for file in sources(&root().join("src")) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines: it answers more than one question", file.display());
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!EMPTY_WORDS.contains(&&*name), "{} says nothing", file.display());
    }
}

#[test]
fn the_map_draws_the_floors_that_are_kept() {
    let map = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (number, floor) in FLOORS.iter().enumerate() {
        let drawn =
            map.lines().find_map(|line| line.trim_start_matches("//!").trim().strip_prefix(&format!("{number}  ")));
        let drawn: Vec<_> = drawn.unwrap_or_default().split_whitespace().collect();
        assert_eq!(drawn, *floor, "floor {number} of src/lib.rs");
    }
}

/// Of files below `src`, the tests alone; of others, all of it.
fn tests_in(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let whole = file.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
    if whole { text } else { text.split_once("#[cfg(test)]\nmod tests {").map_or("", |(_, tests)| tests).to_owned() }
}

#[test]
fn tests_neither_sleep_nor_are_ignored() {
    // Put together, so that this file does not find itself.
    let never = [["thread::", "sleep("].concat(), ["#[", "ignore"].concat(), ["should_", "panic"].concat()];
    for file in [sources(&root().join("src")), sources(&root().join("tests"))].concat() {
        let text = tests_in(&file);
        for words in &never {
            assert!(!text.contains(words.as_str()), "{}: {words}", file.display());
        }
    }
}

/// What holds on one machine alone has no business in the tree.
#[test]
fn no_folder_of_somebodys_machine_is_named() {
    let places = [["/ho", "me/"].concat(), ["/ro", "ot/"].concat(), ["/Us", "ers/"].concat(), ["/wo", "rk/"].concat()];
    let mut folders: Vec<PathBuf> =
        ["src", "tests", "benches", "docs", "systemd", ".ci"].map(|it| root().join(it)).into();
    let mut files: Vec<PathBuf> = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file() && path.file_name().is_some_and(|name| name != ".git"));
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let found = places.iter().find(|place| text.contains(place.as_str()));
        assert!(found.is_none(), "{} names {}", file.display(), found.unwrap());
    }
}
