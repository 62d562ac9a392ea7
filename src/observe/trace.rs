//! W3C trace context: which trace a request belongs to.
//!
//! The gateway records no spans of its own, so it passes the context on as it came (W3C Trace Context section 2.2, "no
//! modification"): a span of ours that nobody can look up would tear the trace apart.

use http::HeaderName;

use crate::ground::{Fields, fields};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The trace of a `traceparent` (section 3.2): 32 hexadecimal digits. `None` when there is none, more than one, or one that is
/// not exactly of the form; such a context is not passed on.
pub fn trace_id(headers: &Fields) -> Option<&str> {
    let mut values = headers.all(&TRACEPARENT);
    let value = fields::visible(values.next()?)?;
    if values.next().is_some() { None } else { parse(value) }
}

fn parse(value: &str) -> Option<&str> {
    let mut parts = value.splitn(4, '-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // A later version may have more fields behind the flags; version 00 may not, and ff is forbidden.
    let flags = if version == "00" { flags } else { flags.split('-').next()? };
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let formed = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    (formed && !zero(trace) && !zero(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_read() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(parse(&format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace));
        assert_eq!(parse(&format!("cc-{trace}-00f067aa0ba902b7-01-more")), Some(trace));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn two_contexts_are_none() {
        let one = http::HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let mut headers = Fields::new();
        headers.append(&TRACEPARENT, &one);
        assert!(trace_id(&headers).is_some());
        headers.append(&TRACEPARENT, one);
        assert!(trace_id(&headers).is_none());
    }
}
