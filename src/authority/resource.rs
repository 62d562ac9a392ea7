//! Whom a token is for: the `resource` parameter (RFC 8707).

use super::error::OAuthError;
use super::form::Form;
use super::issuer::Resource;

/// The resource that the request names, or `own`: the one its client has. A client may name no other, and one token is
/// for one resource: a scope need not mean the same at two of them (RFC 9068 section 5).
pub(super) fn asked_for<'a>(form: &Form, own: &'a Resource) -> Result<&'a Resource, OAuthError> {
    for text in form.all("resource") {
        let asked =
            Resource::new(text).map_err(|_| OAuthError::Target("a resource is an absolute URI without fragment"))?;
        if !asked.is(own) {
            return Err(OAuthError::Target("a resource was named that the client may not have tokens for"));
        }
    }
    Ok(own)
}
