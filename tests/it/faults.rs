//! Faults rehearsed: what is around the gateway breaks, and it answers as `docs/failure-modes.md` says.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::house::Plot;
use crate::support::{House, Issuer, Reply, Upstream};

const SECRET: &str = "gate-secret-0123456789abcdef";

/// A gateway that forwards, answers by itself and issues tokens.
fn house(upstream: u16) -> House {
    let plot = Plot::new();
    plot.write("secret", SECRET);
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read}}\n  clients:\n    \
         - {{id: gate, secret: {{file: secret}}, grants: [client_credentials], scopes: [read]}}\n    \
         - {{id: kept, secret: {{file: secret}}, grants: [client_credentials], scopes: [read], access_tokens: {{format: opaque}}}}\n\
         upstreams: {{far: {{servers: [\"http://127.0.0.1:{upstream}\"], timeout: {{response: 1s}}}}}}\n\
         routes:\n  - {{match: \"* /far/**\", access: public, upstream: far}}\n  \
         - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
        plot.port
    ));
    plot.start(&yaml)
}

fn token(house: &House, client: &str) -> (u16, String) {
    let form = format!("grant_type=client_credentials&client_id={client}&client_secret={SECRET}");
    let answer = house.post_form("/oauth/token", "", &form);
    (answer.status, answer.json()["access_token"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn an_answer_that_is_no_http_is_502_and_nothing_of_it_leaks_into_the_next() {
    let bad: [(&str, &[u8]); 20] = [
        ("no status", b"HTTP/1.1\r\n\r\n"),
        ("status of two digits", b"HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n"),
        ("status of four digits", b"HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n"),
        ("another protocol", b"ICY 200 OK\r\n\r\n"),
        ("a version that is not ours", b"HTTP/3.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("a vertical tab", b"HTTP/1.1 200 OK\r\nX: a\x0bb\r\nContent-Length: 0\r\n\r\n"),
        ("a NUL", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
        ("a bare CR", b"HTTP/1.1 200 OK\r\nLocation: /a\rX: y\r\nContent-Length: 0\r\n\r\n"),
        ("a name with a blank", b"HTTP/1.1 200 OK\r\nX y: a\r\nContent-Length: 0\r\n\r\n"),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello"),
        ("a length that is none", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        ("a coding that is none", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nhello"),
        ("a bad chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n"),
        ("101 that nobody asked for", b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
        ("a megabyte of head", b"HEAD"),
        ("nothing", b""),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ("a page of TLS", b"\x15\x03\x01\x00\x02\x02\x46"),
        ("an endless line", b"LINE"),
        ("garbage", b"\xff\xfe\xfd\r\n\r\n"),
    ];
    let turn = Arc::new(AtomicUsize::new(0));
    let at = Arc::clone(&turn);
    let upstream = Upstream::start(move |seen| {
        if seen.target == "/far/good" {
            return Reply::ok("good");
        }
        match bad[at.load(Ordering::SeqCst)].1 {
            b"HEAD" => {
                Reply::Last([b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 1 << 20], b"\r\n\r\n".to_vec()].concat())
            }
            b"LINE" => Reply::Last(vec![b'a'; 1 << 20]),
            bytes => Reply::Last(bytes.to_vec()),
        }
    });
    let house = house(upstream.port);
    for (number, (what, _)) in bad.iter().enumerate() {
        turn.store(number, Ordering::SeqCst);
        let mut wire = house.wire();
        wire.send("GET /far/bad HTTP/1.1\r\nHost: localhost\r\n\r\n");
        if *what == "a bad chunk" {
            // Its head was good and is with the client: the answer breaks off.
            while wire.more() {}
            assert!(!String::from_utf8_lossy(wire.pending()).ends_with("0\r\n\r\n"), "{what}: an end that never came");
        } else {
            let answer = wire.answer();
            let known = ["upstream_invalid", "upstream_unreachable"].contains(&answer.code().as_str());
            assert!(answer.status == 502 && known, "{what}: {answer:?}");
        }
        let good = house.get("/far/good");
        assert_eq!((good.status, good.text().as_str()), (200, "good"), "after {what}");
    }
}

#[test]
fn an_upstream_that_accepts_and_says_nothing_is_504_and_one_that_is_gone_502() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let house = house(silent.local_addr().unwrap().port());
    let answer = house.get("/far/x");
    assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));
    drop(silent);
    let answer = house.get("/far/x");
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"), "{answer:?}");
    assert_eq!(house.get_with("/read", &token(&house, "gate").1).status, 200, "all else goes on");
}

#[test]
fn an_upstream_that_stops_within_its_answer_ends_it_for_the_client_too() {
    for (engine, framing) in [
        ("strict", "Content-Length: 1000"),
        ("strict", "Transfer-Encoding: chunked"),
        ("compat", "Content-Length: 1000"),
    ] {
        let upstream = Upstream::start(move |_| {
            Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n5\r\nhello\r\n").into_bytes())
        });
        let plot = Plot::new();
        // Written out, so that no setting of the test run changes it.
        let yaml = format!(
            "version: 1\nlisten: [{{address: 127.0.0.1:{}, engine: {engine}}}]\nadmin: {{address: \"127.0.0.1:{}\"}}\n\
             observe: {{log: {{format: json}}}}\n\
             upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"], timeout: {{idle: 1s}}}}}}\n\
             routes: [{{match: GET /stops, access: public, upstream: far}}]\n",
            plot.port, plot.admin, upstream.port
        );
        let house = plot.start(&yaml);
        let mut wire = house.wire();
        wire.send("GET /stops HTTP/1.1\r\nHost: localhost\r\n\r\n");
        while wire.more() {}
        let got = String::from_utf8_lossy(wire.pending()).into_owned();
        assert!(got.contains("hello") && !got.contains("\r\n0\r\n"), "{engine}, {framing}: {got}");
        let line: serde_json::Value = serde_json::from_str(&house.logged("/stops")).unwrap();
        assert_eq!(
            (&line["http.status"], &line["aborted"]),
            (&200.into(), &true.into()),
            "{engine}, {framing}: {line}"
        );
        house.wait_for_metric("portcullis_connections_open", &[], |open| open == 0.0);
    }
}

#[test]
fn a_request_that_may_have_been_carried_out_is_not_sent_again() {
    let posts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&posts);
    let upstream = Upstream::start(move |seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", _) => {
            counted.fetch_add(1, Ordering::SeqCst);
            Reply::Last(Vec::new())
        }
        // The answer says nothing of it, and then the connection is gone.
        (_, "/far/last") => Reply::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast".to_vec()),
        _ => Reply::ok("more"),
    });
    let house = house(upstream.port);
    for _ in 0..10 {
        let answer = house.call("POST", "/far/x", "Content-Length: 0\r\n");
        assert_eq!(answer.status, 502);
    }
    assert_eq!(posts.load(Ordering::SeqCst), 10, "each was sent once");
    for round in 0..50 {
        assert_eq!(house.get("/far/last").text(), "last", "{round}");
        assert_eq!(
            house.get("/far/more").text(),
            "more",
            "{round}: a kept connection was closed, and that is not the client's"
        );
    }
}

