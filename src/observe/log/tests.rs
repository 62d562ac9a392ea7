use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::observe::Reason;
use crate::observe::record::tests::record;

fn json(record: &Record) -> String {
    let mut out = Vec::new();
    json::line(&mut out, &mut json::Stamp::default(), (record, None), Duration::from_micros(1234));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_line_is_one_json_object_with_the_documented_fields() {
    let line = json(&record());
    assert!(line.ends_with("}\n"));
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["time"], "2026-11-25T01:47:14.567Z");
    assert_eq!(value["http.status"], 200);
    assert_eq!(value["http.path"], "/v1/orders/7");
    assert_eq!(value["duration_ms"], 1.234);
    assert_eq!(value["bytes_out"], 138);
    assert!(value.get("refusal.code").is_none());
}

#[test]
fn a_refusal_says_its_code() {
    let mut refused = record();
    refused.refusal = Some(Reason::ScopeMissing);
    refused.detail = Some("needed `orders:write`".to_owned());
    let value: serde_json::Value = serde_json::from_str(&json(&refused)).unwrap();
    assert_eq!(value["refusal.code"], "scope_missing");
    assert_eq!(value["refusal.detail"], "needed `orders:write`");
}

#[test]
fn who_asked_stands_in_the_line_and_cannot_leave_its_field() {
    let who = Who::new(Some(&"web \"1\"".into()), Some(&"zo\u{eb}\n".into()), "corp");
    let mut out = Vec::new();
    json::line(&mut out, &mut json::Stamp::default(), (&record(), Some(&who)), Duration::ZERO);
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["client.id"], "web \"1\"");
    assert_eq!(value["user.id"], "zo\u{eb}\n");
    assert_eq!(value["issuer.name"], "corp");
    let nobody: serde_json::Value = serde_json::from_str(&json(&record())).unwrap();
    assert!(nobody.get("client.id").is_none() && nobody.get("issuer.name").is_none());
}

/// Attacks on the reader of the log: nothing in a request can begin a new line or colour a terminal.
#[test]
fn what_a_request_says_cannot_leave_its_field() {
    for path in ["/a\nb", "/\x1b[2J", "/\u{202e}gpj.exe", "/\"},{\"x\":\"", "/back\\slash", "/\u{9b}31m", "/caf\u{e9}"]
    {
        let mut odd = record();
        odd.path = path.to_owned();
        let line = json(&odd);
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert!(!line.contains('\x1b') && !line.contains('\u{202e}') && !line.contains('\u{9b}'), "{line:?}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["http.path"], path);
        let mut out = Vec::new();
        people::line(&mut out, (&odd, None), Duration::ZERO, false);
        assert!(out.iter().filter(|byte| byte.is_ascii_control()).eq([b'\n'].iter()), "{out:?}");
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_line_is_written_by_the_time_the_writer_has_ended() {
    let sink = Sink::default();
    let dropped = Arc::default();
    let (writer, ending) = Writer::start(LogFormat::Json, Box::new(sink.clone()), Arc::clone(&dropped)).unwrap();
    let mut buffer = writer.buffer();
    for _ in 0..1000 {
        buffer.line(&record(), None, Duration::ZERO);
    }
    drop((writer, buffer));
    assert!(ending.wait(Duration::from_secs(30)));
    assert_eq!(sink.0.lock().iter().filter(|byte| **byte == b'\n').count(), 1000);
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_worker_and_the_end_within_bounds() {
    struct Stuck(std::sync::mpsc::Receiver<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (release, stuck) = std::sync::mpsc::channel();
    let dropped = Arc::default();
    let (writer, ending) = Writer::start(LogFormat::Json, Box::new(Stuck(stuck)), Arc::clone(&dropped)).unwrap();
    let mut buffer = writer.buffer();
    for _ in 0..WAITING + 2 {
        buffer.line(&record(), None, Duration::ZERO);
        buffer.flush();
    }
    assert!(dropped.load(Ordering::Relaxed) > 0);
    drop((writer, buffer));
    assert!(!ending.wait(Duration::ZERO));
    drop(release);
    assert!(ending.wait(Duration::from_secs(30)));
}
