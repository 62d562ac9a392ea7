//! docs/configuration.md: every key, made of the schema, so that it is always true. Only the test that keeps it uses this.

use std::fmt::Write;

use serde_json::{Map, Value};

const PREFACE: &str = "# gateway.yaml\n\n\
    Every key of the file. This page is made of the types that read it; `portcullis schema` prints the same for editors.\n\n\
    - Durations are `250ms`, `10s`, `5m`, `12h`, `7d`; sizes `512B`, `64KiB`, `10MiB`, `1GiB`; rates `100/s`, `10/m`, `1000/h`.\n\
    - Secrets stand here by reference (`{env: NAME}`, `{file: path}`) or as a hash, never in clear.\n\
    - Relative paths count from the folder of the file.\n\
    - An unknown key, a key that does nothing and a key written twice are problems; `portcullis check` shows all of them at once.\n\
    - A `path` is `/exact`, `/orders/{id}` (one segment) or `/orders/**` (the rest, and `/orders` itself). The most specific match\n\
    \x20 wins: exact host before wildcard before none, then the path segment by segment, then a named method before `*`.\n\
    - `*` after a key: it has to be there.\n";

/// What a table cannot say, by the section that it stands under.
const GUIDES: [(&str, &str); 3] = [
    ("Authority", include_str!("reference/authority.md")),
    ("Client", include_str!("reference/client.md")),
    ("User", include_str!("reference/user.md")),
];

/// The file that uses every key of the authority.
const AUTHORITY_IN_FULL: &str = include_str!("../../tests/golden/maps/authority.yaml");

/// The text under a section, if there is one.
pub(super) fn guide(name: &str) -> Option<String> {
    let (_, text) = GUIDES.iter().find(|(section, _)| *section == name)?;
    let Some(begun) = text.strip_suffix("```yaml\n") else { return Some((*text).to_owned()) };
    let (_, section) = AUTHORITY_IN_FULL.split_once("\nauthority:\n")?;
    let (section, _) = section.split_once("\nroutes:\n")?;
    Some(format!("{begun}```yaml\nauthority:\n{}\n```\n", section.trim_end()))
}

/// The page.
pub(super) fn page(schema: &Value) -> String {
    let mut out = PREFACE.to_owned();
    let empty = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    section(&mut out, "The whole file", schema);
    // In the order of reading: a section comes after the one that first names it.
    let mut waiting = references(schema.get("properties").unwrap_or(&Value::Null));
    let mut done: Vec<String> = Vec::new();
    while !waiting.is_empty() {
        let name = waiting.remove(0);
        if done.contains(&name) {
            continue;
        }
        if let Some(definition) = definitions.get(&name) {
            section(&mut out, &name, definition);
            let mut inner = references(definition);
            inner.append(&mut waiting);
            waiting = inner;
        }
        done.push(name);
    }
    out
}

fn section(out: &mut String, name: &str, definition: &Value) {
    let about = text(definition, "description");
    let _ = write!(out, "\n## {name}\n\n{about}\n");
    let Some(properties) = definition.get("properties").and_then(Value::as_object) else {
        let _ = write!(out, "\n{}\n", kind(definition));
        return;
    };
    let required = definition.get("required").and_then(Value::as_array);
    let _ = write!(out, "\n| key | value | what it is |\n|---|---|---|\n");
    for (key, property) in properties {
        let star = if required.is_some_and(|keys| keys.iter().any(|it| it == key)) { " *" } else { "" };
        let about = text(property, "description").replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(out, "| `{key}`{star} | {} | {about} |", kind(property));
    }
    if let Some(guide) = guide(name) {
        let _ = write!(out, "\n{guide}");
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The kind of a value in a few words.
fn kind(value: &Value) -> String {
    if let Some(name) = reference(value) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(choices) = value.get("anyOf").and_then(Value::as_array) {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = value.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(word) = value.get("const").and_then(Value::as_str) {
        return format!("`{word}`");
    }
    if let Some(inner) = value.get("additionalProperties").filter(|inner| inner.is_object()) {
        return format!("names, each with: {}", kind(inner));
    }
    let pattern = text(value, "pattern");
    match text(value, "type").as_str() {
        "array" => format!("list of: {}", value.get("items").map(kind).unwrap_or_default()),
        "integer" => "number".to_owned(),
        "boolean" => "`true`, `false`".to_owned(),
        _ if pattern.contains("KiB") => "size".to_owned(),
        _ if pattern.contains("ms|") => "duration".to_owned(),
        _ => "text".to_owned(),
    }
}

fn reference(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix("#/$defs/"))
}

/// Names of all sections that a value refers to, in order.
fn references(value: &Value) -> Vec<String> {
    let mut found: Vec<String> = reference(value).map(str::to_owned).into_iter().collect();
    match value {
        Value::Object(map) => found.extend(map.values().flat_map(references)),
        Value::Array(items) => found.extend(items.iter().flat_map(references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}
