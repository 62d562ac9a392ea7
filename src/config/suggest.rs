//! "Did you mean": the nearest of the names that would have been right.

/// The nearest name, if it is near enough to be a slip.
pub(super) fn nearest<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let folded = fold(wrong);
    names
        .filter_map(|name| {
            let distance = strsim::damerau_levenshtein(&folded, &fold(name));
            let allowed = (name.chars().count().max(wrong.chars().count()) / 3).clamp(1, 3);
            let contained = folded.len() >= 4 && fold(name).starts_with(&folded);
            (distance <= allowed || contained).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `a`, `b` and `c`.
pub(super) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "none".to_owned(),
    }
}

/// The message for a word that is not one of the words of a key.
pub(super) fn not_a_word(text: &str, what: &str, words: &[&str]) -> String {
    let cause = format!("`{text}` is not {what}");
    match nearest(text, words.iter().copied()) {
        Some(near) => format!("{cause}; did you mean `{near}`?"),
        None => format!("{cause}; write one of {}", list(words.iter().copied()).replace(" and ", " or ")),
    }
}

/// Case, `-` and `_` are the commonest slips and cost nothing.
fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}
