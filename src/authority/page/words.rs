//! The texts of the pages, by language.

use std::collections::BTreeMap;

use http::HeaderValue;

/// All texts of all languages.
pub(in crate::authority) struct Catalogue {
    /// The first is what is spoken when nothing else fits.
    languages: Vec<(String, BTreeMap<String, String>)>,
}

/// The texts of one language.
#[derive(Clone, Copy)]
pub(in crate::authority) struct Words<'a> {
    language: &'a str,
    texts: &'a BTreeMap<String, String>,
    /// English, for what the language lacks.
    fallback: &'a BTreeMap<String, String>,
}

const ENGLISH: &str = include_str!("texts/en.json");
const GERMAN: &str = include_str!("texts/de.json");

impl Catalogue {
    pub(in crate::authority) fn built_in() -> Self {
        let read = |text: &str| serde_json::from_str(text).unwrap_or_default();
        Self { languages: vec![("en".to_owned(), read(ENGLISH)), ("de".to_owned(), read(GERMAN))] }
    }

    /// The same with an operator's texts in place of ours: `name` for every language, `de:name` for one, which may be new.
    pub(in crate::authority) fn with(texts: &[(String, String)]) -> Self {
        let mut catalogue = Self::built_in();
        for (name, text) in texts {
            match name.split_once(':') {
                Some((language, name)) => catalogue.put(&language.to_ascii_lowercase(), name, text),
                None => {
                    for (_, own) in &mut catalogue.languages {
                        own.insert(name.clone(), text.clone());
                    }
                }
            }
        }
        catalogue
    }

    fn put(&mut self, language: &str, name: &str, text: &str) {
        if let Some((_, own)) = self.languages.iter_mut().find(|(own, _)| own == language) {
            own.insert(name.to_owned(), text.to_owned());
            return;
        }
        let only = BTreeMap::from([(name.to_owned(), text.to_owned())]);
        self.languages.push((language.to_owned(), only));
    }

    /// `ui_locales` (OpenID Connect Core section 3.1.2.1) first, then `Accept-Language` by its weights (RFC 9110 section
    /// 12.5.4).
    pub(in crate::authority) fn choose(&self, ui_locales: Option<&str>, accept: Option<&HeaderValue>) -> Words<'_> {
        let asked = ui_locales.into_iter().flat_map(|list| list.split(' '));
        let accepted = accept.and_then(|value| value.to_str().ok()).map(preferred).unwrap_or_default();
        let found = asked.chain(accepted.iter().map(String::as_str)).find_map(|tag| self.language(tag));
        let fallback = self.languages.first().map(|(_, texts)| texts);
        let (language, texts) = found.unwrap_or(("en", fallback.unwrap_or(&EMPTY)));
        Words { language, texts, fallback: fallback.unwrap_or(&EMPTY) }
    }

    /// The language of a tag, without regard to its region.
    fn language(&self, tag: &str) -> Option<(&str, &BTreeMap<String, String>)> {
        let wanted = tag.split('-').next()?.to_ascii_lowercase();
        self.languages.iter().find(|(own, _)| *own == wanted).map(|(own, texts)| (own.as_str(), texts))
    }
}

/// Whether a page has this text, and whether the gap that something is put into is there as in ours.
pub fn check_text(name: &str, text: &str) -> Result<(), String> {
    let (language, name) = name.split_once(':').map_or((None, name), |(language, name)| (Some(language), name));
    let is_language = |tag: &str| (2..=3).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphabetic());
    if language.is_some_and(|tag| !is_language(tag)) {
        return Err("in front of `:` stands a language, such as `de`".into());
    }
    let known: BTreeMap<String, String> = serde_json::from_str(ENGLISH).unwrap_or_default();
    let Some(own) = known.get(name) else { return Err(format!("no page has a text `{name}`")) };
    match (own.matches("{}").count(), text.matches("{}").count()) {
        (ours, theirs) if ours == theirs => Ok(()),
        (0, _) => Err(format!("`{name}` has no gap `{{}}` that something could be put into")),
        (_, _) => Err(format!("`{name}` needs one gap `{{}}`, as in \"{own}\"")),
    }
}

static EMPTY: BTreeMap<String, String> = BTreeMap::new();

impl<'a> Words<'a> {
    pub(in crate::authority) fn language(&self) -> &'a str {
        self.language
    }

    /// A text; its own name when there is none, so that a gap shows and nothing breaks.
    pub(in crate::authority) fn t<'t>(&self, name: &'t str) -> &'t str
    where
        'a: 't,
    {
        self.texts.get(name).or_else(|| self.fallback.get(name)).map_or(name, String::as_str)
    }

    /// A text with something in its gap.
    pub(in crate::authority) fn f(&self, name: &str, filling: impl std::fmt::Display) -> String {
        self.t(name).replacen("{}", &filling.to_string(), 1)
    }

    /// The text of a scope, where the pages have one.
    pub(in crate::authority) fn scope(&self, scope: &str) -> Option<&'a str> {
        let name = format!("scope.{scope}");
        self.texts.get(&name).or_else(|| self.fallback.get(&name)).map(String::as_str)
    }
}

