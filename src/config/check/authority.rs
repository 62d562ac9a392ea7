//! `authority`: the hosted authorization server and its clients.

use std::time::Duration;

use super::{Check, secret, text};
use crate::config::document::Document;
use crate::config::document::authority::{Authority as Written, Client as WrittenClient};
use crate::config::place::{At, Place};
use crate::config::plan::{Authority, Client, ClientAuth, Scope};
use crate::config::problem::Problem;

/// Lifetime of access tokens unless the file says otherwise.
const LIFETIME: Duration = Duration::from_secs(600);

/// Tokens that live longer than this cannot be taken back in time.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The pages and endpoints under the issuer's own address.
const RESERVED: [&str; 2] = ["/oauth", "/.well-known"];

pub(super) fn authority(document: &Document, check: &mut Check<'_>) -> Option<Authority> {
    let written = document.authority.as_ref()?;
    let issuer = written.issuer.0.as_ref().and_then(|at| issuer(at, check));
    let lifetime = written.access_tokens.as_ref().and_then(|tokens| tokens.r#for.as_ref());
    let token_lifetime = bounded(lifetime, LIFETIME, check);
    let scopes = scopes(written, check);
    if let Some(resource) = &written.resource {
        self::resource(resource, check);
    }
    let resource = written.resource.as_ref().map(|at| at.value.clone()).or_else(|| issuer.clone());
    let mut clients = Vec::new();
    for client in written.clients.iter().flatten() {
        clients.extend(self::client(client, written, resource.as_deref(), token_lifetime, check));
    }
    same_ids(written, check);
    Some(Authority { issuer: issuer?, resource: resource?, token_lifetime, scopes, clients })
}

/// Metadata lies under it, so it must be an address without query, and its text is compared byte for byte.
fn issuer(at: &At<String>, check: &mut Check<'_>) -> Option<String> {
    let url = text::trusted_address(at, "the authority", check)?;
    let cause = if url.query().is_some() {
        "the address of the authority must not have a query; remove `?` and what follows it".to_owned()
    } else if at.value.ends_with('/') {
        format!("the address of the authority must not end in `/`; write `{}`", at.value.trim_end_matches('/'))
    } else if RESERVED.iter().any(|path| url.path().starts_with(path)) {
        "the authority's own endpoints lie under this path; write the address without it".to_owned()
    } else {
        return Some(at.value.clone());
    };
    check.add_text(at.place, cause);
    None
}

/// RFC 8707: an absolute URI without a fragment.
fn resource(at: &At<String>, check: &mut Check<'_>) {
    let cause = match url::Url::parse(&at.value) {
        Ok(url) if url.fragment().is_some() => "a resource must not have a fragment",
        Ok(_) => return,
        Err(_) => "a resource is an absolute address or URN",
    };
    check.add(Problem::at(at.place, cause).help("write for example `https://api.example.com` or `urn:example:orders`"));
}

fn bounded(at: Option<&At<Duration>>, default: Duration, check: &mut Check<'_>) -> Duration {
    let lifetime = text::span(at, default, check);
    if let Some(at) = at.filter(|at| at.value > LONGEST) {
        let cause = "an access token that lives longer than a day cannot be taken back in time";
        check.add(Problem::at(at.place, cause).help("write at most `24h`; `10m` is a good choice"));
    }
    lifetime
}

fn scopes(written: &Written, check: &mut Check<'_>) -> Vec<Scope> {
    let named = written.scopes.as_ref().map_or(&[][..], |scopes| &scopes.0);
    for (name, _) in named {
        if !is_scope(&name.value) {
            check.add(not_a_scope(name));
        }
    }
    named.iter().map(|(name, text)| Scope { name: name.value.clone(), description: text.value.clone() }).collect()
}

/// RFC 6749 section 3.3: printable ASCII without space, quote and backslash.
pub(super) fn is_scope(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

pub(super) fn not_a_scope(name: &At<String>) -> Problem {
    Problem::at(name.place, format!("`{}` cannot be a scope", name.value))
        .help("a scope is one word of printable ASCII without quotes and backslashes, for example `orders:read`; for several, write `{all: [a, b]}` or `{any: [a, b]}`")
}

/// Names and places of the scopes that are defined.
pub(super) fn scope_names(document: &Document) -> Vec<(&str, Option<Place>)> {
    let scopes = document.authority.as_ref().and_then(|authority| authority.scopes.as_ref());
    scopes.map_or(&[][..], |scopes| &scopes.0).iter().map(|(name, _)| (name.value.as_str(), Some(name.place))).collect()
}

fn client(
    written: &WrittenClient,
    authority: &Written,
    resource: Option<&str>,
    lifetime: Duration,
    check: &mut Check<'_>,
) -> Option<Client> {
    let known: Vec<(&str, Option<Place>)> = authority
        .scopes
        .iter()
        .flat_map(|scopes| &scopes.0)
        .map(|(name, _)| (name.value.as_str(), Some(name.place)))
        .collect();
    let scopes = written.scopes.as_deref().unwrap_or_default();
    for scope in scopes.iter().filter(|scope| !known.iter().any(|(name, _)| *name == scope.value)) {
        check.unknown_name(scope, "scope", &known, "define it under `authority.scopes`");
    }
    text::repeated(scopes, check);
    if written.grants.0.as_ref().is_some_and(Vec::is_empty) {
        check.add(
            Problem::at(written.place, "this client has no grant, so it can get no token")
                .help("write `grants: [client_credentials]`"),
        );
    }
    if let Some(at) = &written.resource {
        self::resource(at, check);
    }
    let id = written.id.0.as_ref();
    if let Some(id) = id.filter(|id| !id.value.bytes().all(|byte| (0x20..0x7f).contains(&byte))) {
        check.add(
            Problem::at(id.place, "the id of a client is printable ASCII")
                .help("letters, digits, `-`, `_` and `.` are safe everywhere"),
        );
    }
    let secrets = secrets(written, check);
    let tokens = written.access_tokens.as_ref().and_then(|tokens| tokens.r#for.as_ref());
    let token_lifetime = bounded(tokens, lifetime, check);
    let auth = written.auth.as_ref().map(|auth| auth.items.iter().map(|at| at.value).collect::<Vec<_>>());
    let own = written.resource.as_ref().map(|at| at.value.as_str());
    let id = id?;
    Some(Client {
        id: id.value.clone(),
        name: written.name.as_ref().unwrap_or(id).value.clone(),
        secrets: secrets?,
        auth: auth.filter(|auth| !auth.is_empty()).unwrap_or_else(|| vec![ClientAuth::Basic, ClientAuth::Post]),
        scopes: scopes.iter().map(|scope| scope.value.clone()).collect(),
        resource: own.or(resource)?.to_owned(),
        token_lifetime,
    })
}

fn secrets(written: &WrittenClient, check: &mut Check<'_>) -> Option<Vec<crate::config::plan::ClientSecret>> {
    let items = written.secret.as_ref().map_or(&[][..], |secret| &secret.items);
    let mut secrets = Vec::new();
    let mut wrong = written.secret.is_none() || items.is_empty();
    if !written.has("secret") && written.grants.0.is_some()
        || written.secret.as_ref().is_some_and(|secret| secret.listed && items.is_empty())
    {
        let cause = "this client has no secret, and `client_credentials` is for clients that can keep one";
        let help = "add `secret: {env: NAME}` or `secret: {file: path}`, or a hash of it";
        check.add(Problem::at(written.place, cause).help(help));
    }
    for item in items {
        match secret::presented(item, check) {
            Some(secret) => secrets.extend(secret),
            None => wrong = true,
        }
    }
    (!wrong).then_some(secrets)
}

fn same_ids(written: &Written, check: &mut Check<'_>) {
    let ids: Vec<&At<String>> = written.clients.iter().flatten().filter_map(|client| client.id.0.as_ref()).collect();
    for (index, id) in ids.iter().enumerate() {
        if let Some(first) = ids.iter().take(index).find(|first| first.value == id.value) {
            let cause = format!("there are two clients `{}`", id.value);
            check.add(
                Problem::at(id.place, cause).other(first.place, "the first one").help("give one of them another `id`"),
            );
        }
    }
}
