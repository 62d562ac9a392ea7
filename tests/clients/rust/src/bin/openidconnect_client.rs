//! crates.io's openidconnect, as its documentation uses it: discovery, code flow with PKCE and nonce, ID token verified by
//! the crate, userinfo, refresh, introspection, revocation, logout. Arguments: issuer, redirect URI, secret, password, certificate.

use clients::{Browser, Outcome, Told, check, parameter};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGrantType, CoreIdToken, CoreIdTokenClaims, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::reqwest::blocking::Client;
use openidconnect::{
    AccessTokenHash, AdditionalProviderMetadata, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndSessionUrl,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IntrospectionUrl, IssuerUrl, LogoutRequest, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadata, RedirectUrl,
    RequestTokenError, RevocationUrl, Scope, TokenIntrospectionResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};

/// What Discovery alone does not know: the endpoints of RFC 7009, RFC 7662 and RP-Initiated Logout.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct More {
    revocation_endpoint: RevocationUrl,
    introspection_endpoint: IntrospectionUrl,
    end_session_endpoint: EndSessionUrl,
}

impl AdditionalProviderMetadata for More {}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Web = CoreClient<EndpointSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointMaybeSet, EndpointMaybeSet>;

fn main() -> Outcome<()> {
    let told = Told::from_arguments()?;
    let http = told.http()?;
    let metadata = Metadata::discover(&IssuerUrl::new(told.issuer.clone())?, &http)?;
    let more = metadata.additional_metadata().clone();
    let id = ClientId::new("web".to_owned());
    let web: Web = CoreClient::from_provider_metadata(metadata, id, Some(ClientSecret::new(told.secret.clone())))
        .set_redirect_uri(RedirectUrl::new(told.redirect_uri.clone())?)
        .set_revocation_url(more.revocation_endpoint)
        .set_introspection_url(more.introspection_endpoint);

    let mut browser = Browser::new(&told)?;
    let (tokens, nonce) = log_in(&web, &http, &mut browser, &told.password)?;
    let (claims, _) = verified(&web, &tokens, &nonce)?;
    let request = web.user_info(tokens.access_token().clone(), Some(claims.subject().clone()))?;
    let who: CoreUserInfoClaims = request.request(&http)?;
    check(who.email().is_some_and(|email| email.as_str() == "alice@example.com"), "userinfo knows her address")?;
    check(who.preferred_username().is_some_and(|name| name.as_str() == "alice"), "userinfo knows her name")?;

    let id_token = renew_and_give_back(&web, &http, &tokens, &claims)?;
    errors_are_typed(&web, &http)?;

    let bye = format!("{}/bye", told.redirect_uri);
    let leave = LogoutRequest::from(more.end_session_endpoint)
        .set_id_token_hint(&id_token)
        .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(bye.clone())?)
        .set_state(CsrfToken::new("gone".to_owned()))
        .http_get_url();
    let left = browser.get(leave.as_str())?.to;
    check(left == Some(format!("{bye}?state=gone")), &format!("signed out: {left:?}"))?;
    println!("openidconnect is content");
    Ok(())
}

fn log_in(web: &Web, http: &Client, browser: &mut Browser, password: &str) -> Outcome<(CoreTokenResponse, Nonce)> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = web
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .set_pkce_challenge(challenge);
    for scope in ["profile", "email", "offline_access", "read"] {
        request = request.add_scope(Scope::new(scope.to_owned()));
    }
    let (to, state, nonce) = request.url();
    let back = browser.walk(&to, password)?;
    check(parameter(&back, "state")? == *state.secret(), "the answer is to this request")?;
    let code = AuthorizationCode::new(parameter(&back, "code")?);
    Ok((web.exchange_code(code)?.set_pkce_verifier(verifier).request(http)?, nonce))
}

/// The ID token of an answer and what it says, when the crate finds nothing wrong with it: signature by the published keys,
/// issuer, audience, time, nonce, and that it belongs to the access token.
fn verified(web: &Web, tokens: &CoreTokenResponse, nonce: &Nonce) -> Outcome<(CoreIdTokenClaims, CoreIdToken)> {
    let id_token = tokens.id_token().ok_or("no ID token")?;
    let verifier = web.id_token_verifier();
    let claims = id_token.claims(&verifier, nonce)?;
    check(id_token.claims(&verifier, &Nonce::new_random()).is_err(), "it is good for its own nonce alone")?;
    if let Some(expected) = claims.access_token_hash() {
        let (algorithm, key) = (id_token.signing_alg()?, id_token.signing_key(&verifier)?);
        let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key)?;
        check(hash == *expected, "it belongs to the access token")?;
    }
    Ok((claims.clone(), id_token.clone()))
}

/// Refresh, introspection, revocation; the newest ID token.
fn renew_and_give_back(
    web: &Web,
    http: &Client,
    tokens: &CoreTokenResponse,
    claims: &CoreIdTokenClaims,
) -> Outcome<CoreIdToken> {
    let refresh_token = tokens.refresh_token().ok_or("no refresh token")?;
    let fresh: CoreTokenResponse = web.exchange_refresh_token(refresh_token)?.request(http)?;
    check(fresh.access_token().secret() != tokens.access_token().secret(), "the access token is a new one")?;
    // The ID token of a refresh need not repeat the nonce (OpenID Connect Core 12.2).
    let id_token = fresh.id_token().ok_or("no ID token at refresh")?;
    let renewed = id_token.claims(&web.id_token_verifier(), |_: Option<&Nonce>| Ok(()))?;
    check(renewed.subject() == claims.subject(), "she is still alice")?;

    let active = |token| -> Outcome<bool> { Ok(web.introspect(token).request(http)?.active()) };
    check(active(fresh.access_token())?, "it is active")?;
    let given_back = fresh.refresh_token().unwrap_or(refresh_token);
    web.revoke_token(given_back.clone().into())?.request(http)?;
    check(!active(fresh.access_token())?, "it is revoked")?;
    match web.exchange_refresh_token(given_back)?.request(http) {
        Err(RequestTokenError::ServerResponse(said)) => {
            check(*said.error() == CoreErrorResponseType::InvalidGrant, "what was given back is good for nothing")?;
        }
        other => return Err(format!("a revoked refresh token: {other:?}").into()),
    }
    Ok(id_token.clone())
}

fn errors_are_typed(web: &Web, http: &Client) -> Outcome<()> {
    let verifier = PkceCodeVerifier::new("v".repeat(48));
    let code = AuthorizationCode::new("pc_ac_of-nobody".to_owned());
    match web.exchange_code(code)?.set_pkce_verifier(verifier).request(http) {
        Err(RequestTokenError::ServerResponse(said)) => {
            check(*said.error() == CoreErrorResponseType::InvalidGrant, "a wrong code is an invalid grant")?;
        }
        other => return Err(format!("a wrong code: {other:?}").into()),
    }
    match web.exchange_client_credentials()?.request(http) {
        Err(RequestTokenError::ServerResponse(said)) => {
            check(*said.error() == CoreErrorResponseType::UnauthorizedClient, "a grant that it does not have")
        }
        other => Err(format!("a grant that it does not have: {other:?}").into()),
    }
}
