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
