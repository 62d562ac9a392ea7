//! Starting, reloading, draining, ending.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::house::Plot;
use crate::support::wire::Wire;
use crate::support::{House, Reply, Upstream};

#[test]
fn health_and_readiness_are_told_on_the_private_listener_alone() {
    let house = House::start("routes: [{match: GET /, access: public, respond: echo}]\n");
    assert_eq!(house.admin_get("/livez").text(), "ok\n");
    let ready = house.admin_get("/readyz");
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (200, Some(true)));
    for path in ["/metrics", "/livez", "/readyz", "/reload"] {
        assert_eq!(house.get(path).status, 404, "{path} on the public listener");
    }
}

#[test]
fn prometheus_accepts_the_metrics() {
    let upstream = Upstream::plain();
    let house = House::before(&upstream);
    assert_eq!(house.get("/x").status, 200);
    assert_eq!(house.get("/..%2f").status, 400);
    // Counted when the answer has gone, which its reader may see first.
    house.wait_for_metric("portcullis_upstream_duration_seconds_count", &[], |count| count >= 1.0);
    let page = house.admin_get("/metrics").text();
    for name in
        ["portcullis_requests_total", "portcullis_upstream_duration_seconds_bucket", "process_resident_memory_bytes"]
    {
        assert!(page.contains(name), "{name} in\n{page}");
    }
    let mut promtool = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("promtool is installed");
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), page.as_bytes()).unwrap();
    let out = promtool.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

const REQUEST: &str = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Whether connections to a port come to be refused.
fn refuses(port: u16) -> bool {
    (0..10_000).any(|_| std::net::TcpStream::connect(("127.0.0.1", port)).is_err())
}

fn routes(answer: &str) -> String {
    format!("routes: [{{match: GET /x, access: public, respond: {{status: 200, body: {answer}}}}}]\n")
}

#[test]
fn a_reload_changes_what_is_answered_and_a_broken_file_changes_nothing() {
    let plot = Plot::new();
    let (first, second) = (plot.yaml(&routes("one")), plot.yaml(&routes("two")));
    let house = plot.start(&first);
    assert_eq!(house.get("/x").text(), "one");
    house.rewrite(&second);
    let report = house.reload();
    assert_eq!((report.status, report.json()["generation"].as_u64()), (200, Some(2)));
    assert_eq!(house.get("/x").text(), "two");

    house.rewrite(&second.replace("access: public", "acces: public"));
    let report = house.reload();
    assert_eq!(report.status, 422);
    let problems = report.json()["problems"].as_str().unwrap().to_owned();
    assert!(problems.contains("did you mean `access`") && problems.contains("gateway.yaml:"), "{problems}");
    assert_eq!(house.get("/x").text(), "two");
    house.wait_for_metric("portcullis_reloads_total", &[("result", "refused")], |sum| sum >= 1.0);
    assert!((house.metric("portcullis_config_generation", &[]) - 2.0).abs() < 0.1);

    house.rewrite(&first);
    house.signal("HUP");
    house.event("configuration reloaded\",\"config.generation\":3");
    assert_eq!(house.get("/x").text(), "one");
}

