//! Whom a token is for: the `resource` parameter (RFC 8707).

use super::client::Client;
use super::error::OAuthError;
use super::form::Form;
use super::issuer::Resource;
use super::settings::Settings;

const UNKNOWN: OAuthError = OAuthError::Target("a resource was named that the client may not have tokens for");

/// The one resource that a token of the client is for: the named one, or the client's own. One token is for one resource: a
/// scope need not mean the same at two of them (RFC 9068 section 5).
pub(super) fn for_client<'a>(
    form: &Form,
    client: &'a Client,
    settings: &'a Settings,
) -> Result<&'a Resource, OAuthError> {
    let asked = asked(form, client, settings)?;
    match asked.as_slice() {
        [] => Ok(usual(client, settings)),
        [one] => Ok(one),
        [_, _, ..] => Err(OAuthError::Target("a token is for one resource: ask for them one by one")),
    }
}

/// All resources that an authorization request names, each once; the client's own when it names none.
pub(super) fn for_grant<'a>(
    form: &Form,
    client: &'a Client,
    settings: &'a Settings,
) -> Result<Vec<&'a Resource>, OAuthError> {
    let asked = asked(form, client, settings)?;
    Ok(if asked.is_empty() { vec![usual(client, settings)] } else { asked })
}

/// The resource of a token that comes from a grant: one of those granted, the first when none is named (TK-05).
pub(super) fn of_grant<'a>(
    form: &Form,
    client: &'a Client,
    settings: &'a Settings,
    granted: &[String],
) -> Result<&'a Resource, OAuthError> {
    let granted_one = |resource: &Resource| granted.iter().any(|own| own == resource.as_str());
    let asked = asked(form, client, settings)?;
    match asked.as_slice() {
        [] => of_names(client, settings, granted),
        [one] if granted_one(one) => Ok(one),
        [_] => Err(OAuthError::Target("a resource was named that was not granted")),
        [_, _, ..] => Err(OAuthError::Target("a token is for one resource: ask for them one by one")),
    }
}

/// The first of the resources that were granted, as it is registered now.
pub(super) fn of_names<'a>(
    client: &'a Client,
    settings: &'a Settings,
    granted: &[String],
) -> Result<&'a Resource, OAuthError> {
    let first = granted.first().and_then(|first| Resource::new(first).ok());
    first.and_then(|first| registered(client, settings, &first)).ok_or(UNKNOWN)
}

/// What the client's tokens are for when nobody says otherwise.
pub(super) fn usual<'a>(client: &'a Client, settings: &'a Settings) -> &'a Resource {
    client.resource().unwrap_or_else(|| settings.resource())
}

fn asked<'a>(form: &Form, client: &'a Client, settings: &'a Settings) -> Result<Vec<&'a Resource>, OAuthError> {
    let mut found: Vec<&Resource> = Vec::new();
    for text in form.all("resource") {
        let asked =
            Resource::new(text).map_err(|_| OAuthError::Target("a resource is an absolute URI without fragment"))?;
        let known = registered(client, settings, &asked).ok_or(UNKNOWN)?;
        if !found.iter().any(|earlier| earlier.is(known)) {
            found.push(known);
        }
    }
    Ok(found)
}

/// The resource in the spelling in which it is registered, if the client may name it.
fn registered<'a>(client: &'a Client, settings: &'a Settings, asked: &Resource) -> Option<&'a Resource> {
    std::iter::once(usual(client, settings)).chain(&client.parts().resources).find(|own| own.is(asked))
}
