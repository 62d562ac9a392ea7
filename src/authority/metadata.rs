//! What clients are told about this authority (RFC 8414): what exists, and nothing that does not.

use serde::Serialize;
use serde_json::Value;

use super::endpoint::{JWKS, TOKEN};
use super::grant::Grant;
use super::reply::PublicDocument;
use super::scope::ScopeName;
use super::settings::Settings;

#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    token_endpoint: String,
    jwks_uri: String,
    scopes_supported: Vec<&'a str>,
    /// Required by RFC 8414 section 2; empty as long as there is no authorization endpoint.
    response_types_supported: [&'a str; 0],
    /// Said explicitly: left out it would mean `authorization_code` and `implicit`.
    grant_types_supported: Vec<&'a str>,
    token_endpoint_auth_methods_supported: [&'a str; 2],
}

/// The metadata document.
pub(super) fn document(settings: &Settings) -> PublicDocument {
    let issuer = &settings.issuer;
    let metadata = Metadata {
        issuer: issuer.as_str(),
        token_endpoint: issuer.join(TOKEN),
        jwks_uri: issuer.join(JWKS),
        scopes_supported: settings.scopes.iter().map(|(scope, _): &(ScopeName, String)| scope.as_str()).collect(),
        response_types_supported: [],
        grant_types_supported: Grant::ALL.iter().map(|grant| grant.name()).collect(),
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
    };
    // Strings and lists of strings: there is nothing in it that JSON could not say.
    PublicDocument::new(&serde_json::to_value(&metadata).unwrap_or(Value::Null))
}