/// What only opening finds comes after everything that can be read has been found good.
#[test]
fn a_reload_that_is_refused_takes_nothing_from_users_and_clients() {
    const CLIENT: &str = "{id: demo, secret: {file: word}, grants: [client_credentials], scopes: [read]}";
    let plot = Plot::new();
    plot.write("word", "a-secret-of-forty-characters-and-no-less");
    plot.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let yaml = |clients: &str, upstream: &str| {
        plot.yaml(&format!(
            "store: {{sqlite: store.db}}\nauthority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read}}\n  \
             clients: [{clients}]\nupstreams: {{far: {upstream}}}\n\
             routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n  \
             - {{match: GET /far, access: public, upstream: far}}\n",
            plot.port
        ))
    };
    let far = "{servers: [\"http://127.0.0.1:9\"]}";
    let (first, without) = (yaml(CLIENT, far), yaml("", far));
    let broken = yaml("", "{servers: [\"https://127.0.0.1:9\"], tls: {ca: ca.pem}}");
    let house = plot.start(&first);
    let form = "grant_type=client_credentials&client_id=demo&client_secret=a-secret-of-forty-characters-and-no-less";
    let given = house.post_form("/oauth/token", "", form);
    let token = given.json()["access_token"].as_str().unwrap_or_else(|| panic!("{given:?}")).to_owned();
    house.rewrite(&broken);
    let report = house.reload();
    let problems = report.json()["problems"].as_str().unwrap_or_default().to_owned();
    assert!(report.status == 422 && !problems.contains("gateway.yaml:"), "{problems}");
    assert_eq!(house.get_with("/read", &token).status, 200);
    assert_eq!(house.post_form("/oauth/token", "", form).status, 200);
    house.rewrite(&without);
    assert_eq!(house.reload().status, 200);
    let refused = (0..10_000).map(|_| house.get_with("/read", &token)).find(|answer| answer.status != 200);
    assert_eq!(refused.unwrap().code(), "token_revoked");
}

#[test]
fn fifty_reloads_under_load_fail_no_request() {
    let upstream = Upstream::plain();
    let plot = Plot::new();
    let yaml = |limit: u32| {
        format!(
            "upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
             routes: [{{match: GET /x, access: public, upstream: far, limit: {{rate: {limit}/s, per: ip}}}}]\n",
            upstream.port
        )
    };
    let files = [plot.yaml(&yaml(1_000_000)), plot.yaml(&yaml(2_000_000)), plot.yaml("routes: [{match: oops}]\n")];
    let house = Arc::new(plot.start(&files[0]));
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (port, stop, done) = (house.port, Arc::clone(&stop), Arc::clone(&done));
            std::thread::spawn(move || {
                let mut wire = Wire::open(port);
                while !stop.load(Ordering::SeqCst) {
                    wire.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
                    let answer = wire.answer();
                    assert_eq!(answer.status, 200, "{answer:?}");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..50 {
        house.rewrite(&files[round % 3]);
        let report = house.reload();
        assert_eq!(report.status, if round % 3 == 2 { 422 } else { 200 });
        // Each configuration has requests of its own, however fast reloads are.
        while done.load(Ordering::SeqCst) < 10 * (round + 1) && clients.iter().all(|client| !client.is_finished()) {
            std::thread::yield_now();
        }
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().expect("no request failed");
    }
    assert!(done.load(Ordering::SeqCst) >= 500, "{done:?} requests");
    let connections = upstream.seen().iter().map(|seen| seen.connection).max().unwrap();
    assert!(connections < 20, "connections to the upstream are kept over reloads: {connections}");
}

#[test]
fn spent_budget_survives_a_reload() {
    let house = House::start(
        "routes: [{match: GET /x, access: public, respond: echo, limit: {rate: 1/h, burst: 1, per: ip}}]\n",
    );
    assert_eq!(house.get("/x").status, 200);
    assert_eq!(house.reload().status, 200);
    assert_eq!(house.get("/x").status, 429);
}

#[test]
fn listeners_come_and_go_with_the_file() {
    let plot = Plot::new();
    let yaml = plot.yaml(&routes("one"));
    let second = crate::support::free_port();
    let two = yaml.replacen("}]", &format!("}}, {{address: \"127.0.0.1:{second}\"}}]"), 1);
    let house = plot.start(&yaml);
    let ask = || {
        crate::support::wire::exchange(second, "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").text()
    };
    house.rewrite(&two);
    assert_eq!(house.reload().status, 200);
    assert_eq!(ask(), "one");
    let mut connected = Wire::open(second);
    house.rewrite(&yaml);
    assert_eq!(house.reload().status, 200);
    assert_eq!(house.get("/x").text(), "one");
    assert!(refuses(second), "the second listener is gone");
    connected.send(REQUEST);
    assert_eq!(connected.answer().text(), "one", "who was connected is served");
    assert!(connected.is_closed());
}

#[test]
fn certificates_are_renewed_without_a_restart() {
    let plot = Plot::new();
    let make = || {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let ((old, old_key), (new, new_key)) = (make(), make());
    plot.write("cert.pem", &old);
    plot.write("key.pem", &old_key);
    let ca = plot.write("new.pem", &new);
    let yaml = plot.yaml(&routes("one")).replacen("}]", ", tls: {certificate: cert.pem, key: key.pem}}]", 1);
    let house = plot.start(&yaml);
    let trusted = |ca: &std::path::Path| {
        let url = format!("https://localhost:{}/x", house.port);
        std::process::Command::new("curl").args(["-sS", "--cacert"]).arg(ca).arg(url).output().unwrap().status.success()
    };
    assert!(!trusted(&ca));
    std::fs::write(house.path("cert.pem"), "half a certif").unwrap();
    assert_eq!(house.reload().status, 422, "a half-written certificate changes nothing");
    std::fs::write(house.path("cert.pem"), &new).unwrap();
    std::fs::write(house.path("key.pem"), &new_key).unwrap();
    assert_eq!(house.reload().status, 200);
    assert!(trusted(&ca));
}

#[test]
fn sigterm_finishes_every_request_in_flight_and_takes_no_more() {
    const IN_FLIGHT: usize = 40;
    let (arrived, all_there) = mpsc::channel();
    let gate = Arc::new((std::sync::Mutex::new(false), std::sync::Condvar::new()));
    let waiting = Arc::clone(&gate);
    let arrived = std::sync::Mutex::new(arrived);
    let upstream = Upstream::start(move |_| {
        arrived.lock().unwrap().send(()).unwrap();
        let mut open = waiting.0.lock().unwrap();
        while !*open {
            open = waiting.1.wait(open).unwrap();
        }
        Reply::ok("finished")
    });
    let mut house = House::before(&upstream);
    let port = house.port;
    let clients: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            std::thread::spawn(move || {
                let mut wire = Wire::open(port);
                wire.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
                wire.answer()
            })
        })
        .collect();
    for _ in 0..IN_FLIGHT {
        all_there.recv().unwrap();
    }
    house.signal("TERM");
    house.event("draining");
    assert!(refuses(port), "no new connection is accepted");
    assert_eq!(house.admin_get("/readyz").status, 503);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    for client in clients {
        let answer = client.join().unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "finished"));
    }
    assert_eq!(house.ended(), Some(0));
    assert_eq!(house.mentions("\"http.status\":200"), IN_FLIGHT, "every request has its line in the log");
}

