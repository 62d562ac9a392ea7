//! The first line of a file: what it is, whose, of when, and how much has to follow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ground::Time;
use crate::store::whole::{Part, Tally};

/// What stands under `portcullis`.
const KIND: &str = "whole store";

/// The form of the lines that this program writes and reads.
const VERSION: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    portcullis: String,
    version: u32,
    issuer: String,
    #[serde(with = "super::form::time")]
    at: Time,
    rows: BTreeMap<String, u64>,
}

impl Head {
    pub(super) fn new(issuer: &str, at: Time, tally: &Tally) -> Self {
        let rows = Part::ALL.map(|part| (name(part).to_owned(), tally.of(part)));
        let rows = rows.into_iter().filter(|(_, count)| *count > 0).collect();
        Self { portcullis: KIND.to_owned(), version: VERSION, issuer: issuer.to_owned(), at, rows }
    }

    /// What has to follow the line. Refuses what another program, another version or another issuer wrote.
    pub(super) fn read(line: &[u8], issuer: &str) -> Result<Tally, String> {
        const NOT_OURS: &str = "it is not what `portcullis export --all` writes";
        let value: serde_json::Value = serde_json::from_slice(line).map_err(|_| NOT_OURS.to_owned())?;
        if value.get("portcullis").and_then(serde_json::Value::as_str) != Some(KIND) {
            return Err(NOT_OURS.to_owned());
        }
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            let version = version.map_or_else(|| "no version".to_owned(), |version| format!("version {version}"));
            return Err(format!(
                "it has {version}; this program reads version {VERSION}: export and import with the same one"
            ));
        }
        let head: Self = serde_json::from_value(value).map_err(|_| "it is damaged".to_owned())?;
        if head.issuer != issuer {
            return Err(format!(
                "it is of the issuer `{}`, and the file says `{issuer}`: no token and no refresh token would be good; give \
                 the authority the issuer that it had",
                head.issuer
            ));
        }
        let mut tally = Tally::default();
        for (written, count) in head.rows {
            let part = Part::ALL.into_iter().find(|part| name(*part) == written);
            tally.add(part.ok_or_else(|| "it is damaged".to_owned())?, count);
        }
        Ok(tally)
    }
}

/// The name of a part's lines.
const fn name(part: Part) -> &'static str {
    match part {
        Part::Keys => "key",
        Part::Clients => "client",
        Part::SecretUses => "secret_use",
        Part::Declared => "declared",
        Part::Users => "user",
        Part::Retired => "retired",
        Part::Sessions => "session",
        Part::Consents => "consent",
        Part::Grants => "grant",
        Part::Codes => "code",
        Part::Finished => "finished",
        Part::Tokens => "token",
        Part::Revocations => "revocation",
        Part::Assertions => "assertion",
    }
}
