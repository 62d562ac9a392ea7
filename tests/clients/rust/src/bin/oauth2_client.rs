//! crates.io's oauth2, as its documentation uses it: a public client with PKCE whose refresh token turns, an API that asks
//! about tokens, a program that acts for itself; each in another way of client authentication. Arguments: issuer, redirect
//! URI, secret, password, certificate.

use clients::{Browser, Outcome, Told, check, parameter};
use oauth2::basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse, BasicTokenType};
use oauth2::reqwest::blocking::Client;
use oauth2::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    IntrospectionUrl, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, RevocationUrl,
    Scope, StandardRevocableToken, TokenIntrospectionResponse, TokenResponse, TokenUrl,
};
use serde::Deserialize;

/// RFC 8414. The crate has no discovery of its own; its types read what stands there.
#[derive(Deserialize)]
struct Metadata {
    authorization_endpoint: AuthUrl,
    token_endpoint: TokenUrl,
    introspection_endpoint: IntrospectionUrl,
    revocation_endpoint: RevocationUrl,
}

type Known = BasicClient<EndpointSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

fn main() -> Outcome<()> {
    let told = Told::from_arguments()?;
    let http = told.http()?;
    let address = format!("{}/.well-known/oauth-authorization-server", told.issuer);
    let metadata: Metadata = serde_json::from_slice(&http.get(address).send()?.bytes()?)?;

    let spa = client(&metadata, "spa").set_redirect_uri(RedirectUrl::new(told.redirect_uri.clone())?);
    let web = client(&metadata, "web")
        .set_client_secret(ClientSecret::new(told.secret.clone()))
        .set_auth_type(AuthType::RequestBody)
        .set_redirect_uri(RedirectUrl::new(told.redirect_uri.clone())?);
    let reporting = client(&metadata, "reporting").set_client_secret(ClientSecret::new(told.secret.clone()));

    let service = acts_for_itself(&reporting, &http)?;
    check(asked(&reporting, &http, service.access_token())? == Some("reporting".to_owned()), "it knows its own token")?;

    a_public_one_turns_its_refresh_token(&spa, &reporting, &http, &told)?;
    a_confidential_one_gives_its_tokens_back(&web, &http, &told)?;

    let code = AuthorizationCode::new("pc_ac_of-nobody".to_owned());
    let wrong = web.exchange_code(code).set_pkce_verifier(PkceCodeVerifier::new("v".repeat(48))).request(&http);
    refused(wrong, BasicErrorResponseType::InvalidGrant, "a wrong code")?;
    let unknown = client(&metadata, "web").set_client_secret(ClientSecret::new("of nobody".to_owned()));
    refused(
        unknown.exchange_client_credentials().request(&http),
        BasicErrorResponseType::InvalidClient,
        "a wrong secret",
    )?;
    let much = reporting.exchange_client_credentials().add_scope(Scope::new("write".to_owned())).request(&http);
    refused(much, BasicErrorResponseType::InvalidScope, "a scope that it does not have")?;
    let other = web.exchange_client_credentials().request(&http);
    refused(other, BasicErrorResponseType::UnauthorizedClient, "a grant that it does not have")?;
    println!("oauth2 is content");
    Ok(())
}

fn client(metadata: &Metadata, id: &str) -> Known {
    BasicClient::new(ClientId::new(id.to_owned()))
        .set_auth_uri(metadata.authorization_endpoint.clone())
        .set_token_uri(metadata.token_endpoint.clone())
        .set_introspection_url(metadata.introspection_endpoint.clone())
        .set_revocation_url(metadata.revocation_endpoint.clone())
}

fn acts_for_itself(reporting: &Known, http: &Client) -> Outcome<BasicTokenResponse> {
    let read = Scope::new("read".to_owned());
    let service = reporting.exchange_client_credentials().add_scope(read.clone()).request(http)?;
    check(service.scopes() == Some(&vec![read]), "the answer names the scope")?;
    check(
        *service.token_type() == BasicTokenType::Bearer && service.expires_in().is_some(),
        "a bearer token for a time",
    )?;
    check(service.refresh_token().is_none(), "who acts for itself gets no refresh token")?;
    Ok(service)
}