/// What `portcullis ready` answers: exit code and standard output.
fn asks_whether_ready(admin: u16) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let out = command.args(["ready", "--admin", &format!("http://127.0.0.1:{admin}")]).output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
}

/// A gateway that gives an hour's notice has been told to end.
fn given_notice() -> House {
    let house = House::start(&format!("shutdown: {{notice: 1h}}\n{}", routes("one")));
    assert_eq!(house.admin_get("/readyz").status, 200);
    assert_eq!(asks_whether_ready(house.admin), (Some(0), "ready\n".to_owned()));
    house.signal("TERM");
    house.event("not ready from now on; connections are accepted for 1h more");
    house
}

#[test]
fn readiness_goes_off_first_and_new_clients_are_served_while_balancers_take_notice() {
    let mut house = given_notice();
    assert_eq!(house.admin_get("/readyz").status, 503);
    assert_eq!(house.admin_get("/livez").status, 200);
    assert_eq!(asks_whether_ready(house.admin), (Some(1), "not ready\n".to_owned()));
    for _ in 0..20 {
        assert_eq!(house.get("/x").text(), "one", "who comes by an old address is served");
    }
    house.signal("TERM");
    house.event("told to end again");
    assert_eq!(house.ended(), Some(0), "a second signal cuts the notice short");
    assert_eq!(house.mentions("\"http.status\":200"), 20);
}

