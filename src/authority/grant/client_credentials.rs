//! A token for the client itself (RFC 6749 section 4.4): no user, no refresh token, no ID token.

use crate::authority::Authority;
use crate::authority::client::Client;
use crate::authority::error::OAuthError;
use crate::authority::form::Form;
use crate::authority::mint::Grantee;
use crate::authority::token::Tokens;
use crate::authority::{resource, scope};

/// The client stands in the token as both `sub` and `client_id` (RFC 9068 section 2.2).
pub(in crate::authority) async fn tokens(
    authority: &Authority,
    client: &Client,
    form: &Form,
) -> Result<Tokens, OAuthError> {
    let settings = &authority.settings;
    let scope = scope::for_client_itself(form.one("scope"), client)?;
    let resource = resource::for_client(form, client, settings)?;
    let scope = scope::at(resource, scope, settings);
    if scope.is_empty() {
        return Err(OAuthError::Scope("none of the scopes means anything at that resource"));
    }
    let grantee = Grantee { client, subject: client.id(), scope, resource, grant: None, roles: &[] };
    Ok(Tokens::for_client(client, authority.mint(grantee).await?))
}
