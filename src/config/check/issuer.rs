//! `issuers`: whose tokens are accepted, and how they are proved.

use std::time::Duration;

use super::{Check, secret, text};
use crate::config::document::Document;
use crate::config::document::issuer::{Claims, Introspection as WrittenIntrospection, Issuer as Written, Keys};
use crate::config::document::read::OneOrMany;
use crate::config::place::{At, Place};
use crate::config::plan::{
    AUTHORITY, Algorithm, ClaimPaths, Introspection, Issuer, KeySource, NamedFile, Proof, SecretAuth,
};
use crate::config::problem::Problem;
use crate::ground::duration;
use crate::token::jwt::KeySet;

/// Clocks that differ by more than this are broken.
const MOST_LEEWAY: Duration = Duration::from_secs(60);

pub(super) fn issuers(document: &Document, check: &mut Check<'_>) -> Vec<Issuer> {
    let written = document.issuers.as_ref().map_or(&[][..], |issuers| &issuers.0);
    let mut issuers = Vec::new();
    for (name, issuer) in written {
        if name.value == AUTHORITY {
            let cause = "`authority` is the name of the authorization server hosted here";
            check.add(Problem::at(name.place, cause).help("give this issuer another name"));
        }
        issuers.extend(one(name, issuer, check));
    }
    same_urls(document, check);
    issuers
}

/// Names and places of all issuers, the hosted one included.
pub(super) fn names(document: &Document) -> Vec<(&str, Option<Place>)> {
    let hosted = document.authority.as_ref().map(|authority| (AUTHORITY, Some(authority.place)));
    let others = document.issuers.as_ref().map_or(&[][..], |issuers| &issuers.0);
    hosted.into_iter().chain(others.iter().map(|(name, _)| (name.value.as_str(), Some(name.place)))).collect()
}

fn one(name: &At<String>, written: &Written, check: &mut Check<'_>) -> Option<Issuer> {
    let audiences = audiences(name, written, check);
    let url = written.url.as_ref().and_then(|at| issuer_url(at, check));
    let proof = proof(written, check);
    if let Some(leeway) = written.leeway.as_ref().filter(|leeway| leeway.value > MOST_LEEWAY) {
        let cause = "clocks that differ by more than a minute are broken";
        check.add(Problem::at(leeway.place, cause).help("write at most `60s`, and set the clocks by NTP"));
    }
    let types = written.types.as_ref().map(|types| types.items.iter().map(|at| at.value.clone()).collect::<Vec<_>>());
    if let Some(empty) = written.types.as_ref().filter(|types| types.items.is_empty() && types.listed) {
        check.add(
            Problem::at(empty.place, "an empty list of types accepts no token")
                .help("write `types: [at+jwt]`, or remove the key"),
        );
    }
    let algorithms = written.algorithms.as_ref();
    if let Some(empty) = algorithms.filter(|list| list.items.is_empty() && list.listed) {
        check.add(
            Problem::at(empty.place, "an empty list of algorithms accepts no token")
                .help("write `algorithms: [ES256]`, or remove the key"),
        );
    }
    let algorithms = match algorithms {
        Some(list) => list.items.iter().map(|at| at.value).collect(),
        None => Algorithm::ALL.iter().map(|(algorithm, _)| *algorithm).collect(),
    };
    let (stale_for, refetch_every) = key_times(written, check);
    Some(Issuer {
        name: name.value.clone(),
        stale_for,
        refetch_every,
        leeway: written.leeway.as_ref().map_or(Duration::from_secs(10), |at| at.value),
        claims: written.claims.as_ref().map(|claims| claim_paths(claims, check)).unwrap_or_default(),
        types,
        algorithms,
        audiences: audiences?,
        url,
        proof: proof?,
    })
}

/// How long keys are good, and how often they may be fetched.
fn key_times(written: &Written, check: &mut Check<'_>) -> (Duration, Duration) {
    let stale_for = text::span(written.stale_for.as_ref(), Duration::from_secs(12 * 3600), check);
    let refetch_every = text::span(written.refetch_every.as_ref(), Duration::from_secs(30), check);
    let place = written.stale_for.as_ref().or(written.refetch_every.as_ref()).map(|at| at.place);
    if let Some(place) = place.filter(|_| stale_for < refetch_every && !stale_for.is_zero()) {
        let (stale, refetch) = (duration::format(stale_for), duration::format(refetch_every));
        let cause = format!("keys would be too old after {stale} and are fetched no more often than every {refetch}");
        let help =
            "write a `stale_for` of at least `refetch_every`: hours carry the gateway over an outage of the issuer";
        check.add(Problem::at(place, cause).help(help));
    }
    (stale_for, refetch_every)
}