#[test]
fn a_notice_ends_by_itself_and_requests_get_as_long_as_the_file_says() {
    let (arrived, arrives) = mpsc::channel();
    let upstream = Upstream::start(move |_| {
        arrived.send(()).unwrap();
        Reply::Take(Box::new(|mut stream| drop(stream.read(&mut [0; 1]))))
    });
    let mut house = House::start(&format!(
        "shutdown: {{notice: 50ms, drain: 50ms}}\n\
         upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"], timeout: {{response: 1h}}}}}}\n\
         routes: [{{match: GET /x, access: public, upstream: far}}]\n",
        upstream.port
    ));
    let mut wire = house.wire();
    wire.send(REQUEST);
    arrives.recv().unwrap();
    house.signal("TERM");
    house.event("draining");
    assert!(wire.is_closed(), "what takes longer is cut");
    assert_eq!(house.ended(), Some(0));
}

#[test]
fn who_was_connected_before_sigterm_is_answered_and_who_stays_silent_is_not_waited_for() {
    let plot = Plot::new();
    let yaml = plot.yaml(&routes("one")).replacen("}]", ", limits: {head_timeout: 1h}}]", 1);
    let mut house = plot.start(&yaml);
    let (mut late, mut silent) = (house.wire(), house.wire());
    house.wait_for_metric("portcullis_connections_open", &[], |open| open >= 2.0);
    house.signal("TERM");
    house.event("draining");
    assert!(refuses(house.port));
    late.send(REQUEST);
    let answer = late.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, "close"), "{answer:?}");
    assert!(late.is_closed() && silent.is_closed());
    assert_eq!(house.ended(), Some(0));
}

#[test]
fn who_waits_to_be_accepted_when_sigterm_comes_is_answered() {
    let mut house = House::start(&routes("one"));
    // Stopped, so that the kernel lets clients in and nobody accepts them.
    house.signal("STOP");
    let mut waiting: Vec<Wire> = (0..40).map(|_| house.wire()).collect();
    for wire in &mut waiting {
        wire.send(REQUEST);
    }
    house.signal("TERM");
    house.signal("CONT");
    for wire in &mut waiting {
        assert_eq!(wire.answer().status, 200);
    }
    assert_eq!(house.ended(), Some(0));
}

#[test]
fn slow_heads_and_idle_connections_are_ended() {
    let plot = Plot::new();
    let limits = ", limits: {head_timeout: 1s, idle_timeout: 1s, body_timeout: 1s}}]";
    let yaml = plot.yaml(&routes("one")).replacen("}]", limits, 1);
    let house = plot.start(&yaml);
    let mut slow = house.wire();
    slow.send("GET /x HTTP/1.1\r\nHost: loc");
    assert!(slow.is_closed());
    let mut idle = house.wire();
    idle.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(idle.answer().text(), "one");
    assert!(idle.is_closed());
}

#[test]
fn a_route_may_keep_connections_for_less_long_than_its_upstream_does() {
    let (closed, closes) = mpsc::channel();
    let upstream = Upstream::start(move |_| {
        let closed = closed.clone();
        Reply::Take(Box::new(move |mut stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            let _ = stream.read(&mut [0; 1]);
            closed.send(()).unwrap();
        }))
    });
    let house = House::start(&format!(
        "upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"], timeout: {{idle: 1h}}}}}}\n\
         routes: [{{match: GET /x, access: public, upstream: far, timeout: {{idle: 1s}}}}]\n",
        upstream.port
    ));
    assert_eq!(house.get("/x").status, 200);
    closes.recv_timeout(Duration::from_secs(30)).expect("the idle connection is closed");
}

#[test]
fn more_connections_than_allowed_are_closed_at_once() {
    let plot = Plot::new();
    let yaml = plot.yaml(&routes("one")).replacen("}]", ", limits: {connections: 3}}]", 1);
    let house = plot.start(&yaml);
    let mut open: Vec<Wire> = (0..3).map(|_| house.wire()).collect();
    for wire in &mut open {
        wire.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(wire.answer().status, 200);
    }
    assert!(house.wire().is_closed());
    house.wait_for_metric("portcullis_connections_refused_total", &[], |sum| sum >= 1.0);
    open.pop();
    house.wait_for_metric("portcullis_connections_open", &[], |open| open <= 2.0);
    let mut again = house.wire();
    again.send("GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(again.answer().status, 200, "a place that was given back can be taken");
}
