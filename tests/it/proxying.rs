//! What passes through: heads rewritten, bodies streamed, connections kept, WebSocket, HTTP/2, TLS upstreams.

use std::io::{Read, Write};
use std::sync::mpsc;

use crate::support::house::Plot;
use crate::support::{House, Issuer, Reply, Upstream};

#[test]
fn an_upstream_gets_a_head_built_by_the_gateway() {
    let upstream = Upstream::plain();
    let house = House::before(&upstream);
    let spoofed = "X-Auth-Subject: admin\r\nX_Auth_Subject: admin\r\nX-Forwarded-For: 127.0.0.9\r\nForwarded: for=x\r\n\
                   X-Original-URL: /admin\r\nRemote-User: admin\r\nAuthorization: Bearer secret\r\nTE: trailers\r\n\
                   Keep-Alive: 1\r\nX-Hop: 1\r\nX-Request-Id: theirs\r\nAccept: text/plain\r\n";
    let answer = house.raw(format!(
        "GET /a/./b?x=1 HTTP/1.1\r\nHost: LocalHost:99\r\nConnection: close, X-Hop, X-Request-Id\r\n{spoofed}\r\n"
    ));
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    let seen = upstream.last();
    assert!(seen.head.starts_with("GET /a/b?x=1 HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.header("accept"), "text/plain");
    assert_eq!(seen.header("host"), "LocalHost:99");
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    assert_eq!(seen.header("forwarded"), "for=127.0.0.1;host=\"LocalHost:99\";proto=http");
    assert_eq!(seen.header("x-request-id"), answer.header("x-request-id"));
    assert!(!seen.has("traceparent"), "the gateway makes no trace that nobody could look up");
    for gone in [
        "x-auth-subject",
        "x_auth_subject",
        "x-original-url",
        "remote-user",
        "authorization",
        "te",
        "keep-alive",
        "x-hop",
        "connection",
    ] {
        assert!(!seen.has(gone), "{gone} in {}", seen.head);
    }
}

#[test]
fn a_trace_goes_on_as_it_came_and_stands_in_the_log() {
    let upstream = Upstream::plain();
    let house = House::before(&upstream);
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let answer = house.call("GET", "/x", &format!("traceparent: {good}\r\ntracestate: a=1\r\n"));
    let seen = upstream.last();
    assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (good, "a=1"));
    assert_eq!(house.log_of(&answer)["trace.id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    house.call("GET", "/x", &format!("traceparent: {good}-bad\r\ntracestate: a=1\r\n"));
    assert!(!upstream.last().has("traceparent") && !upstream.last().has("tracestate"));
}

#[test]
fn an_upstream_is_told_who_calls() {
    let upstream = Upstream::plain();
    let issuer = Issuer::start();
    let house = House::start(&format!(
        "issuers: {{corp: {{url: \"{}\", audience: \"https://api.test\", claims: {{roles: realm.roles}}}}}}\n\
         authority: {{issuer: \"http://127.0.0.1:1\"}}\n\
         upstreams:\n  far: {{servers: [\"http://127.0.0.1:{port}\"]}}\n\
         \x20 signed: {{servers: [\"http://127.0.0.1:{port}\"], identity: signed}}\n\
         \x20 token: {{servers: [\"http://127.0.0.1:{port}\"], identity: none, forward_token: true}}\n\
         routes:\n  - {{match: GET /headers, access: {{scope: read}}, upstream: far}}\n\
         \x20 - {{match: GET /signed, access: {{scope: read}}, upstream: signed}}\n\
         \x20 - {{match: GET /token, access: {{scope: read}}, upstream: token}}\n",
        issuer.url(),
        port = upstream.port
    ));
    let token = issuer.token_with(|claims| claims["realm"] = serde_json::json!({"roles": ["clerk", "boss"]}));
    assert_eq!(house.get_with("/headers", &token).status, 200);
    let seen = upstream.last();
    for (name, value) in [
        ("x-auth-subject", "alice"),
        ("x-auth-client", "web"),
        ("x-auth-scope", "read"),
        ("x-auth-roles", "boss clerk"),
        ("x-auth-issuer", "corp"),
    ] {
        assert_eq!(seen.header(name), value, "{}", seen.head);
    }
    assert_eq!(house.get_with("/signed", &token).status, 200);
    let seen = upstream.last();
    let signed = seen.header("x-auth-token").to_owned();
    assert_eq!(signed.split('.').count(), 3, "{}", seen.head);
    assert!(!seen.has("x-auth-subject"));
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signed.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((claims["sub"].as_str(), claims["aud"].as_str()), (Some("alice"), Some("signed")));
    assert_eq!(house.get_with("/signed", &signed).status, 401, "a statement about a caller is no access token");

    assert_eq!(house.get_with("/token", &token).status, 200);
    assert_eq!(upstream.last().header("authorization"), format!("Bearer {token}"));
    assert!(!upstream.last().has("x-auth-subject"));
}

#[test]
fn connections_to_an_upstream_are_kept() {
    let upstream = Upstream::plain();
    let house = House::before(&upstream);
    let mut wire = house.wire();
    for _ in 0..5 {
        wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(wire.answer().status, 200);
    }
    assert!(upstream.seen().iter().all(|seen| seen.connection == 0));
}

#[test]
fn requests_sent_ahead_are_answered_in_order_each_by_its_own_token() {
    let upstream = Upstream::start(|seen| Reply::ok(&seen.target));
    let issuer = Issuer::start();
    let house = House::start(&format!(
        "issuers: {{corp: {{url: \"{}\", audience: \"https://api.test\"}}}}\n\
         upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
         routes: [{{match: GET /**, access: {{scope: read}}, upstream: far}}]\n",
        issuer.url(),
        upstream.port
    ));
    let token = issuer.token("read");
    let with =
        |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut wire = house.wire();
    wire.send(format!("{}GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n{}", with("/a"), with("/c")));
    let answers = [wire.answer(), wire.answer(), wire.answer()];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 401, 200]);
    assert_eq!((answers[0].text(), answers[2].text()), ("/a".to_owned(), "/c".to_owned()));
}

#[test]
fn bodies_stream_both_ways_and_are_never_a_second_request() {
    let upstream = Upstream::start(|seen| Reply::ok(&format!("{} {}", seen.method, seen.body.len())));
    let house = House::before(&upstream);
    let smuggled = "GET /admin HTTP/1.1\r\nHost: localhost\r\nX: y\r\n\r\n";
    for method in ["GET", "DELETE", "OPTIONS", "POST"] {
        let mut wire = house.wire();
        let length = smuggled.len();
        wire.send(format!("{method} /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{smuggled}"));
        assert_eq!(wire.answer().text(), format!("{method} {length}"));
    }
    let chunked = house.raw(
        "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n",
    );
    assert_eq!(chunked.text(), "POST 11");
    assert!(upstream.seen().iter().all(|seen| seen.target == "/x" && !seen.has("x-trailer")));
    let log = house.log_of(&chunked);
    assert_eq!(log["bytes_in"], 11);
}

#[test]
fn events_arrive_as_they_are_sent() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(Some(wait));
    let upstream = Upstream::start(move |_| {
        let wait = wait.lock().unwrap().take().unwrap();
        Reply::Take(Box::new(move |mut stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").unwrap();
            wait.recv().unwrap();
            stream.write_all(b"data: 2\n\n").unwrap();
        }))
    });
    let house = House::before(&upstream);
    let mut wire = house.wire();
    wire.send("GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    while !String::from_utf8_lossy(wire.pending()).contains("data: 1") {
        assert!(wire.more());
    }
    // Only now is the second event sent: the first was not held back for it.
    go.send(()).unwrap();
    while !String::from_utf8_lossy(wire.pending()).contains("data: 2") {
        assert!(wire.more());
    }
}

#[test]
fn a_websocket_speaks_through_the_gateway() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut socket = tungstenite::accept(stream).unwrap();
            while let Ok(message) = socket.read() {
                if message.is_text() || message.is_binary() {
                    socket.send(message).unwrap();
                }
            }
        }
    });
    let issuer = Issuer::start();
    let house = House::start(&format!(
        "issuers: {{corp: {{url: \"{}\", audience: \"https://api.test\"}}}}\n\
         upstreams: {{far: {{servers: [\"http://127.0.0.1:{port}\"]}}}}\n\
         routes: [{{match: GET /ws, access: {{scope: ws}}, upstream: far}}]\n",
        issuer.url()
    ));
    let connect = |token: &str| {
        use tungstenite::client::IntoClientRequest as _;
        let mut request = format!("ws://127.0.0.1:{}/ws", house.port).into_client_request().unwrap();
        request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
        tungstenite::connect(request)
    };
    let (mut socket, response) = connect(&issuer.token("ws")).unwrap();
    assert_eq!(response.status(), 101);
    for text in ["hello", "x".repeat(100_000).as_str()] {
        socket.send(tungstenite::Message::text(text)).unwrap();
        assert_eq!(socket.read().unwrap().into_text().unwrap().as_str(), text);
    }
    socket.close(None).unwrap();
    let refused = connect(&issuer.token("read")).unwrap_err();
    assert!(matches!(refused, tungstenite::Error::Http(response) if response.status() == 403));
}

#[test]
fn an_upgrade_that_is_no_websocket_is_taken_off() {
    let upstream = Upstream::plain();
    let house = House::before(&upstream);
    let h2c = "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let answer = house.raw(format!("GET /x HTTP/1.1\r\nHost: localhost\r\n{h2c}\r\n"));
    assert_eq!(answer.status, 200);
    assert!(!upstream.last().has("upgrade") && !upstream.last().has("http2-settings"));
    // The upstream refuses the handshake: what follows it is a request, and not a tunnel.
    let mut wire = house.wire();
    wire.send(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /second HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert_eq!(wire.answer().status, 200);
    assert_eq!(wire.answer().status, 200);
    let targets: Vec<String> = upstream.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/x", "/ws", "/second"]);
    let wrong = house.raw(
        "POST /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "request_malformed"));
}

/// A certificate for localhost, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn curl_speaks_http_1_and_2_over_tls() {
    let upstream = Upstream::start(|seen| Reply::ok(&format!("{} {}", seen.target, seen.header("via"))));
    let plot = Plot::new();
    let (certificate, key) = certificate();
    let ca = plot.write("cert.pem", certificate);
    plot.write("key.pem", key);
    let yaml = plot
        .yaml(&format!(
            "upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
             routes: [{{match: \"* /**\", access: public, upstream: far}}]\n",
            upstream.port
        ))
        .replacen("}]", ", tls: {certificate: cert.pem, key: key.pem}}]", 1);
    let house = plot.start(&yaml);
    let curl = |version: &str| {
        let out = std::process::Command::new("curl")
            .args(["-sS", version, "--cacert"])
            .arg(&ca)
            .args(["-D", "-", "-H", "Cookie: a=1", &format!("https://localhost:{}/x", house.port)])
            .output()
            .expect("curl is installed");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).to_lowercase()
    };
    let (one, two) = (curl("--http1.1"), curl("--http2"));
    assert!(one.starts_with("http/1.1 200") && one.contains("/x 1.1 portcullis"), "{one}");
    assert!(two.starts_with("http/2 200") && two.contains("/x 2.0 portcullis"), "{two}");
    for answer in [one, two] {
        assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
    }
    assert_eq!(upstream.last().header("x-forwarded-proto"), "https");
    let out = std::process::Command::new("h2load")
        .args(["-n", "2000", "-c", "10", "-m", "20", &format!("https://localhost:{}/x", house.port)])
        .output()
        .expect("h2load is installed");
    let report = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(report.contains("2000 succeeded, 0 failed") && report.contains("status codes: 2000 2xx"), "{report}");
}

#[test]
fn an_upstream_is_reached_by_tls_and_known_by_its_certificate() {
    let (certificate, key) = certificate();
    let (strange, _) = self::certificate();
    let plot = Plot::new();
    for (name, text) in [("cert.pem", &certificate), ("key.pem", &key), ("strange.pem", &strange)] {
        plot.write(name, text);
    }
    // A second gateway is the TLS upstream: what it echoes is what it was sent.
    let behind = Plot::new();
    behind.write("cert.pem", &certificate);
    behind.write("key.pem", &key);
    let echo = behind.yaml("routes: [{match: \"* /**\", access: public, respond: echo}]\n").replacen(
        "}]",
        ", tls: {certificate: cert.pem, key: key.pem}}]",
        1,
    );
    let behind = behind.start(&echo);
    let upstream = |name: &str, tls: &str| {
        format!("  {name}: {{servers: [\"https://localhost:{}\"], tls: {{{tls}}}}}\n", behind.port)
    };
    let house = plot.yaml(&format!(
        "upstreams:\n{}{}routes:\n  - {{match: GET /good, access: public, upstream: good}}\n\
         \x20 - {{match: GET /bad, access: public, upstream: bad}}\n",
        upstream("good", "ca: cert.pem"),
        upstream("bad", "ca: strange.pem"),
    ));
    let house = plot.start(&house);
    let good = house.get("/good");
    assert_eq!(good.status, 200, "{good:?}");
    assert_eq!(good.json()["target"], "/good");
    let bad = house.get("/bad");
    assert_eq!((bad.status, bad.code().as_str()), (502, "upstream_unreachable"));
    assert!(house.log_of(&bad)["refusal.detail"].as_str().unwrap().contains("TLS failed"));
}

#[test]
fn several_servers_share_the_work_and_a_dead_one_is_passed_over() {
    let (one, two) = (Upstream::plain(), Upstream::plain());
    let dead = crate::support::free_port();
    let house = House::start(&format!(
        "upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\", \"http://127.0.0.1:{}\", \"http://127.0.0.1:{dead}\"]}}}}\n\
         routes: [{{match: GET /, access: public, upstream: far}}]\n",
        one.port, two.port
    ));
    for _ in 0..12 {
        assert_eq!(house.get("/").status, 200);
    }
    assert!(one.seen().len() >= 4 && two.seen().len() >= 4, "{} {}", one.seen().len(), two.seen().len());
    let ready = house.admin_get("/readyz").json();
    let far = ready["dependencies"].as_array().unwrap().iter().find(|it| it["name"] == "far").unwrap().clone();
    assert_eq!(far["state"], "degraded", "{ready}");
}

#[test]
fn a_slow_reader_holds_its_own_answer_back_and_nothing_else() {
    let big = "x".repeat(4 << 20);
    let upstream =
        Upstream::start(move |seen| if seen.target == "/big" { Reply::ok(&big) } else { Reply::ok("small") });
    let house = House::before(&upstream);
    let mut slow = std::net::TcpStream::connect(("127.0.0.1", house.port)).unwrap();
    slow.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(house.get("/other").text(), "small");
    let mut all = Vec::new();
    slow.read_to_end(&mut all).unwrap();
    assert!(all.len() > 4 << 20);
}

#[test]
fn pages_of_listed_origins_may_call_and_read_refusals() {
    let upstream = Upstream::start(|_| Reply::with(200, "Access-Control-Allow-Origin: *\r\nServer: old\r\n", "hello"));
    let house = House::start(&format!(
        "upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
         issuers: {{corp: {{url: \"http://127.0.0.1:1\", audience: a}}}}\n\
         routes:\n  - {{match: GET /open, access: public, upstream: far, cors: {{origins: [\"https://app.test\"]}}}}\n\
         \x20 - {{match: GET /closed, access: authenticated, upstream: far, cors: {{origins: [\"https://app.test\"]}}}}\n",
        upstream.port
    ));
    let upgrade = "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let socket = |origin: &str| {
        house.raw(format!("GET /open HTTP/1.1\r\nHost: localhost\r\n{upgrade}Origin: {origin}\r\n\r\n")).status
    };
    assert_eq!((socket("https://app.test"), socket("https://evil.test")), (200, 403));
    let preflight = "Origin: https://app.test\r\nAccess-Control-Request-Method: GET\r\n\
                     Access-Control-Request-Headers: authorization\r\n";
    let allowed = house.call("OPTIONS", "/closed", preflight);
    assert_eq!(allowed.status, 204, "{allowed:?}");
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.test");
    for (path, status) in [("/open", 200), ("/closed", 401)] {
        let answer = house.call("GET", path, "Origin: https://app.test\r\n");
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), "https://app.test");
        let strange = house.call("GET", path, "Origin: https://evil.test\r\n");
        assert!(!strange.has("access-control-allow-origin") && strange.header("vary") == "Origin", "{strange:?}");
        assert!(!strange.has("server"));
    }
}

#[test]
fn an_answer_to_head_is_whole_without_its_body() {
    let house = House::start("routes: [{match: GET /a, access: public, respond: echo}]\n");
    let mut wire = house.wire();
    for (target, status) in [("/a", 200), ("/none", 404)] {
        wire.send(format!("HEAD {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let answer = wire.answer_to(true);
        assert_eq!(answer.status, status);
        assert_eq!(house.log_of(&answer).get("aborted"), None, "{target}");
    }
}
