//! Upgrades: nothing is relayed raw before an upstream has agreed to a WebSocket.

use super::Bed;
use crate::support::house::Plot;
use crate::support::{House, Issuer, Reply, Upstream};

const SOCKET: &str =
    "Connection: Upgrade⏎Upgrade: websocket⏎Sec-WebSocket-Version: 13⏎Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==⏎";

#[test]
fn an_upgrade_that_is_no_websocket_is_taken_off() {
    let bed = Bed::new();
    for (id, lines) in [
        ("S9.1", "Connection: Upgrade, HTTP2-Settings, close⏎Upgrade: h2c⏎HTTP2-Settings: AAMAAABkAAQAAP__⏎"),
        ("S9.5", "Connection: Upgrade, close⏎Upgrade: foo⏎"),
        ("S9.5", "Connection: Upgrade, close⏎Upgrade: websocket2⏎"),
        ("S9.5", "Connection: close⏎Upgrade: websocket⏎"),
    ] {
        let (_, seen) =
            bed.answers(id, &format!("GET /public/x HTTP/1.1⏎Host: api.test⏎{lines}⏎"), &[200], &["/public/x"]);
        assert!(!seen[0].has("upgrade") && !seen[0].has("http2-settings"), "{id}: {}", seen[0].head);
    }
}

#[test]
fn what_follows_a_handshake_that_is_not_taken_is_a_request_with_a_rule_of_its_own() {
    for refusal in [200, 426, 403] {
        let bed = Bed::with(move |seen| Reply::with(if seen.target == "/ws" { refusal } else { 200 }, "", ""), "");
        let probe = format!(
            "GET /ws HTTP/1.1⏎Host: api.test⏎T.ws⏎{SOCKET}⏎GET /api/admin/x HTTP/1.1⏎Host: api.test⏎T.ws⏎Connection: close⏎⏎"
        );
        let (answers, seen) = bed.says("S9.2 S9.3", &probe);
        let found: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(found == [refusal, 403] || found == [refusal], "S9.2: {found:?}");
        assert_eq!(seen.len(), 1, "S9.2: {seen:?}");
    }
}

#[test]
fn a_handshake_is_a_get_of_http_1_1_with_the_scope_of_its_route() {
    let bed = Bed::new();
    let (answers, seen) = bed.says("S9.4", &format!("GET /ws HTTP/1.0⏎Host: api.test⏎T.ws⏎{SOCKET}⏎"));
    assert!([400, 200].contains(&answers[0].status), "S9.4: {}", answers[0].status);
    assert!(seen.iter().all(|seen| !seen.has("upgrade")), "S9.4: {seen:?}");
    let post = format!("POST /public/ws HTTP/1.1⏎Host: api.test⏎{SOCKET}Content-Length: 0⏎⏎");
    let (answers, seen) = bed.says("S9.4", &(post + "GET /nowhere HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎"));
    assert!(answers[0].status == 400 && seen.is_empty(), "S9.4: {answers:?}");
    for (token, status) in [("", 401), ("T.read⏎", 403)] {
        let probe = format!(
            "GET /ws HTTP/1.1⏎Host: api.test⏎{token}{SOCKET}⏎GET /nowhere HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎"
        );
        let (answers, seen) = bed.says("S9.2", &probe);
        assert!(answers[0].status == status && seen.is_empty(), "S9.2: {answers:?}");
    }
}

/// An upstream that says everything again.
fn parrot() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let Ok(mut socket) = tungstenite::accept(stream) else { return };
                while let Ok(message) = socket.read() {
                    if message.is_text() && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

type Socket = tungstenite::WebSocket<tungstenite::stream::MaybeTlsStream<std::net::TcpStream>>;

fn connected(house: &House, path: &str, token: &str) -> Socket {
    use tungstenite::client::IntoClientRequest as _;
    let mut request = format!("ws://127.0.0.1:{}{path}", house.port).into_client_request().unwrap();
    request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
    let (socket, _) = tungstenite::connect(request).unwrap();
    if let tungstenite::stream::MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    }
    socket
}

