//! `observe`: what is written about each request.

use crate::config::place::At;

section! {
    /// What is written about each request.
    Observe ("`observe`") {
        /// The access log.
        log: Option<Log>,
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
