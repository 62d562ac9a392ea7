//! A token in its compact form: three parts, split and decoded, nothing believed yet.

use aws_lc_rs::signature::ParsedPublicKey;
use base64_simd::URL_SAFE_NO_PAD;

use serde_json::{Map, Value};

use super::Header;
use crate::token::bearer::LONGEST;
use crate::token::{TokenFault, strict};

/// A JWS in compact serialization (RFC 7515 section 7.1) whose signature has not been checked.
pub struct Compact<'a> {
    /// What was signed: header, dot, payload, as they came.
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
    header: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Splits `token`. `None` when it does not have the form of a signed token: then it is opaque to us, and perhaps
    /// somebody else knows it.
    pub fn split(token: &'a str) -> Option<Self> {
        if token.len() > LONGEST || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header = decode(header).filter(|json| json.first() == Some(&b'{'))?;
        Some(Self { signed, payload, signature, header })
    }

    pub fn header(&self) -> Result<Header, TokenFault> {
        Header::read(&self.header)
    }

    /// The claims as they stand there, still unproven.
    pub fn claims(&self) -> Result<Map<String, Value>, TokenFault> {
        let json = decode(self.payload).ok_or(TokenFault::Malformed("the payload is not base64url"))?;
        strict::object(&json).map_err(TokenFault::Malformed)
    }

    /// Whether `key` made the signature.
    pub fn is_signed_by(&self, key: &ParsedPublicKey) -> bool {
        decode(self.signature).is_some_and(|signature| key.verify_sig(self.signed.as_bytes(), &signature).is_ok())
    }
}

/// Strict base64url (RFC 7515 section 2): no padding, no line breaks, no stray bits in the last character.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text.as_bytes()).ok()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}
