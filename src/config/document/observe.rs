//! `observe`: what is written about each request.

use crate::config::place::At;

section! {
    /// What is written about each request.
    Observe ("`observe`") {
        /// The access log.
        log: Option<Log>,
        /// `on`: recent decisions are kept in memory, so that `portcullis explain` and the console can say why a request was
        /// refused. `off`: none. Default: `on`.
        decisions: Option<At<Decisions>>,
    }
    later [metrics, traces, audit]
}

section! {
    /// The access log.
    Log ("`log`") {
        /// `json` one line of JSON per request, `people` for reading, `off` none. Default: `people` on a terminal, `json`
        /// otherwise.
        format: Option<At<LogFormat>>,
    }
}

words! {
    /// Form of the access log.
    LogFormat ("a form of log") { Json = "json", People = "people", Off = "off" }
}

words! {
    /// Whether recent decisions are kept.
    Decisions ("`on` or `off`") { On = "on", Off = "off" }
}
