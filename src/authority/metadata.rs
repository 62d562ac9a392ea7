//! What clients are told about this authority (RFC 8414, OpenID Connect Discovery): what exists, and nothing that does not.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::client::{AuthMethod, Client};
use super::endpoint::{AUTHORIZE, INTROSPECT, JWKS, LOGOUT, REVOKE, TOKEN, USERINFO};
use super::grant::Grant;
use super::reply::PublicDocument;
use super::scope::{BUILT_IN, ScopeName};
use super::settings::Settings;
use crate::token::jwt::Algorithm;

#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    end_session_endpoint: String,
    scopes_supported: Vec<&'a str>,
    response_types_supported: Vec<&'a str>,
    response_modes_supported: Vec<&'a str>,
    /// Said explicitly: left out it would mean `authorization_code` and `implicit`.
    grant_types_supported: Vec<&'a str>,
    subject_types_supported: [&'a str; 1],
    id_token_signing_alg_values_supported: Vec<&'a str>,
    token_endpoint_auth_methods_supported: Vec<&'a str>,
    token_endpoint_auth_signing_alg_values_supported: Vec<&'a str>,
    introspection_endpoint_auth_methods_supported: Vec<&'a str>,
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'a str>,
    revocation_endpoint_auth_methods_supported: Vec<&'a str>,
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'a str>,
    code_challenge_methods_supported: [&'a str; 1],
    authorization_response_iss_parameter_supported: bool,
    prompt_values_supported: [&'a str; 4],
    claim_types_supported: [&'a str; 1],
    claims_supported: Vec<&'a str>,
    ui_locales_supported: [&'a str; 2],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    /// The default would be true.
    request_uri_parameter_supported: bool,
}

/// The metadata document. `clients` are those of the file and those that commands made.
pub(super) fn document(settings: &Settings, clients: &HashMap<Arc<str>, Arc<Client>>) -> PublicDocument {
    let issuer = &settings.issuer;
    let uses = |grant: Grant| clients.values().any(|client| client.may_use(grant));
    let by_keys = clients.values().any(|client| client.authenticates_by(AuthMethod::PrivateKeyJwt));
    let proving = |open: bool| {
        let mut methods = vec!["client_secret_basic", "client_secret_post"];
        methods.extend(by_keys.then_some("private_key_jwt"));
        methods.extend(open.then_some("none"));
        methods
    };
    let signed =
        || if by_keys { Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect() } else { Vec::new() };
    let implicit = uses(Grant::Implicit);
    let metadata = Metadata {
        issuer: issuer.as_str(),
        authorization_endpoint: issuer.join(AUTHORIZE),
        token_endpoint: issuer.join(TOKEN),
        jwks_uri: issuer.join(JWKS),
        userinfo_endpoint: issuer.join(USERINFO),
        introspection_endpoint: issuer.join(INTROSPECT),
        revocation_endpoint: issuer.join(REVOKE),
        end_session_endpoint: issuer.join(LOGOUT),
        scopes_supported: scopes(settings),
        response_types_supported: if implicit { vec!["code", "token", "id_token token"] } else { vec!["code"] },
        response_modes_supported: if implicit {
            vec!["query", "form_post", "fragment"]
        } else {
            vec!["query", "form_post"]
        },
        grant_types_supported: Grant::ALL
            .iter()
            .filter(|grant| !grant.is_legacy() || uses(**grant))
            .map(|grant| grant.name())
            .collect(),
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: id_token_algorithms(clients),
        token_endpoint_auth_methods_supported: proving(true),
        token_endpoint_auth_signing_alg_values_supported: signed(),
        introspection_endpoint_auth_methods_supported: proving(false),
        introspection_endpoint_auth_signing_alg_values_supported: signed(),
        revocation_endpoint_auth_methods_supported: proving(true),
        revocation_endpoint_auth_signing_alg_values_supported: signed(),
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
        prompt_values_supported: ["none", "login", "consent", "select_account"],
        claim_types_supported: ["normal"],
        claims_supported: vec![
            "sub",
            "iss",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "amr",
            "sid",
            "at_hash",
            "name",
            "preferred_username",
            "email",
            "email_verified",
        ],
        ui_locales_supported: ["en", "de"],
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
    };
    // Strings and lists of strings: there is nothing in it that JSON could not say.
    let mut document = serde_json::to_value(&metadata).unwrap_or(Value::Null);
    if let Value::Object(members) = &mut document {
        // An empty list is said by saying nothing.
        members.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    }
    PublicDocument::new(&document)
}

fn scopes(settings: &Settings) -> Vec<&str> {
    let written = settings.scopes.iter().map(|(scope, _): &(ScopeName, String)| scope.as_str());
    BUILT_IN.into_iter().chain(written).collect()
}

/// RS256 first: every client can check that (Discovery section 3).
fn id_token_algorithms(clients: &HashMap<Arc<str>, Arc<Client>>) -> Vec<&'static str> {
    let mut names = vec![Algorithm::Rs256.name()];
    let asked = |client: &Arc<Client>| client.parts().id_token_algorithm.name();
    let mut others: Vec<&'static str> =
        clients.values().map(asked).filter(|name| *name != Algorithm::Rs256.name()).collect();
    others.sort_unstable();
    others.dedup();
    names.append(&mut others);
    names
}