/// The tags of an `Accept-Language`, best first; what has weight 0 is not wanted.
fn preferred(list: &str) -> Vec<String> {
    let weighted = list.split(',').take(32).filter_map(|item| {
        let mut parts = item.split(';');
        let tag = parts.next()?.trim();
        let weight =
            parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
        (weight > 0.0 && !tag.is_empty()).then(|| (tag.to_owned(), weight))
    });
    let mut tags: Vec<(String, f32)> = weighted.collect();
    tags.sort_by(|one, other| other.1.total_cmp(&one.1));
    tags.into_iter().map(|(tag, _)| tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_text_with_the_same_gaps() {
        let catalogue = Catalogue::built_in();
        let (_, english) = &catalogue.languages[0];
        assert!(!english.is_empty());
        for (language, texts) in &catalogue.languages {
            assert_eq!(texts.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{language}");
            for (name, text) in texts {
                assert_eq!(text.matches("{}").count(), english[name].matches("{}").count(), "{language}: {name}");
            }
        }
    }

    /// `docs/pages.md` shows this table; `UPDATE=1` writes it anew.
    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test is told by the environment whether to write")]
    fn the_documented_texts_are_the_pages_own() {
        let known: BTreeMap<String, String> = serde_json::from_str(ENGLISH).unwrap();
        let rows: String = known.iter().map(|(name, text)| format!("| `{name}` | {text} |\n")).collect();
        let table = format!("| name | text |\n|---|---|\n{rows}");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pages.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once("<!-- table: written by the tests -->\n").unwrap();
        let (old, after) = rest.split_once("<!-- /table -->").unwrap();
        if std::env::var_os("UPDATE").is_some() {
            let whole = format!("{before}<!-- table: written by the tests -->\n{table}<!-- /table -->{after}");
            std::fs::write(&path, whole).unwrap();
        } else {
            assert_eq!(old, table, "docs/pages.md is out of date: run `UPDATE=1 cargo test`");
        }
    }

    #[test]
    fn every_text_is_used_by_a_page_or_its_handler() {
        let sources = [
            include_str!("templates/account.html"),
            include_str!("templates/choose.html"),
            include_str!("templates/consent.html"),
            include_str!("templates/form_post.html"),
            include_str!("templates/login.html"),
            include_str!("templates/logout.html"),
            include_str!("templates/message.html"),
            include_str!("templates/second_factor.html"),
            include_str!("../login.rs"),
            include_str!("../logout.rs"),
            include_str!("../pages.rs"),
            include_str!("../account/acts.rs"),
            include_str!("../account/factor.rs"),
        ];
        let known: BTreeMap<String, String> = serde_json::from_str(ENGLISH).unwrap();
        for name in known.keys().filter(|name| !name.starts_with("scope.")) {
            let quoted = format!("\"{name}\"");
            assert!(sources.iter().any(|source| source.contains(&quoted)), "{name}");
        }
    }

    #[test]
    fn an_operator_s_texts_replace_ours_in_every_language_in_one_or_in_a_new_one() {
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let texts =
            [text("login.title", "Come in"), text("de:login.title", "Herein"), text("FR:login.title", "Entrez")];
        let catalogue = Catalogue::with(&texts);
        for (language, title, password) in
            [("en", "Come in", "Password"), ("de", "Herein", "Passwort"), ("fr", "Entrez", "Password")]
        {
            let words = catalogue.choose(Some(language), None);
            assert_eq!(
                (words.language(), words.t("login.title"), words.t("login.password")),
                (language, title, password)
            );
        }
    }

    #[test]
    fn a_text_that_no_page_has_or_that_lacks_its_gap_is_refused() {
        for (name, text, part) in [
            ("login.title", "Come in", ""),
            ("de:choose.go_on", "Weiter als {}", ""),
            ("login.titel", "x", "no page has a text `login.titel`"),
            ("german:login.title", "x", "stands a language"),
            ("choose.go_on", "Continue", "needs one gap"),
            ("login.title", "Come in, {}", "has no gap"),
        ] {
            let message = check_text(name, text).err().unwrap_or_default();
            assert!(message.contains(part) && message.is_empty() == part.is_empty(), "{name}: {message}");
        }
    }

    #[test]
    fn the_language_is_what_the_request_asks_for_then_what_the_browser_prefers() {
        let catalogue = Catalogue::built_in();
        for (ui_locales, accept, expected) in [
            (None, None, "en"),
            (None, Some("de-AT,de;q=0.9,en;q=0.8"), "de"),
            (None, Some("fr, en;q=0.5, de;q=0.7"), "de"),
            (None, Some("de;q=0, en"), "en"),
            (Some("de"), Some("en"), "de"),
            (Some("fr-CA en"), Some("de"), "en"),
            (Some(""), Some("xx;q=zz,;;"), "en"),
        ] {
            let accept = accept.map(HeaderValue::from_static);
            let words = catalogue.choose(ui_locales, accept.as_ref());
            assert_eq!(words.language(), expected, "{ui_locales:?} {accept:?}");
        }
    }
}