/// Whose an active token is; nothing, when it is not active.
fn asked(by: &Known, http: &Client, token: &AccessToken) -> Outcome<Option<String>> {
    let said = by.introspect(token).set_token_type_hint("access_token").request(http)?;
    if !said.active() {
        return Ok(None);
    }
    let reads = said.scopes().is_some_and(|scopes| scopes.iter().any(|scope| scope.as_str() == "read"));
    check(reads && said.exp().is_some(), "introspection tells scopes and end")?;
    Ok(said.client_id().map(|id| id.to_string()))
}

fn log_in(client: &Known, http: &Client, scopes: &[&str], told: &Told) -> Outcome<BasicTokenResponse> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let scopes = scopes.iter().map(|scope| Scope::new((*scope).to_owned()));
    let request = client.authorize_url(CsrfToken::new_random).add_scopes(scopes).set_pkce_challenge(challenge);
    let (to, state) = request.url();
    let back = Browser::new(told)?.walk(&to, &told.password)?;
    check(parameter(&back, "state")? == *state.secret(), "the answer is to this request")?;
    check(parameter(&back, "iss")? == told.issuer, "the answer is from this issuer")?;
    let code = AuthorizationCode::new(parameter(&back, "code")?);
    Ok(client.exchange_code(code).set_pkce_verifier(verifier).request(http)?)
}

fn turned(client: &Known, http: &Client, token: &RefreshToken) -> Outcome<(AccessToken, RefreshToken)> {
    let fresh = client.exchange_refresh_token(token).request(http)?;
    Ok((fresh.access_token().clone(), fresh.refresh_token().ok_or("no refresh token")?.clone()))
}

fn a_public_one_turns_its_refresh_token(spa: &Known, api: &Known, http: &Client, told: &Told) -> Outcome<()> {
    let tokens = log_in(spa, http, &["offline_access", "read"], told)?;
    let first = tokens.refresh_token().ok_or("no refresh token")?;
    let (access, second) = turned(spa, http, first)?;
    check(second.secret() != first.secret(), "a public client's refresh token turns")?;
    check(turned(spa, http, first)?.1.secret() == second.secret(), "a lost answer is given again")?;
    check(asked(api, http, &access)? == Some("spa".to_owned()), "the API may ask about tokens for it")?;
    spa.revoke_token(StandardRevocableToken::from(&second))?.request(http)?;
    check(asked(api, http, &access)?.is_none(), "with the grant its access tokens are over")?;
    let again = spa.exchange_refresh_token(&second).request(http);
    refused(again, BasicErrorResponseType::InvalidGrant, "a refresh token that was given back")
}

fn a_confidential_one_gives_its_tokens_back(web: &Known, http: &Client, told: &Told) -> Outcome<()> {
    let tokens = log_in(web, http, &["read"], told)?;
    check(asked(web, http, tokens.access_token())? == Some("web".to_owned()), "a client may ask about its own token")?;
    web.revoke_token(StandardRevocableToken::from(tokens.access_token()))?.request(http)?;
    check(asked(web, http, tokens.access_token())?.is_none(), "an access token that was given back is over")
}

/// An error is one of the crate's own types, not a broken connection.
fn refused<E: std::error::Error + 'static>(
    answer: Result<BasicTokenResponse, RequestTokenError<E, BasicErrorResponse>>,
    with: BasicErrorResponseType,
    what: &str,
) -> Outcome<()> {
    match answer {
        Err(RequestTokenError::ServerResponse(said)) if *said.error() == with => Ok(()),
        other => Err(format!("{what} is not {with:?}: {other:?}").into()),
    }
}
