//! What only the gateway may say: who calls, from where, under which identifier. And what only the private listener may show.

use super::{Finding, Patient, Verdict};

/// What a forged value is known by.
const MARK: &str = "forged-by-doctor";

/// Headers that upstreams believe, in the spellings that they fold into one another.
const NAMES: [&str; 14] = [
    "X-Auth-Subject",
    "X-Auth-Roles",
    "x_auth_subject",
    "X.Auth.Scope",
    "X-Auth-Token",
    "X-Forwarded-User",
    "X-Remote-User",
    "Remote-User",
    "X-User-Id",
    "X-Forwarded-For",
    "X-Real-IP",
    "Forwarded",
    "X-Original-URL",
    "X-HTTP-Method-Override",
];

/// Forges each of them, and looks at what comes out.
pub fn probe(patient: &Patient<'_>, tell: &mut dyn FnMut(Finding)) {
    identity(patient, tell);
    request_id(patient, tell);
    for path in ["/metrics", "/decisions", "/readyz", "/access"] {
        let answer = patient.wire.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        let leaked =
            answer.is_ok_and(|answer| answer.body.contains("portcullis_") || answer.body.contains("\"decisions\""));
        let (verdict, detail) = if leaked {
            (Verdict::Bad, "it shows what is for operators: the private listener is public".to_owned())
        } else {
            (Verdict::Good, "nothing of the private listener is seen".to_owned())
        };
        tell(Finding { about: "listener", probe: format!("GET {path} on the public listener"), verdict, detail });
    }
}

fn identity(patient: &Patient<'_>, tell: &mut dyn FnMut(Finding)) {
    let Some(sample) = patient.echo() else {
        let detail = "no route shows what an upstream gets: a public one with `respond: echo`, or `--token` with one that needs \
                      a token, would"
            .to_owned();
        let probe = "forged identity headers".to_owned();
        tell(Finding { about: "identity", probe, verdict: Verdict::Skipped, detail });
        return;
    };
    let token = patient.token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    for name in NAMES {
        for hop in ["", "Connection: close, X-Auth-Subject, X-Forwarded-For\r\n"] {
            let lines = format!("{token}{hop}{name}: {MARK}\r\n");
            let head = format!(
                "{} {} HTTP/1.1\r\nHost: {}\r\n{}{lines}\r\n",
                sample.method,
                sample.path,
                sample.host,
                if hop.is_empty() { "Connection: close\r\n" } else { "" }
            );
            let (verdict, detail) = match patient.wire.ask(head) {
                Ok(answer) if answer.status == 200 && answer.body.contains(MARK) => {
                    (Verdict::Bad, "an upstream would get the forged value".to_owned())
                }
                Ok(answer) => (Verdict::Good, format!("taken out ({})", answer.status)),
                Err(_) => (Verdict::Good, "the connection was closed".to_owned()),
            };
            let with = if hop.is_empty() { "" } else { ", named in `Connection` as well" };
            tell(Finding { about: "identity", probe: format!("{name} from a client{with}"), verdict, detail });
        }
    }
}

fn request_id(patient: &Patient<'_>, tell: &mut dyn FnMut(Finding)) {
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {MARK}\r\nConnection: close\r\n\r\n");
    let answer = patient.wire.ask(head);
    let (verdict, detail) = match &answer {
        Ok(answer) if answer.header("x-request-id") == Some(MARK) => {
            let detail = "it was believed: this machine is among `trusted_proxies`, or nothing of ours answers";
            (Verdict::Look, detail.to_owned())
        }
        Ok(answer) if answer.header("x-request-id").is_none() => {
            (Verdict::Bad, "the answer has no `X-Request-Id`: this is not the gateway of the file".to_owned())
        }
        Ok(_) => (Verdict::Good, "the gateway gave its own".to_owned()),
        Err(fault) => (Verdict::Look, format!("{fault:#}")),
    };
    tell(Finding { about: "identity", probe: "X-Request-Id from a client".to_owned(), verdict, detail });
    let bare = answer.as_ref().is_ok_and(|answer| answer.header("x-content-type-options") != Some("nosniff"));
    let (verdict, detail) = if bare {
        (Verdict::Look, "`X-Content-Type-Options` is not there; the file, or a proxy in front, takes it out")
    } else {
        (Verdict::Good, "refusals wear them, too")
    };
    tell(Finding { about: "listener", probe: "secure headers".to_owned(), verdict, detail: detail.to_owned() });
}
