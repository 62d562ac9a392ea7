//! Where an issuer publishes its keys, and what it publishes there.

use std::time::Duration;

use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde::Deserialize;
use url::Url;

use crate::dial::client::{Answer, Client};
use crate::token::issuer::{check_address, is_loopback};
use crate::token::jwt::KeySet;
use crate::token::jwt::jwk::Reading;

/// A usable key set as it was found.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) document: String,
    pub(super) reading: Reading,
    /// What `Cache-Control` says; zero for `no-store` and `no-cache`.
    pub(super) max_age: Option<Duration>,
}

/// Fetches and reads the key set at `address`. Whatever is not a usable key set is an error with its cause.
pub(super) async fn key_set(client: &Client, address: &str) -> Result<Fetched, String> {
    let answer = get(client, address).await?;
    let max_age = max_age(&answer);
    let document = String::from_utf8(answer.body.to_vec()).map_err(|_| format!("{address}: it is not text"))?;
    let reading = KeySet::read(&document).map_err(|cause| format!("{address}: {cause}"))?;
    Ok(Fetched { document, reading, max_age })
}

/// The `jwks_uri` of the issuer's metadata, which must name the issuer exactly (RFC 8414 section 3.3).
pub(super) async fn discover(client: &Client, issuer: &str) -> Result<String, String> {
    let [openid, oauth] = metadata_addresses(issuer)?;
    match metadata(client, &openid).await {
        Ok(found) => found.key_set_address(issuer),
        Err(first) => match metadata(client, &oauth).await {
            Ok(found) => found.key_set_address(issuer),
            Err(second) => Err(format!("{first}; {second}")),
        },
    }
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

async fn metadata(client: &Client, address: &str) -> Result<Metadata, String> {
    let answer = get(client, address).await?;
    serde_json::from_slice(&answer.body).map_err(|_| format!("{address}: it is no metadata of an issuer"))
}

impl Metadata {
    fn key_set_address(self, issuer: &str) -> Result<String, String> {
        if self.issuer != issuer {
            let named: String = self.issuer.chars().take(200).flat_map(char::escape_default).collect();
            return Err(format!("its metadata names another issuer, `{named}`"));
        }
        check_address(&self.jwks_uri).map_err(|cause| format!("its `jwks_uri` is refused: {cause}"))?;
        // An issuer out there has no business to send us to a service of this machine.
        let is_here = |address: &str| Url::parse(address).is_ok_and(|url| is_loopback(&url));
        if is_here(&self.jwks_uri) && !is_here(issuer) {
            return Err("its `jwks_uri` is refused: it leads to this machine".to_owned());
        }
        Ok(self.jwks_uri)
    }
}

/// OpenID Connect Discovery section 4 appends, RFC 8414 section 3.1 inserts before the path.
fn metadata_addresses(issuer: &str) -> Result<[String; 2], String> {
    let url = Url::parse(issuer).map_err(|fault| format!("`{issuer}` is not a URL: {fault}"))?;
    let path = url.path().trim_end_matches('/');
    let origin = url.origin().ascii_serialization();
    Ok([
        format!("{origin}{path}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ])
}

async fn get(client: &Client, address: &str) -> Result<Answer, String> {
    let answer = client.get(address).await.map_err(|fault| format!("{address}: {fault}"))?;
    if answer.status != StatusCode::OK {
        return Err(format!("{address}: it answered {}", answer.status.as_u16()));
    }
    Ok(answer)
}

fn max_age(answer: &Answer) -> Option<Duration> {
    let lines = answer.headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directives = lines.flat_map(|line| line.split(',')).map(|part| part.trim().to_ascii_lowercase());
    let spans = directives.filter_map(|directive| match directive.split_once('=') {
        Some(("max-age", secs)) => secs.trim_matches('"').parse().ok().map(Duration::from_secs),
        None if directive == "no-store" || directive == "no-cache" => Some(Duration::ZERO),
        Some(_) | None => None,
    });
    spans.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(issuer: &str, expected: [&str; 2]) {
        assert_eq!(metadata_addresses(issuer).unwrap(), expected);
    }

    #[test]
    fn metadata_is_looked_for_at_both_well_known_places() {
        check(
            "https://id.example",
            [
                "https://id.example/.well-known/openid-configuration",
                "https://id.example/.well-known/oauth-authorization-server",
            ],
        );
        check(
            "https://id.example:8443/realms/corp/",
            [
                "https://id.example:8443/realms/corp/.well-known/openid-configuration",
                "https://id.example:8443/.well-known/oauth-authorization-server/realms/corp",
            ],
        );
    }

    fn check_metadata(issuer: &str, named: &str, jwks_uri: &str, expected: Result<(), &str>) {
        let metadata = Metadata { issuer: named.to_owned(), jwks_uri: jwks_uri.to_owned() };
        match (metadata.key_set_address(issuer), expected) {
            (Ok(address), Ok(())) => assert_eq!(address, jwks_uri),
            (Err(cause), Err(part)) => assert!(cause.contains(part), "{cause}"),
            (found, _) => panic!("{issuer} {named} {jwks_uri}: {found:?}"),
        }
    }

    #[test]
    fn metadata_must_name_the_issuer_exactly_and_lead_to_a_safe_place() {
        let corp = "https://id.example";
        check_metadata(corp, corp, "https://keys.example/jwks", Ok(()));
        check_metadata(corp, "https://id.example/", "https://keys.example/jwks", Err("another issuer"));
        check_metadata(corp, "HTTPS://id.example", "https://keys.example/jwks", Err("another issuer"));
        check_metadata(corp, corp, "http://keys.example/jwks", Err("must be https"));
        check_metadata(corp, corp, "file:///etc/passwd", Err("must be https"));
        check_metadata(corp, corp, "http://169.254.169.254/jwks", Err("must be https"));
        check_metadata(corp, corp, "http://127.0.0.1:9090/jwks", Err("this machine"));
        check_metadata(corp, corp, "https://[::1]/jwks", Err("this machine"));
        let local = "http://127.0.0.1:8080";
        check_metadata(local, local, "http://127.0.0.1:8080/jwks", Ok(()));
        check_metadata(local, local, "http://localhost:8080/jwks", Ok(()));
    }
}
