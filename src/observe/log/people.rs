//! An access-log line for a person at a terminal.

use std::io::Write as _;
use std::time::Duration;

use super::json::escape;
use crate::observe::Record;
use crate::observe::record::Who;

/// Writes `record` as one line: `200 GET  /v1/orders/7  orders → 10.0.0.5:8080  1.2ms`, refusals with their code.
pub fn line(out: &mut Vec<u8>, (record, who): (&Record, Option<&Who>), duration: Duration, color: bool) {
    let (paint, plain) = if color { (shade(record.status), "\x1b[0m") } else { ("", "") };
    let _ = write!(out, "{paint}{}{plain} {:<7} ", record.status, record.method.as_str());
    escape(out, &record.host);
    escape(out, &record.path);
    if let Some(reason) = record.refusal {
        let _ = write!(out, "  {paint}{}{plain}", reason.code());
        if let Some(detail) = &record.detail {
            out.extend_from_slice(b": ");
            escape(out, detail);
        }
    }
    if let Some(reason) = record.observed {
        let _ = write!(out, "  {paint}only observed: {}{plain}", reason.code());
    }
    if let Some(client) = who.and_then(|who| who.client.as_ref().or(who.subject.as_ref())) {
        out.extend_from_slice(b"  by ");
        escape(out, client);
    }
    if let Some(upstream) = &record.upstream {
        out.extend_from_slice(b"  to ");
        escape(out, &upstream.name);
    }
    let micros = duration.as_micros();
    let _ = writeln!(out, "  {}.{}ms  {}", micros / 1000, micros % 1000 / 100, record.request_id);
}

fn shade(status: u16) -> &'static str {
    match status {
        ..400 => "\x1b[32m",
        400..500 => "\x1b[33m",
        500.. => "\x1b[31m",
    }
}
