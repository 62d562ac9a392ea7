//! Keeps secrets out of the lines that messages show.

/// What stands for a masked character. Length is kept, so that carets stay where they belong.
const DOT: char = '•';

/// Words that make a key's value a secret, whatever the checks think of it.
const TELLING: [&str; 4] = ["secret", "password", "passphrase", "private_key"];

/// Masks byte ranges (relative to the line) and whatever follows a key that sounds like a secret.
pub(super) fn line(line: &str, ranges: &[(usize, usize)]) -> String {
    let mut hidden: Vec<(usize, usize)> = ranges.to_vec();
    hidden.extend(after_telling_keys(line));
    line.char_indices()
        .map(|(at, c)| {
            let inside = hidden.iter().any(|(start, end)| (*start..*end).contains(&at));
            if inside && !c.is_whitespace() { DOT } else { c }
        })
        .collect()
}

/// Ranges of plain values after `…secret…:`; references (`{env: …}`) and lists of them are left to be read.
fn after_telling_keys(line: &str) -> Vec<(usize, usize)> {
    let lower = line.to_ascii_lowercase();
    let code = lower.find(" #").map_or(&*lower, |end| lower.get(..end).unwrap_or_default());
    let mut found = Vec::new();
    for word in TELLING {
        for (at, _) in code.match_indices(word) {
            let rest = code.get(at + word.len()..).unwrap_or_default();
            let tail = rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || "_-\"'".contains(c)).len();
            let Some(value) = rest.get(tail..).and_then(|rest| rest.trim_start().strip_prefix(':')) else { continue };
            if !value.starts_with([' ', '\t']) {
                continue;
            }
            let value = value.trim_start();
            let start = code.len() - value.len();
            let length = value_length(value);
            let harmless = matches!(value.get(..length).map(str::trim), Some("true" | "false" | ""));
            if harmless || value.starts_with(['{', '[', '|', '>', '*', '&']) {
                continue;
            }
            found.push((start, start + length));
        }
    }
    found
}

/// A quoted value ends at its quote; a plain one at `, ` or `}` or the end of the line.
fn value_length(value: &str) -> usize {
    if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let inner = value.get(1..).unwrap_or_default();
        return inner.find(quote).map_or(value.len(), |end| end + 2);
    }
    value.find([',', '}']).unwrap_or(value.len())
}