fn audiences(name: &At<String>, written: &Written, check: &mut Check<'_>) -> Option<Vec<String>> {
    if !written.has("audience") {
        let cause = format!(
            "issuer `{}` needs an `audience`: without it, a token made for any other service would be accepted here",
            name.value
        );
        let help = "add `audience: ` and the name that this API has at the issuer, often its address, for example `audience: https://api.example.com`";
        check.add(Problem::at(written.place, cause).help(help));
    }
    let audience = written.audience.as_ref()?;
    if audience.items.is_empty() && audience.listed {
        let cause = "an empty list of audiences accepts no token";
        check.add(Problem::at(audience.place, cause).help("write the name that this API has at the issuer"));
    }
    text::repeated(&audience.items, check);
    Some(audience.items.iter().map(|at| at.value.clone()).collect())
}

/// Compared with `iss` byte for byte, so the text is kept.
fn issuer_url(at: &At<String>, check: &mut Check<'_>) -> Option<String> {
    let url = text::trusted_address(at, "an issuer", check)?;
    if url.query().is_some() {
        let cause = "the address of an issuer has no query";
        check.add(Problem::at(at.place, cause).help("write exactly what stands in the `iss` of its tokens"));
        return None;
    }
    Some(at.value.clone())
}

fn proof(written: &Written, check: &mut Check<'_>) -> Option<Proof> {
    if written.has("introspection") {
        for (useless, place) in useless_with_introspection(written) {
            let cause = format!("`{useless}` does nothing here: the issuer is asked about each token");
            check.add(
                Problem::at(place, cause)
                    .help(format!("remove `{useless}`, or remove `introspection` to check signatures here")),
            );
        }
        return introspection(written.introspection.as_ref()?, check).map(Proof::Introspection);
    }
    if !written.has("url") {
        let cause = "this issuer needs its address: tokens are matched to it by their `iss`";
        check.add(Problem::at(written.place, cause).help(
            "add `url: ` and exactly what stands in the `iss` of its tokens; or `introspection:` for tokens that say nothing by themselves",
        ));
    }
    if !written.has("keys") {
        return Some(Proof::Discovery);
    }
    let help = "write `{url: ...}` or `{file: ...}`, or remove `keys` to find them through the issuer's metadata";
    key_source(written.keys.as_ref()?, help, check).map(Proof::Keys)
}

fn useless_with_introspection(written: &Written) -> Vec<(&'static str, Place)> {
    [
        ("keys", written.keys.as_ref().map(|keys| keys.place)),
        ("types", written.types.as_ref().map(|types| types.place)),
        ("algorithms", written.algorithms.as_ref().map(|list| list.place)),
        ("stale_for", written.stale_for.as_ref().map(|at| at.place)),
        ("refetch_every", written.refetch_every.as_ref().map(|at| at.place)),
    ]
    .into_iter()
    .filter_map(|(name, place)| place.map(|place| (name, place)))
    .collect()
}

/// Where public keys are: exactly one place. `help` says what to do when none is named.
pub(super) fn key_source(written: &Keys, help: &str, check: &mut Check<'_>) -> Option<KeySource> {
    match (&written.url, &written.file) {
        (Some(url), Some(file)) => {
            let problem = Problem::at(file.place, "keys come from one place").other(url.place, "and this is another");
            check.add(problem.help("keep `url` or `file`"));
            None
        }
        (Some(url), None) => text::trusted_address(url, "a key set", check).map(KeySource::Url),
        (None, Some(file)) => key_file(file, check).map(KeySource::File),
        (None, None) => {
            if !written.has("url") && !written.has("file") {
                check.add(Problem::at(written.place, "this does not say where the keys are").help(help));
            }
            None
        }
    }
}

