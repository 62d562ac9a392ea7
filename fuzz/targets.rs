//! What is fuzzed: everything of our own that reads bytes from outside. Each target takes any bytes and must come back, and
//! checks what must hold of the result. `cargo fuzz` runs them guided by coverage (`fuzz/fuzz_targets`), and
//! `tests/it/fuzz.rs` runs the same functions on a stable toolchain.

#[path = "engines.rs"]
mod engines;

use std::net::IpAddr;
use std::path::Path;

use http::{HeaderMap, HeaderValue, Request};
use portcullis::authority::form::Form;
use portcullis::authority::redirect::RedirectUri;
use portcullis::config;
use portcullis::config::source::Memory;
use portcullis::gate::admit::{address, host, path};
use portcullis::gate::condition::Condition;
use portcullis::gate::table::pattern;
use portcullis::ground::{Fields, RequestHead};
use portcullis::serve::frames::Frames;
use portcullis::serve::framing::Framing;
use portcullis::token::bearer;
use portcullis::token::jwt::KeySet;
use portcullis::token::jwt::compact::Compact;

/// A target with texts to begin from.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub seeds: &'static [&'static str],
}

pub const ALL: &[Target] = &[
    Target {
        name: "framing",
        run: framing,
        seeds: &[
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n",
        ],
    },
    Target {
        name: "engines",
        run: engines::check,
        seeds: &[
            "aGET /a/b?c=d HTTP/1.1\r\nHost: api.test\r\nAccept: */*\r\n\r\nGET /fixed HTTP/1.1\r\nHost: a\r\n\r\n",
            "aPOST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloHEAD /fixed HTTP/1.1\r\nHost: a\r\n\r\n",
            "aPUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n\
             OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "\u{80}GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-A\r\nX-A: 1\r\nCookie: a=b\r\n\r\nGET / HTTP/1.1\r\n",
            "aGET http://a/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nUpgrade: websocket\r\n\r\n",
            "aGET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n",
        ],
    },
    Target { name: "frames", run: frames, seeds: &["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] },
    Target {
        name: "path",
        run: canonical_path,
        seeds: &["/a/./b/../c", "/%2e%2E/x", "/a%2fb", "//a;b", "/%C3%A4", "/a%25%32%65"],
    },
    Target {
        name: "host",
        run: canonical_host,
        seeds: &["api.test:8080", "[::1]:80", "API.test.", "a@b", "xn--mnchen-3ya.de"],
    },
    Target { name: "bearer", run: authorization, seeds: &["Bearer abc.def.ghi", "bearer  x", "Basic YTpi"] },
    Target {
        name: "jwt",
        run: jwt,
        seeds: &[
            "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA",
            "eyJhbGciOiJub25lIiwiY3JpdCI6WyJ4Il19.e30.",
            "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
        ],
    },
    Target {
        name: "jwks",
        run: jwks,
        seeds: &[
            "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\",\"kid\":\"1\"}]}",
            "{\"keys\":[]}",
        ],
    },
    Target {
        name: "forwarded",
        run: forwarded,
        seeds: &["1.2.3.4, [::1]:80", "for=\"[2001:db8::1]:80\";proto=https", "unknown, 10.0.0.1"],
    },
    Target {
        name: "yaml",
        run: yaml,
        seeds: &[
            "version: 1\nlisten: [{address: \"127.0.0.1:1\"}]\nroutes: [{match: GET /, access: public, respond: echo}]\n",
            "version: 1\nauthority: {issuer: \"https://a\", clients: [{id: a, grants: [password]}]}\n",
            "a: &a [*a, *a]\n",
        ],
    },
    Target {
        name: "redirect",
        run: redirect,
        seeds: &[
            "https://a.test/cb\nhttps://a.test/cb?x",
            "http://127.0.0.1/cb\nhttp://127.0.0.1:9/cb",
            "http://127.0.0.1/cb\nhttp://127.0.0.1:+9/cb",
            "com.a.b:/c\nx",
        ],
    },
    Target {
        name: "condition",
        run: condition,
        seeds: &["token.subject == 'a'", "request.path.startsWith('/x') && 1 + 1 == 2", "[1,2].all(x, x > 0)"],
    },
    Target { name: "form", run: form, seeds: &["a=b&c=%20d", "grant_type=x&grant_type=y", "a=%zz&=&&"] },
    Target { name: "pattern", run: route_pattern, seeds: &["/a/{b}/**", "/a/*", "/{a}/{a}"] },
];

/// Pieces that mutations put in.
pub const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "\r\n\r\n",
    "\0",
    "%2e",
    "%2f",
    "%25",
    "../",
    "//",
    ";",
    "\\",
    "#",
    "?",
    "@",
    ":",
    "[::1]",
    "chunked",
    "Content-Length: ",
    "Transfer-Encoding: ",
    "HTTP/1.1",
    "Bearer ",
    "eyJ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "*",
    "&",
    "!!",
    "- ",
    "version: 1",
    "danger_",
    "{a}",
    "**",
    "\u{feff}",
    "\u{202e}",
    "18446744073709551616",
    "-1",
    "1e999",
];

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// However the bytes are cut, the verdict is the same.
fn framing(bytes: &[u8]) {
    let verdict = |cut: usize| {
        let (mut reading, mut before) = (Framing::default(), 0);
        for piece in bytes.chunks(cut) {
            if let Err(violation) = reading.read(piece) {
                return Some((before + violation.at, violation.what));
            }
            before += piece.len();
        }
        None
    };
    let whole = verdict(bytes.len().max(1));
    for cut in [1, 2, 7] {
        let pieces = verdict(cut);
        // A line that grows too long is noticed where it is cut, which is somewhere else.
        let is_long = |verdict: Option<(usize, &str)>| verdict.is_some_and(|(_, what)| what == "a line is too long");
        assert!(pieces == whole || is_long(pieces) || is_long(whole), "{whole:?} and {pieces:?}");
    }
}

fn frames(bytes: &[u8]) {
    let mut reading = Frames::new(0);
    for (number, piece) in bytes.chunks(13).enumerate() {
        if !reading.read(piece, number as u64 * 10) {
            return;
        }
        reading.wrote(piece.len());
    }
}

/// What was judged is what is forwarded: the normal form is its own, and climbs nowhere.
fn canonical_path(bytes: &[u8]) {
    let raw = text(bytes);
    let Ok(canonical) = path::canonical(&raw) else { return };
    assert!(canonical.starts_with('/'), "{canonical}");
    assert_eq!(path::canonical(&canonical).as_deref(), Ok(&*canonical), "a normal form of {raw:?}");
    assert!(!canonical.split('/').any(|segment| segment == "." || segment == ".."), "{canonical}");
    let lower = canonical.to_ascii_lowercase();
    assert!(!["%2f", "%5c", "%00", "%2e"].iter().any(|odd| lower.contains(odd)), "{canonical}");
    assert!(
        canonical.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\' && byte != b'#'),
        "{canonical:?}"
    );
}

fn canonical_host(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let request = Request::builder().uri("/").header("host", value).body(()).unwrap();
    let Ok(host) = host::canonical(&RequestHead::of(request).0) else { return };
    assert!(!host.is_empty() && !host.contains(['@', '/', '?', '#', ',', ' ']), "{host}");
    assert_eq!(host, host.to_ascii_lowercase());
}

fn authorization(bytes: &[u8]) {
    let lines: Vec<HeaderValue> =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let found = bearer::find(lines.iter().map(HeaderValue::as_bytes));
    if let Ok(Some(Ok(token))) = found.map(|found| found.map(bearer::Presented::token)) {
        assert!(!token.is_empty() && token.len() <= bearer::LONGEST && !token.contains(' '));
        assert_eq!(lines.len(), 1);
    }
}

fn jwt(bytes: &[u8]) {
    let raw = text(bytes);
    if let Some(token) = Compact::split(&raw) {
        let _ = token.header();
        let _ = token.claims();
    }
    let part = |text: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
    let made = format!("{}.{}.AAAA", part(&raw), part(&raw));
    if let Some(token) = Compact::split(&made) {
        let _ = token.header();
        let _ = token.claims();
    }
}

fn jwks(bytes: &[u8]) {
    let _ = KeySet::read(&text(bytes));
}

/// Whoever the client is, it is somebody; without a trusted peer it is the peer.
fn forwarded(bytes: &[u8]) {
    let peer: IpAddr = [192, 0, 2, 1].into();
    for names in [&["x-forwarded-for"][..], &["forwarded"], &["x-forwarded-for", "forwarded", "x-request-id"]] {
        let mut headers = HeaderMap::new();
        for line in bytes.split(|byte| *byte == b'\n').take(8) {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                for name in names {
                    headers.append(*name, value.clone());
                }
            }
        }
        let headers = Fields::from(&headers);
        let _ = address::told(&headers, peer, |address| address.is_loopback() || address == peer);
        let _ = address::request_id(&headers);
    }
}