fn speaks(socket: &mut Socket) -> bool {
    socket.send(tungstenite::Message::text("hello")).is_ok() && socket.read().is_ok()
}

/// S9.6: what a request of the same token could not do any more, a tunnel does not go on doing.
#[test]
fn a_websocket_ends_with_the_token_that_opened_it() {
    let (issuer, port, plot) = (Issuer::start(), parrot(), Plot::new());
    let yaml = plot.yaml(&format!(
        "issuers: {{corp: {{url: \"{}\", audience: \"https://api.test\", leeway: 0s}}}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{ws: Speak}}\n  clients:\n    - {{id: speaker, secret: {{hash: \
         \"sha256:cd577fe2561ebff23505db0bb006300c7cdecbd46bc0e03c449afafaca2c25bf\"}}, grants: [client_credentials], scopes: [ws]}}\n\
         upstreams: {{far: {{servers: [\"http://127.0.0.1:{port}\"]}}}}\n\
         routes:\n  - {{match: GET /ws, access: {{scope: ws}}, upstream: far}}\n  \
         - {{match: GET /long, access: {{scope: ws}}, upstream: far, danger_websocket_outlives_token: true}}\n",
        issuer.url(),
        plot.port
    ));
    let house = plot.start(&yaml);
    let short = issuer.token_with(|claims| {
        claims["scope"] = "ws".into();
        claims["exp"] = (crate::support::issuer::now() + 3).into();
    });
    let own = house.post_form(
        "/oauth/token",
        &format!("Authorization: Basic {}\r\n", base64_simd::STANDARD.encode_to_string("speaker:demo-secret")),
        "grant_type=client_credentials",
    );
    let own = own.json()["access_token"].as_str().unwrap().to_owned();
    let (mut ending, mut lasting, mut revoked) =
        (connected(&house, "/ws", &short), connected(&house, "/long", &short), connected(&house, "/ws", &own));
    assert!(speaks(&mut ending) && speaks(&mut lasting) && speaks(&mut revoked));
    assert!(ending.read().is_err(), "nobody speaks any more: the token has ended");
    assert!(house.get_with("/ws", &short).status == 401 && speaks(&mut lasting) && speaks(&mut revoked));
    let answer = house.post_form(
        "/oauth/revoke",
        &format!("Authorization: Basic {}\r\n", base64_simd::STANDARD.encode_to_string("speaker:demo-secret")),
        &format!("token={own}"),
    );
    assert_eq!(answer.status, 200);
    assert!(revoked.read().is_err(), "it was revoked");
    assert!(speaks(&mut lasting), "as the file says");
}

