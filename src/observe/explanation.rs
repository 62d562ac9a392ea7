//! What is told about one decision: the words of `explain`, of the admin listener and of the console.
//!
//! Plain data. Who makes it is `serve::explain`; nothing of it is a secret, a token, or a query.

use serde::{Deserialize, Serialize};

/// One decision, told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    pub request_id: String,
    /// RFC 3339.
    pub at: String,
    /// `allowed`, `refused`, or `observed`: let through although something that is only observed would have refused it.
    pub outcome: Verdict,
    /// What was answered.
    pub status: u16,
    /// The reason code of what was refused or would have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// One or two sentences.
    pub summary: String,
    /// What whoever wants it otherwise can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    pub request: Request,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteTold>,
    pub considered: Vec<Considered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    /// What a token that was not good says of itself; nothing of it is proved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_says: Vec<(String, String)>,
    /// In the order of the pipeline.
    pub steps: Vec<Step>,
    pub limits: Vec<LimitTold>,
    /// Who answered, and how long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    pub took_ms: f64,
    /// Headers that tell the upstream who calls.
    pub upstream_receives: Vec<(String, String)>,
    /// Of the configuration that judged it; what came out of the file is left out when that is not in force any more.
    pub generation: u64,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allowed,
    Refused,
    Observed,
}

/// The request in the one form in which it was judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub method: String,
    pub host: String,
    pub path: String,
    pub client: String,
    pub version: String,
    pub tls: bool,
}

/// The route that took it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteTold {
    pub name: String,
    #[serde(rename = "match")]
    pub pattern: String,
    /// In the file; `None` for the authority's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    pub goes_to: String,
}

/// Who called, as verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Caller {
    pub issuer: String,
    pub subject: Option<String>,
    pub client: Option<String>,
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
    /// `kid` of the key that the signature was verified with.
    pub key: Option<String>,
    /// Where the answer came from.
    pub verified: String,
}

/// A limit of the route and what is left of it for this caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LimitTold {
    pub name: String,
    pub limit: String,
    /// `None`: it was not asked.
    pub remaining: Option<u32>,
    pub full_again_in_s: Option<u64>,
}

/// A route that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    pub name: String,
    #[serde(rename = "match")]
    pub pattern: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Why it was taken, or what it lacked.
    pub why: String,
}

/// One check of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub step: String,
    pub outcome: Outcome,
    pub needed: String,
    pub seen: String,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Refused,
    /// It did not hold, and is only observed.
    Observed,
    NotReached,
}

/// One line of a list of decisions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Brief {
    pub request_id: String,
    pub at: String,
    pub method: String,
    pub host: String,
    pub path: String,
    pub client: String,
    pub route: String,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The code is of something that is only observed.
    pub observed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub took_ms: f64,
}
