//! Two engines, one gateway: what an upstream gets and what a client gets must not depend on who reads HTTP/1.1.

use std::io::Write;

use crate::support::house::{House, Plot};
use crate::support::upstream::{Reply, Seen, Upstream};
use crate::support::wire::{Answer, Wire};

/// A gateway with this engine, and the upstream behind it.
struct Side {
    house: House,
    upstream: Upstream,
}

impl Side {
    fn start(engine: &str) -> Self {
        let upstream = Upstream::start(answer);
        let plot = Plot::new();
        // Written out, so that no setting of the test run changes it.
        let yaml = format!(
            "version: 1\nlisten: [{{address: 127.0.0.1:{}, engine: {engine}}}]\nadmin: {{address: \"127.0.0.1:{}\"}}\n\
             observe: {{log: {{format: json}}}}\nupstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
             routes:\n  - {{match: GET /fixed, access: public, respond: {{status: 200, body: fixed}}}}\n  \
             - {{match: POST /small, access: public, upstream: far, body: {{max: 8B}}}}\n  \
             - {{match: \"* /**\", access: public, upstream: far}}\n",
            plot.port, plot.admin, upstream.port
        );
        Self { house: plot.start(&yaml), upstream }
    }

    /// What comes of these requests on one connection: the answers, and what the upstream saw.
    fn play(&self, requests: &[Vec<u8>], together: bool) -> (Vec<String>, Vec<String>) {
        let before = self.upstream.seen().len();
        let mut wire = self.house.wire();
        let mut answers = Vec::new();
        if together {
            wire.send(requests.concat());
        }
        for request in requests {
            if !together {
                wire.send(request);
            }
            let answer = wire.answer_to(request.starts_with(b"HEAD "));
            let last = answer.header("connection") == "close";
            answers.push(told(&answer));
            if last {
                assert!(wire.is_closed(), "it goes on after `Connection: close`");
                break;
            }
        }
        let seen = self.upstream.seen().split_off(before).iter().map(got).collect();
        (answers, seen)
    }
}

/// Answers in every way that a body can be framed in.
fn answer(seen: &Seen) -> Reply {
    let echo = format!("{} {}", seen.method, String::from_utf8_lossy(&seen.body));
    let bytes = |text: String| Reply::Bytes(text.into_bytes());
    match seen.path() {
        "/chunked" => bytes(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{echo}\r\n0\r\nX-Sum: 1\r\n\r\n",
            echo.len()
        )),
        "/until-close" => Reply::Last(format!("HTTP/1.1 200 OK\r\n\r\n{echo}").into_bytes()),
        "/old" => Reply::Last(format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{echo}", echo.len()).into_bytes()),
        "/close" => Reply::Last(
            format!(
                "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: {}\r\n\r\n{echo}",
                echo.len()
            )
            .into_bytes(),
        ),
        "/none" => bytes("HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        "/same" => bytes("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"a\"\r\n\r\n".to_owned()),
        "/hints" => bytes(format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{echo}",
            echo.len()
        )),
        "/large" => Reply::ok(&"large ".repeat(50_000)),
        "/odd" => bytes("HTTP/1.1 299 \r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n".to_owned()),
        "/broken" => bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned()),
        "/garbage" => Reply::Last(b"hello\r\n\r\n".to_vec()),
        _ if seen.method == "HEAD" => bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", echo.len())),
        _ => Reply::ok(&echo),
    }
}

/// An answer without what differs from one to the next.
fn told(answer: &Answer) -> String {
    let mut headers: Vec<_> =
        answer.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str())).collect();
    headers.sort();
    let id = answer.header("x-request-id");
    assert!(!id.is_empty() && answer.has("date"), "{answer:?}");
    format!("{} {headers:?} {}", answer.status, answer.text().replace(id, "ID"))
}

/// What an upstream got, without what differs from one request to the next, and with the one framing that says the same.
fn got(seen: &Seen) -> String {
    let mut headers: Vec<_> = seen.headers.iter().filter(|(name, _)| name != "x-request-id").collect();
    headers.sort();
    format!("{} {} {headers:?} {}", seen.method, seen.target, String::from_utf8_lossy(&seen.body))
}

fn request(method: &str, target: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: api.test\r\n{headers}\r\n{body}").into_bytes()
}

