//! Are pages safe, whatever others have written into them?

use super::*;

const EVIL: &str = r#""><script>alert(1)</script><img src=x onerror=alert(1)>'"#;

fn pages() -> Pages {
    Pages::new("", Brand::default())
}

fn words(pages: &Pages) -> Words<'_> {
    pages.words(None, &HeaderMap::new())
}

fn check(response: &Response<Bytes>) {
    let html = String::from_utf8_lossy(response.body());
    assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{html}");
    let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(response.headers()[name], value, "{name}");
    }
}

#[test]
fn ui_01_ui_11_whatever_others_wrote_is_text_on_every_page() {
    let pages = pages();
    let words = words(&pages);
    let login = Login { csrf: EVIL, transaction: EVIL, client: Some(EVIL), name: EVIL, notice: Some(EVIL) };
    check(&pages.login(words, &login, StatusCode::OK, &Framing::page()));
    check(&pages.second_factor(words, (EVIL, EVIL), (StatusCode::OK, Some(EVIL)), &Framing::page()));
    check(&pages.choose(words, &Choose { csrf: EVIL, transaction: EVIL, user: EVIL }, &Framing::page()));
    let consent = Consent {
        csrf: EVIL,
        transaction: EVIL,
        client: EVIL,
        host: EVIL,
        resource: EVIL,
        scopes: &[ConsentScope { name: EVIL.into(), text: EVIL.into() }],
        loopback: true,
        public: true,
        user: EVIL,
    };
    check(&pages.consent(words, &consent, &Framing::page().sends_to("https://app.example")));
    check(&pages.logout(words, (EVIL, Some(EVIL)), EVIL, &Framing::page()));
    let plain = Plain {
        status: StatusCode::BAD_REQUEST,
        title: EVIL,
        sentence: EVIL,
        detail: Some(EVIL),
        link: Some((EVIL, EVIL)),
        request_id: Some(EVIL),
    };
    check(&pages.plain(words, &plain));
    let posted = [("state", EVIL.to_owned())];
    check(&pages.form_post(words, EVIL, &posted, ("https://app.example", "abc")));
}

#[test]
fn az_17_the_page_that_posts_an_answer_runs_its_own_script_alone_and_posts_there_alone() {
    let pages = pages();
    let posted = [("code", "c".to_owned())];
    let response = pages.form_post(words(&pages), "https://app.example/cb", &posted, ("https://app.example", "n0nce"));
    let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("form-action https://app.example;") && policy.contains("script-src 'nonce-n0nce'"));
    assert!(String::from_utf8_lossy(response.body()).contains(r#"<script nonce="n0nce">"#));
}

#[test]
fn the_style_sheet_is_served_under_a_name_of_its_contents_and_nothing_else_is() {
    let pages = pages();
    let style = pages.look.style().to_owned();
    let response = pages.asset(&style, &Method::GET).unwrap();
    assert_eq!(response.headers()["content-type"], "text/css; charset=utf-8");
    assert!(response.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    for other in ["/oauth/pages/style.css", "/oauth/pages/", "", "/oauth/pages/../style"] {
        assert!(pages.asset(other, &Method::GET).is_none(), "{other}");
    }
}
