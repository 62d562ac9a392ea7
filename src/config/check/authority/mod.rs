//! `authority`: the hosted authorization server, its users and its clients.

mod authentication;
mod client;
mod grant;
mod lifetime;
mod page;
pub(in crate::config::check) mod password;
mod redirect;
mod resource;
mod scope;
mod user;

pub(super) use scope::{is_scope, not_a_scope, role_names, scope_names};

use std::time::Duration;

use super::{Check, secret, text};
use crate::authority::sealing::SHORTEST;
use crate::config::document::Document;
use crate::config::document::authority::Authority as Written;
use crate::config::place::At;
use crate::config::plan::Store;
use crate::config::plan::authority::{Audit, Authority, RefreshTokens, SigningAlgorithm, SigningKeys, TokenChoice};
use crate::config::problem::Problem;
use crate::ground::Secret;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// What clients are checked against.
struct Context<'a> {
    written: &'a Written,
    resources: &'a resource::Resources,
    access_tokens: TokenChoice,
    refresh_tokens: RefreshTokens,
}

pub(super) fn authority(document: &Document, store: Option<&Store>, check: &mut Check<'_>) -> Option<Authority> {
    let written = document.authority.as_ref()?;
    let issuer = written.issuer.0.as_ref().and_then(|at| issuer(at, check));
    let (access_tokens, algorithm) = access_tokens(written, check);
    let refresh_tokens = lifetime::refresh_tokens(written.refresh_tokens.as_ref(), check);
    let codes = written.codes.as_ref().and_then(|codes| codes.r#for.as_ref());
    let codes_for = lifetime::code(codes, check);
    let sessions = lifetime::sessions(written.sessions.as_ref(), check);
    let keys = keys(written, check);
    let stale_for = written.revocations.as_ref().and_then(|revocations| revocations.stale_for.0.as_ref());
    let revocations_stale_for = lifetime::revocations(stale_for, check);
    let passwords = password::passwords(written.passwords.as_ref(), check);
    let scopes = scope::scopes(written, check);
    let roles = scope::roles(written, check);
    let resources = resource::resources(written, check);
    let context = Context { written, resources: &resources, access_tokens, refresh_tokens };
    let users = user::users(written, &passwords, check);
    let clients = client::clients(&context, check);
    let pages = written.pages.as_ref().map(|pages| page::pages(pages, check)).unwrap_or_default();
    let audit = audit(written, store, check);
    let (resource, resources) = resources.into_parts();
    Some(Authority {
        issuer: issuer?,
        resource,
        resources,
        access_tokens,
        algorithm,
        refresh_tokens,
        codes_for,
        sessions,
        keys,
        revocations_stale_for,
        passwords,
        scopes,
        roles,
        users,
        clients,
        pages,
        audit,
    })
}

/// Metadata lies under it, so it must be an address without query, and its text is compared byte for byte.
fn issuer(at: &At<String>, check: &mut Check<'_>) -> Option<String> {
    let url = text::trusted_address(at, "the authority", check)?;
    let cause = if url.query().is_some() {
        "the address of the authority must not have a query; remove `?` and what follows it".to_owned()
    } else if at.value.ends_with('/') {
        format!("the address of the authority must not end in `/`; write `{}`", at.value.trim_end_matches('/'))
    } else if super::overlap::is_reserved(url.path()) {
        "the authority's own endpoints lie under this path; write the address without it".to_owned()
    } else {
        return Some(at.value.clone());
    };
    check.add_text(at.place, cause);
    None
}

fn access_tokens(written: &Written, check: &mut Check<'_>) -> (TokenChoice, SigningAlgorithm) {
    let Some(tokens) = &written.access_tokens else { return (TokenChoice::default(), SigningAlgorithm::Es256) };
    let choice = lifetime::token_choice(tokens.format.as_ref(), tokens.r#for.as_ref(), check);
    (choice, tokens.algorithm.as_ref().map_or(SigningAlgorithm::Es256, |at| at.value))
}

fn keys(written: &Written, check: &mut Check<'_>) -> SigningKeys {
    let keys = written.keys.as_ref();
    let encryption = keys.and_then(|keys| keys.encryption.as_ref());
    if !keys.is_some_and(|keys| keys.has("encryption")) {
        let place = keys.map_or(written.place, |keys| keys.place);
        let text = "the private keys that tokens are signed with lie in the store as they are; `keys: {encryption: {env: \
                    NAME}}` encrypts them, with a secret made by `openssl rand -base64 32`";
        check.warn(place, text);
    }
    let known = encryption.and_then(|written| Some((written.place, secret::known(written, check)??)));
    if let Some((place, _)) = known.as_ref().filter(|(_, secret)| is_short(secret)) {
        let cause = format!("this secret is shorter than {SHORTEST} characters, and can be guessed");
        check.add(Problem::at(*place, cause).help("make one by `openssl rand -base64 32`"));
    }
    SigningKeys {
        rotate: lifetime::rotation(keys.and_then(|keys| keys.rotate.as_ref()), check),
        encryption: known.map(|(_, secret)| secret),
    }
}

fn is_short(secret: &Secret) -> bool {
    secret.expose().len() < SHORTEST
}

fn audit(written: &Written, store: Option<&Store>, check: &mut Check<'_>) -> Audit {
    let database = match store {
        Some(Store::Sqlite(database)) => database.clone(),
        // Each gateway of a fleet has a log of its own.
        Some(Store::Postgres(_)) | None => check.base.join("portcullis.db"),
    };
    let audit = written.audit.as_ref();
    let keep = lifetime::kept(audit.and_then(|audit| audit.keep.as_ref()), check);
    let Some(at) = audit.and_then(|audit| audit.file.as_ref()) else {
        return Audit { file: database.with_extension("audit.jsonl"), keep };
    };
    let file = check.path(at);
    if matches!(store, Some(Store::Sqlite(database)) if file == *database) {
        let cause = "this is the file of the store";
        check.add(Problem::at(at.place, cause).help("give the log a file of its own, for example `audit.jsonl`"));
    }
    Audit { file, keep }
}
