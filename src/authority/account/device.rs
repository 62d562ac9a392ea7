//! What a browser is called to the person who used it.

/// Later ones name earlier ones too, to be taken for them: the first that fits is right.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chromium"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
];

/// `Firefox – Linux` of a `User-Agent` that says so; of any other its first product, which is all that can be known.
pub(super) fn name(agent: &str) -> String {
    let find =
        |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} – {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => match agent.split_whitespace().next() {
            Some(product) => product.chars().take(60).collect(),
            None => "?".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn browsers_are_called_what_people_call_them() {
        let like = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, expected) in [
            (format!("Mozilla/5.0 (X11; Linux x86_64) {like} Chrome/130.0.0.0 Safari/537.36"), "Chrome – Linux"),
            (
                format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {like} Chrome/130.0 Safari/537.36 Edg/130.0"),
                "Edge – Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0".into(),
                "Firefox – Mac",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1"
                    .into(),
                "Safari – iPhone",
            ),
            (format!("Mozilla/5.0 (Linux; Android 15) {like} Chrome/130.0 Mobile Safari/537.36"), "Chrome – Android"),
            ("curl/8.10.1".into(), "curl/8.10.1"),
            (String::new(), "?"),
            ("x".repeat(200), &*"x".repeat(60)),
        ] {
            assert_eq!(name(&agent), expected, "{agent}");
        }
    }
}