#[test]
fn a_store_that_is_locked_stops_what_needs_it_and_nothing_else() {
    let upstream = Upstream::plain();
    let house = house(upstream.port);
    let signed = token(&house, "gate").1;
    let store = rusqlite::Connection::open(house.path("store.db")).unwrap();
    store.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (status, _) = token(&house, "kept");
    assert_eq!(status, 503, "an opaque token that is not kept is not given");
    assert_eq!(token(&house, "gate").0, 200, "a signed one needs no row");
    assert_eq!(house.get_with("/read", &signed).status, 200);
    assert_eq!(house.get("/far/x").status, 200);
    store.execute_batch("ROLLBACK").unwrap();
    let (status, kept) = token(&house, "kept");
    assert_eq!((status, house.get_with("/read", &kept).status), (200, 200), "it works again by itself");
}

#[test]
fn an_audit_log_on_a_full_disk_stops_issuing_and_nothing_else() {
    let upstream = Upstream::plain();
    let house = house(upstream.port);
    let signed = token(&house, "gate").1;
    // What a full disk answers, `/dev/full` answers to every write.
    let audit = std::fs::read_dir(house.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("audit"))
        .expect("an audit log");
    std::fs::rename(&audit, house.path("moved")).unwrap();
    std::os::unix::fs::symlink("/dev/full", &audit).unwrap();
    assert_eq!(token(&house, "gate").0, 503, "what cannot be told is not done");
    assert_eq!(house.get_with("/read", &signed).status, 200);
    house.wait_for_metric("portcullis_audit_failures_total", &[], |sum| sum >= 1.0);
    house.event("the audit log cannot be written");
    std::fs::remove_file(&audit).unwrap();
    std::fs::rename(house.path("moved"), &audit).unwrap();
    assert_eq!(token(&house, "gate").0, 200, "it works again by itself");
}

