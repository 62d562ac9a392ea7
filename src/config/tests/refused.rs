//! Small files that are refused, and what must not be shown meanwhile.

use std::path::Path;

use crate::config::source::Memory;
use crate::config::{Problems, load};

const USUAL: &str = "listen: [{address: \"127.0.0.1:8080\"}]";

fn shown(text: &str) -> String {
    let source = Memory::default().with("gateway.yaml", text.to_owned());
    load(Path::new("gateway.yaml"), &source).err().map_or_else(String::new, |problems: Problems| problems.render(false))
}

#[test]
fn a_secret_behind_a_misspelt_key_is_not_shown() {
    let authority = |more: &str| {
        format!(
            "version: 1\n{USUAL}\nauthority:\n  issuer: https://id.example\n{more}routes:\n  - {{match: GET /, access: public, respond: echo}}\n"
        )
    };
    for more in [
        "  users:\n    - {name: alice, passwd: hunter2hunter2}\n",
        "  users:\n    - {name: alice, pasword: hunter2}\n",
        "  clients:\n    - id: a\n      secert: hunter2\n",
        "  clients:\n    - {id: a, secert: [hunter2, hunter2]}\n",
        "  clients:\n    - {id: a, secert: {value: hunter2}}\n",
    ] {
        let shown = shown(&authority(more));
        assert!(shown.contains("has no key") && !shown.contains("hunter2"), "{more}: {shown}");
    }
    let named = shown(&authority("  clients:\n    - {id: a, secert: {env: NAME}}\n"));
    assert!(named.contains("{env: NAME}"), "a name of a secret is none: {named}");
}