fn with_length(method: &str, target: &str, body: &str) -> Vec<u8> {
    request(method, target, &format!("Content-Length: {}\r\n", body.len()), body)
}

fn in_chunks(method: &str, target: &str, body: &str) -> Vec<u8> {
    let mut chunks = Vec::new();
    for piece in body.as_bytes().chunks(3) {
        let _ = write!(chunks, "{:X};n=v\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
    }
    chunks.extend_from_slice(b"0\r\nX-Trailer: 1\r\n\r\n");
    request(method, target, "Transfer-Encoding: Chunked\r\n", &String::from_utf8(chunks).unwrap())
}

/// Everything that one engine or the other may do in a way of its own.
fn repertoire() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for target in ["/a?b=c", "/chunked", "/until-close", "/old", "/close", "/none", "/same", "/hints", "/large", "/odd"]
    {
        all.push(request("GET", target, "Accept: */*\r\nCookie: a=b\r\n", ""));
        all.push(with_length("POST", target, "hello"));
        all.push(in_chunks("PUT", target, "hello world"));
    }
    for target in ["/a", "/none", "/fixed"] {
        all.push(request("HEAD", target, "", ""));
        all.push(request("DELETE", target, "", ""));
        all.push(with_length("DELETE", target, ""));
    }
    all.push(request("GET", "/fixed", "X-Auth-Subject: admin\r\nx_auth_subject: admin\r\nForwarded: for=x\r\n", ""));
    all.push(request(
        "GET",
        "/a",
        "Connection: keep-alive, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n",
        "",
    ));
    all.push(request("GET", "/broken", "", ""));
    all.push(request("GET", "/garbage", "", ""));
    all.push(with_length("POST", "/fixed", "to no route"));
    all.push(with_length("POST", "/small", "8 bytes."));
    all.push(request("OPTIONS", "/a", "Origin: https://a.test\r\nAccess-Control-Request-Method: GET\r\n", ""));
    // These are hyper's in either case, and so is all that follows.
    all.push(b"GET /a HTTP/1.0\r\nHost: api.test\r\nConnection: keep-alive\r\n\r\n".to_vec());
    all.push(request("POST", "/a", "Expect: 100-continue\r\nContent-Length: 0\r\n", ""));
    all.push(request("GET", "/a", "Connection: Upgrade\r\nUpgrade: h2c\r\n", ""));
    all.push(request("GET", "http://api.test/a", "", ""));
    // The last ones of their connections.
    all.push(request("GET", "/a", "Connection: close\r\n", ""));
    all.push(with_length("POST", "/small", "more than eight bytes"));
    all.push(request("GET", "/a//b", "", ""));
    all
}

#[test]
fn an_upstream_and_a_client_cannot_tell_the_engines_apart() {
    let (strict, compat) = (Side::start("strict"), Side::start("compat"));
    let all = repertoire();
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut plays: Vec<Vec<Vec<u8>>> = all.iter().map(|one| vec![one.clone()]).collect();
    for _ in 0..60 {
        plays.push((0..rng.usize(2..7)).map(|_| rng.choice(&all).unwrap().clone()).collect());
    }
    for requests in plays {
        let together = rng.bool();
        let text = String::from_utf8_lossy(&requests.concat()).into_owned();
        assert_eq!(
            strict.play(&requests, together),
            compat.play(&requests, together),
            "seed {seed}, together: {together}: {text}"
        );
    }
}

#[test]
fn a_connection_goes_over_to_hyper_with_every_byte_that_has_come() {
    let side = Side::start("strict");
    let mut wire: Wire = side.house.wire();
    let expecting = request("POST", "/a", "Expect: 100-continue\r\nContent-Length: 5\r\n", "");
    wire.send([request("GET", "/a", "", ""), with_length("POST", "/a", "first"), expecting].concat());
    assert_eq!(wire.answer().text(), "GET ");
    assert_eq!(wire.answer().text(), "POST first");
    assert_eq!(wire.answer().status, 100, "hyper has met the expectation");
    wire.send([b"later".to_vec(), request("GET", "/b", "", "")].concat());
    assert_eq!(wire.answer().text(), "POST later");
    assert_eq!(wire.answer().text(), "GET ");
    assert_eq!(side.upstream.last().target, "/b");
}