#[test]
fn without_file_descriptors_new_connections_wait_and_nothing_ends() {
    let upstream = Upstream::plain();
    let house = house(upstream.port);
    let mut early = house.wire();
    early.send("GET /far/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(early.answer().status, 200);
    let limit = house.descriptors() + 8;
    let set = |limit: usize| {
        let set =
            Command::new("prlimit").args(["--pid", &house.pid().to_string(), &format!("--nofile={limit}:")]).status();
        assert!(set.unwrap().success());
    };
    set(limit);
    let crowd: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(("127.0.0.1", house.port)).unwrap()).collect();
    early.send("GET /far/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(early.answer().status, 200, "who is connected is served");
    set(4096);
    drop(crowd);
    assert_eq!(house.get("/far/x").status, 200, "accepting goes on");
}

#[test]
fn a_storm_of_signals_fails_no_request() {
    let upstream = Upstream::plain();
    let house = Arc::new(house(upstream.port));
    let stop = Arc::new(AtomicBool::new(false));
    let (serving, over) = (Arc::clone(&house), Arc::clone(&stop));
    let client = std::thread::spawn(move || {
        let mut served = 0;
        while !over.load(Ordering::SeqCst) {
            assert_eq!(serving.get("/far/x").status, 200);
            served += 1;
        }
        served
    });
    for _ in 0..200 {
        house.signal("HUP");
    }
    house.event("configuration reloaded");
    stop.store(true, Ordering::SeqCst);
    assert!(client.join().unwrap() > 0);
    assert_eq!(house.admin_get("/readyz").status, 200);
}

#[test]
fn an_issuer_that_lies_about_its_keys_changes_nothing() {
    let issuer = Issuer::start();
    let house = House::start(&format!(
        "issuers: {{corp: {{url: \"{}\", audience: \"https://api.test\"}}}}\n\
         routes: [{{match: GET /read, access: {{scope: read}}, respond: echo}}]\n",
        issuer.url()
    ));
    let good = issuer.token("read");
    assert_eq!(house.get_with("/read", &good).status, 200);
    for (status, body) in [
        (500, "no".to_owned()),
        (200, "<html>please log in</html>".to_owned()),
        (200, "{}".to_owned()),
        (200, "{\"keys\":[]}".to_owned()),
        (200, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}".to_owned()),
        (200, "x".repeat(20 << 20)),
        (302, String::new()),
    ] {
        issuer.break_down(status, &body);
        // A key that nobody knows makes the gateway ask.
        let other = Issuer::start().token_with(|claims| claims["iss"] = issuer.url().into());
        assert_eq!(house.get_with("/read", &other).status, 401);
        assert_eq!(house.get_with("/read", &issuer.token("read")).status, 200, "{status}");
    }
}

#[test]
fn a_client_that_leaves_before_its_answer_leaves_nothing_behind() {
    let (ask, asked) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |_| {
        ask.send(()).unwrap();
        Reply::Take(Box::new(|mut stream| {
            let _ = stream.read(&mut [0; 1]);
        }))
    });
    let house = house(upstream.port);
    for _ in 0..20 {
        let mut stream = TcpStream::connect(("127.0.0.1", house.port)).unwrap();
        stream.write_all(b"GET /far/x HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        asked.recv().unwrap();
    }
    house.wait_for_metric("portcullis_requests_in_flight", &[], |sum| sum == 0.0);
    house.logged("\"http.status\":499");
}
