//! A gateway with open and guarded routes on two hosts, and what is said to it and about it.

use crate::support::upstream::Seen;
use crate::support::{Answer, House, Issuer, Reply, Upstream};

pub struct Bed {
    pub house: House,
    pub upstream: Upstream,
    pub issuer: Issuer,
    pub read: String,
}

impl Bed {
    pub fn new() -> Self {
        Self::with(|seen| Reply::ok(&seen.target), "")
    }

    /// With an upstream that answers so, and with more routes: each a line that is indented by two.
    pub fn with(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static, more: &str) -> Self {
        let (upstream, issuer) = (Upstream::start(reply), Issuer::start());
        let house = House::start(&format!(
            r#"
issuers: {{corp: {{url: "{}", audience: "https://api.test", types: at+jwt}}}}
upstreams: {{far: {{servers: ["http://127.0.0.1:{}"]}}}}
defaults: {{upstream: far}}
routes:
  - {{match: "* api.test/public/**", access: public}}
  - {{match: "* api.test/api/**", access: {{scope: read}}}}
  - {{match: "* api.test/api/admin/**", access: {{scope: admin}}}}
  - {{match: POST api.test/api/orders, access: {{scope: write}}}}
  - {{match: GET api.test/ws, access: {{scope: ws}}}}
  - {{match: "* other.test/**", access: {{scope: other}}}}
{more}"#,
            issuer.url(),
            upstream.port
        ));
        let read = issuer.token("read");
        Self { house, upstream, issuer, read }
    }

    /// Fills in what a probe leaves to the bed: `⏎` CR LF, `␊` LF, `␍` CR, `␀` NUL, `⇥` tab, `T.scope` a line with a good
    /// token of that scope.
    pub fn bytes(&self, probe: &str) -> Vec<u8> {
        let mut text = probe.replace('⏎', "\r\n").replace('␊', "\n").replace('␍', "\r").replace('␀', "\0");
        text = text.replace('⇥', "\t");
        while let Some(start) = text.find("T.") {
            let end =
                text[start + 2..].find(|sign: char| !sign.is_ascii_lowercase()).map_or(text.len(), |at| start + 2 + at);
            let scope = text[start + 2..end].to_owned();
            let token = if scope == "read" { self.read.clone() } else { self.issuer.token(&scope) };
            text.replace_range(start..end, &format!("Authorization: Bearer {token}"));
        }
        text.into_bytes()
    }

    /// Everything that is answered until the gateway closes.
    pub fn talk(&self, bytes: &[u8]) -> Vec<Answer> {
        let mut wire = self.house.wire();
        wire.send(bytes);
        let mut answers = Vec::new();
        while !wire.is_closed() {
            answers.push(wire.answer_to(bytes.starts_with(b"HEAD")));
        }
        answers
    }

    /// One of these statuses, then the end of the connection, and not a byte for the upstream. What is said behind it is
    /// never read as a request.
    pub fn refuses(&self, id: &str, probe: &str, statuses: &[u16]) {
        self.refuses_bytes(id, &self.bytes(probe), statuses);
    }

    pub fn refuses_bytes(&self, id: &str, bytes: &[u8], statuses: &[u16]) {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        let before = self.upstream.bytes();
        let next = b"GET /public/next HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n";
        let answers = self.talk(&[bytes, next].concat());
        let found: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(found.len() == 1 && statuses.contains(&found[0]), "{id}: {found:?} to {shown:?}");
        assert_eq!(self.upstream.bytes(), before, "{id}: the upstream got something of {shown:?}");
    }

    /// What the gateway answers to a probe that ends its connection, and what the upstream has got of it, every request of
    /// which is well formed.
    pub fn says(&self, id: &str, probe: &str) -> (Vec<Answer>, Vec<Seen>) {
        let before = self.upstream.seen().len();
        let answers = self.talk(&self.bytes(probe));
        let seen = self.upstream.seen().split_off(before);
        seen.iter().for_each(|seen| well_formed(id, seen));
        (answers, seen)
    }

    /// The same for one status, and the targets that the upstream has seen.
    pub fn answers(&self, id: &str, probe: &str, statuses: &[u16], targets: &[&str]) -> (Vec<Answer>, Vec<Seen>) {
        let (answers, seen) = self.says(id, probe);
        let found: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(found, statuses, "{id}: {probe:?}");
        let at: Vec<&str> = seen.iter().map(|seen| seen.target.as_str()).collect();
        assert_eq!(at, targets, "{id}: {probe:?}");
        (answers, seen)
    }
}

/// Law 2: what an upstream gets was written anew, and there is one way to read it.
pub fn well_formed(id: &str, seen: &Seen) {
    let head = &seen.head;
    let count = |name: &str| seen.headers.iter().filter(|(own, _)| own == name).count();
    assert_eq!(count("host"), 1, "{id}: {head:?}");
    assert!(count("content-length") + count("transfer-encoding") <= 1, "{id}: two lengths in {head:?}");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "{id}: bare line ends in {head:?}");
    assert!(seen.target.starts_with('/') && !seen.path().contains("/.."), "{id}: {head:?}");
    for (name, value) in &seen.headers {
        assert!(!name.contains('_'), "{id}: {name} in {head:?}");
        if name == "content-length" {
            assert!(value.parse::<u64>().is_ok_and(|number| number.to_string() == *value), "{id}: {head:?}");
        }
        if name == "transfer-encoding" {
            assert_eq!(value, "chunked", "{id}: {head:?}");
        }
    }
    for gone in ["connection", "te", "trailer", "keep-alive", "proxy-connection", "upgrade", "expect"] {
        let is_tunnel = gone == "connection" || gone == "upgrade";
        assert!(!seen.has(gone) || is_tunnel && seen.header("upgrade") == "websocket", "{id}: {gone} in {head:?}");
    }
}