/// A file is right or its problems are told; each has a place.
fn yaml(bytes: &[u8]) {
    let raw = text(bytes);
    let source = Memory::of("gateway.yaml", &raw);
    if let Err(problems) = config::load(Path::new("gateway.yaml"), &source) {
        let told = problems.render(false);
        assert!(!told.trim().is_empty(), "a refusal without a reason: {raw:?}");
    }
}

/// A registered address is itself, and another port only where a port means nothing.
fn redirect(bytes: &[u8]) {
    let raw = text(bytes);
    let (registered, presented) = raw.split_once('\n').unwrap_or((&raw, &raw));
    let Ok(uri) = RedirectUri::new(registered) else { return };
    assert!(uri.is(registered));
    if uri.is(presented) && registered != presented {
        let (own, other) = (url::Url::parse(registered).unwrap(), url::Url::parse(presented).unwrap());
        assert_eq!((own.scheme(), own.host_str()), (other.scheme(), other.host_str()), "{registered} {presented}");
        assert_eq!((own.path(), own.query()), (other.path(), other.query()), "{registered} {presented}");
        assert!(own.scheme() == "http" && other.username().is_empty() && other.password().is_none());
    }
}

fn condition(bytes: &[u8]) {
    let _ = Condition::compile(&text(bytes), &["id".into()], false);
}

fn form(bytes: &[u8]) {
    if let Ok(form) = Form::parse(bytes) {
        let _ = (form.one("a"), form.has_repeated());
    }
}

fn route_pattern(bytes: &[u8]) {
    let raw = text(bytes);
    let _ = pattern::segments(&raw);
}
