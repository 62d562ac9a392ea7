//! The header of a token: what it may say, and what ends it.

use std::sync::Arc;

use serde_json::Value;

use super::Algorithm;
use crate::token::{TokenFault, strict};

/// The parts of a JOSE header (RFC 7515 section 4) that are used to choose a check, never to find a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub algorithm: Algorithm,
    /// An opaque name, at most 256 bytes; never a path, address or query.
    pub kid: Option<Arc<str>>,
    /// Lower case and without the `application/` that RFC 7515 section 4.1.9 lets senders leave out.
    pub typ: Option<Arc<str>>,
}

/// Longest decoded header, in bytes.
const LONGEST: usize = 4096;
const LONGEST_KID: usize = 256;
const LONGEST_TYP: usize = 64;

impl Header {
    /// Reads the decoded header. Keys inside or beside the token (`jwk`, `jku`, `x5u`, `x5c`), encryption, compression,
    /// unencoded payloads and every extension marked critical are refused, not ignored.
    pub fn read(json: &[u8]) -> Result<Self, TokenFault> {
        if json.len() > LONGEST {
            return Err(TokenFault::Malformed("the header is longer than 4 KiB"));
        }
        let members = strict::object(json).map_err(|_| TokenFault::Malformed("the header is not one JSON object"))?;
        let mut found = (None, None, None);
        for (name, value) in &members {
            match name.as_str() {
                "alg" => found.0 = Some(algorithm(value)?),
                "kid" => found.1 = Some(text(value, LONGEST_KID, "`kid` is not a short string")?.into()),
                "typ" => found.2 = Some(media_type(text(value, LONGEST_TYP, "`typ` is not a short string")?).into()),
                "cty" => nested(value)?,
                "crit" | "b64" => return Err(TokenFault::Malformed("the header asks for an extension")),
                "enc" | "zip" => return Err(TokenFault::Malformed("the token is encrypted or compressed")),
                "jwk" | "jku" | "x5u" | "x5c" => return Err(TokenFault::Malformed("the header brings its own key")),
                _ => {}
            }
        }
        let (Some(algorithm), kid, typ) = found else {
            return Err(TokenFault::AlgorithmRefused("".into()));
        };
        Ok(Self { algorithm, kid, typ })
    }
}

fn algorithm(value: &Value) -> Result<Algorithm, TokenFault> {
    let Value::String(name) = value else { return Err(TokenFault::AlgorithmRefused("".into())) };
    Algorithm::from_name(name).ok_or_else(|| TokenFault::AlgorithmRefused(printable(name)))
}

/// `cty: JWT` announces a token in the token (RFC 7519 section 5.2).
fn nested(value: &Value) -> Result<(), TokenFault> {
    let text = text(value, LONGEST_TYP, "`cty` is not a short string")?;
    if media_type(text) == "jwt" {
        return Err(TokenFault::Malformed("the token holds another token"));
    }
    Ok(())
}

fn text<'a>(value: &'a Value, longest: usize, fault: &'static str) -> Result<&'a str, TokenFault> {
    match value {
        Value::String(text) if (1..=longest).contains(&text.len()) && !text.chars().any(char::is_control) => Ok(text),
        _ => Err(TokenFault::Malformed(fault)),
    }
}

/// The comparable form of a media type in a header.
pub(crate) fn media_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    lower.strip_prefix("application/").map(str::to_owned).unwrap_or(lower)
}

/// What a caller sent, cut down to what may stand in a log line.
pub(crate) fn printable(text: &str) -> Arc<str> {
    text.chars().take(32).map(|c| if c.is_ascii_graphic() && c != '`' { c } else { '?' }).collect::<String>().into()
}