#[test]
fn a_host_with_a_certificate_of_its_own_is_not_reached_by_another_name() {
    let (upstream, plot) = (Upstream::plain(), Plot::new());
    for name in ["api.test", "other.test"] {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        plot.write(&format!("{name}.pem"), made.cert.pem());
        plot.write(&format!("{name}.key"), made.signing_key.serialize_pem());
    }
    let yaml = plot
        .yaml(&format!(
            "upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
             issuers: {{corp: {{url: \"http://127.0.0.1:9\", audience: \"https://api.test\"}}}}\n\
             routes: [{{match: GET /guarded, access: authenticated, upstream: far}}, {{match: \"* /**\", access: public, upstream: \
             far}}]\n",
            upstream.port
        ))
        .replacen(
            "}]",
            ", tls: [{certificate: api.test.pem, key: api.test.key}, {certificate: other.test.pem, key: other.test.key}]}]",
            1,
        );
    let house = plot.start(&yaml);
    let curl_at = |name: &str, host: &str, path: &str| {
        let out = std::process::Command::new("curl")
            .args(["-sk", "-o", "/dev/null", "-w", "%{http_code}", "--resolve"])
            .arg(format!("{name}:{}:127.0.0.1", house.port))
            .args(["-H", &format!("Host: {host}"), &format!("https://{name}:{}{path}", house.port)])
            .output()
            .expect("curl is installed");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let curl = |name: &str, host: &str| curl_at(name, host, "/x");
    assert_eq!((curl("api.test", "api.test"), curl("other.test", "other.test")), ("200".into(), "200".into()));
    assert_eq!(curl("api.test", "other.test"), "421", "S13.3");
    assert_eq!(curl("other.test", "API.test:1"), "421", "S13.3");
    // Without a name, by address, or by one that nobody has: the first certificate, and no rule less.
    for (name, host) in [("127.0.0.1", "api.test"), ("nobody.test", "nobody.test"), ("nobody.test", "api.test")] {
        let said = curl_at(name, host, "/guarded");
        assert!(["401", "421"].contains(&said.as_str()), "S13.6: {name} {host}: {said}");
    }
}

/// A gateway that speaks TLS under one name, and gives up on heads after a second.
fn tls() -> (crate::support::House, String) {
    let plot = Plot::new();
    let made = rcgen::generate_simple_self_signed(vec!["api.test".to_owned()]).unwrap();
    plot.write("cert.pem", made.cert.pem());
    plot.write("key.pem", made.signing_key.serialize_pem());
    let tls = ", tls: {certificate: cert.pem, key: key.pem}, limits: {head_timeout: 1s}}]";
    let yaml = plot.yaml("routes: [{match: GET /x, access: public, respond: echo}]\n").replacen("}]", tls, 1);
    (plot.start(&yaml), made.cert.pem())
}

#[test]
fn a_hello_that_comes_in_pieces_is_one_hello() {
    use std::io::{Read as _, Write as _};
    let (house, _) = tls();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("api.test").unwrap();
    let mut client = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let body = &hello[5..];
    // The same message over two TLS records, and each byte of it in a segment of its own.
    let (one, two) = body.split_at(body.len() / 2);
    let record = |part: &[u8]| [&[0x16, 3, 1], &u16::try_from(part.len()).unwrap().to_be_bytes()[..], part].concat();
    let in_records = [record(one), record(two)].concat();
    for (what, bytes, piece) in
        [("segments", &hello, 7), ("records", &in_records, usize::MAX), ("both", &in_records, 11)]
    {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", house.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        for part in bytes.chunks(piece) {
            stream.write_all(part).unwrap();
        }
        let mut answer = [0; 1];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[0], 0x16, "S13.5: no handshake after {what}");
    }
}

#[test]
fn who_connects_and_says_nothing_is_let_go_of() {
    use std::io::Read as _;
    let (house, _) = tls();
    let mut crowd: Vec<_> = (0..50).map(|_| std::net::TcpStream::connect(("127.0.0.1", house.port)).unwrap()).collect();
    for stream in &mut crowd {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0, "S39.3");
    }
    house.wait_for_metric("portcullis_tls_handshake_failures_total", &[], |sum| sum >= 50.0);
}

#[test]
fn tunnels_count_as_connections_of_their_address() {
    let (port, plot) = (parrot(), Plot::new());
    let yaml = plot.yaml(&format!(
        "upstreams: {{far: {{servers: [\"http://127.0.0.1:{port}\"]}}}}\n\
         routes: [{{match: GET /ws, access: public, upstream: far}}]\n"
    ));
    let house = plot.start(&yaml.replacen("}]", ", limits: {connections_per_address: 2}}]", 1));
    let mut tunnels: Vec<_> = (0..2).map(|_| connected(&house, "/ws", "none")).collect();
    assert!(tunnels.iter_mut().all(speaks));
    assert!(house.wire().is_closed(), "one too many");
    assert_eq!(house.metric("portcullis_connections_open", &[]), 2.0);
    tunnels.pop();
    house.wait_for_metric("portcullis_connections_open", &[], |open| open == 1.0);
    assert!(speaks(&mut connected(&house, "/ws", "none")), "there is room again");
    assert!(tunnels.iter_mut().all(speaks));
}
