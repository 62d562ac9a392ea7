//! A token for the client itself (RFC 6749 section 4.4): no user, no refresh token, no ID token.

use crate::authority::Authority;
use crate::authority::client::Client;
use crate::authority::error::OAuthError;
use crate::authority::form::Form;
use crate::authority::mint::{AccessToken, Grantee};
use crate::authority::{resource, scope};

/// The client stands in the token as both `sub` and `client_id` (RFC 9068 section 2.2).
pub(in crate::authority) fn token(
    authority: &Authority,
    client: &Client,
    form: &Form,
) -> Result<AccessToken, OAuthError> {
    let scope = scope::for_client_itself(form.one("scope"), client)?;
    let own = client.resource().unwrap_or(&authority.settings.resource);
    let resource = resource::asked_for(form, own)?;
    authority.mint(Grantee { client, subject: client.id(), scope, resource })
}