fn key_file(at: &At<String>, check: &mut Check<'_>) -> Option<NamedFile> {
    let path = check.path(at);
    let Some(contents) = check.read(at, "a key set")? else { return Some(NamedFile { path, contents: Vec::new() }) };
    let cause = match serde_json::from_slice::<serde_json::Value>(&contents) {
        Ok(value) => match value.get("keys").and_then(|keys| keys.as_array()) {
            Some(keys) if keys.is_empty() => format!("the key set in `{}` is empty", at.value),
            Some(keys) if keys.iter().any(|key| key.get("d").is_some()) => {
                format!("`{}` holds a private key; a key set holds public ones alone", at.value)
            }
            Some(_) => match KeySet::read(&String::from_utf8_lossy(&contents)) {
                Ok(_) => return Some(NamedFile { path, contents }),
                Err(cause) => return unusable(at, &cause, check),
            },
            None => format!("`{}` is not a key set", at.value),
        },
        Err(fault) => format!("`{}` is not JSON: line {}, column {}", at.value, fault.line(), fault.column()),
    };
    check.add(
        Problem::at(at.place, cause)
            .help("a key set is JSON of the form `{\"keys\": [{\"kty\": ...}]}`, without private keys"),
    );
    None
}

/// It is a key set, and none of its keys proves a signature here: the gateway would not start with it.
fn unusable(at: &At<String>, cause: &str, check: &mut Check<'_>) -> Option<NamedFile> {
    let cause = format!("the key set in `{}` cannot be used: {cause}", at.value);
    let help = "put in public keys for signatures: RSA of 2048 bits or more, EC P-256 or P-384, or Ed25519; not `\"use\": \"enc\"`";
    check.add(Problem::at(at.place, cause).help(help));
    None
}

fn introspection(written: &WrittenIntrospection, check: &mut Check<'_>) -> Option<Introspection> {
    let url = written.url.0.as_ref().and_then(|at| text::trusted_address(at, "introspection", check));
    let client_secret = written.client_secret.0.as_ref().and_then(|secret| secret::known(secret, check));
    let seconds = Duration::from_secs;
    let cache = written.cache.as_ref();
    let cached = |at: Option<&At<Duration>>, default| at.map_or(seconds(default), |at| at.value);
    let timeout = text::span(written.timeout.as_ref(), seconds(5), check);
    Some(Introspection {
        url: url?,
        client_id: written.client_id.0.as_ref()?.value.clone(),
        client_secret: client_secret?,
        auth: written.auth.as_ref().map_or(SecretAuth::Basic, |at| at.value),
        cache_for: cached(cache.and_then(|cache| cache.r#for.as_ref()), 60),
        cache_failures_for: cached(cache.and_then(|cache| cache.failures_for.as_ref()), 5),
        timeout,
    })
}

fn claim_paths(written: &Claims, check: &mut Check<'_>) -> ClaimPaths {
    let mut path = |at: Option<&OneOrMany<At<String>>>| at.and_then(|at| claim_path(at, check));
    ClaimPaths {
        scopes: path(written.scopes.as_ref()),
        roles: path(written.roles.as_ref()),
        subject: path(written.subject.as_ref()),
        client: path(written.client.as_ref()),
    }
}

/// `realm_access.roles`, or a list of the parts where a part has a dot in it.
fn claim_path(written: &OneOrMany<At<String>>, check: &mut Check<'_>) -> Option<Vec<String>> {
    let parts: Vec<String> = match written.items.as_slice() {
        [one] if !written.listed => one.value.split('.').map(str::to_owned).collect(),
        parts => parts.iter().map(|part| part.value.clone()).collect(),
    };
    if parts.is_empty() || parts.iter().any(String::is_empty) {
        let cause = "this path to a claim has an empty part";
        check.add(Problem::at(written.place, cause).help(
            "write `realm_access.roles`; a name with dots in it goes into a list: `[\"https://example.com/roles\"]`",
        ));
        return None;
    }
    Some(parts)
}

/// Tokens are matched to issuers by `iss`: two with one address could not be told apart.
fn same_urls(document: &Document, check: &mut Check<'_>) {
    let hosted = document.authority.as_ref().and_then(|authority| authority.issuer.0.as_ref());
    let others = document.issuers.as_ref().map_or(&[][..], |issuers| &issuers.0);
    let urls: Vec<&At<String>> =
        hosted.into_iter().chain(others.iter().filter_map(|(_, issuer)| issuer.url.as_ref())).collect();
    for (index, url) in urls.iter().enumerate() {
        if let Some(first) = urls.iter().take(index).find(|first| first.value == url.value) {
            let cause = "two issuers have this address, and tokens are matched to issuers by it";
            let help = "keep one of them; several audiences of one issuer go into a list: `audience: [a, b]`; the tokens of the authority hosted here are accepted without an entry";
            check.add(Problem::at(url.place, cause).other(first.place, "the first one").help(help));
        }
    }
}
