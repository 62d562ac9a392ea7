//! `authority.clients`: programs that may ask for tokens.

use url::Url;

use super::{Context, authentication, grant, lifetime, redirect, resource, scope};
use crate::config::check::{Check, cors, text};
use crate::config::document::authority::client::{Client as Written, Grant};
use crate::config::place::At;
use crate::config::plan::authority::{Client, SigningAlgorithm};
use crate::config::problem::Problem;

/// How the ids of users begin; clients must not be taken for one.
const USER_ID: &str = "usr_";

const LONGEST_ID: usize = 256;

pub(super) fn clients(context: &Context<'_>, check: &mut Check<'_>) -> Vec<Client> {
    let written = context.written.clients.as_deref().unwrap_or_default();
    let mut clients = Vec::new();
    for client in written {
        clients.extend(one(client, context, check));
    }
    same_ids(written, check);
    clients
}

fn one(written: &Written, context: &Context<'_>, check: &mut Check<'_>) -> Option<Client> {
    if let Some(id) = &written.id.0 {
        self::id(id, check);
    }
    let authentication = authentication::authentication(written, check);
    let public = authentication::is_public(written);
    let grants = grant::grants(written, check);
    let redirect_uris = redirect::uris(written.redirect_uris.as_ref(), check);
    let post_logout_redirect_uris = redirect::uris(written.post_logout_redirect_uris.as_ref(), check);
    let origins = origins(written, public, check);
    let scopes = written.scopes.as_deref().unwrap_or_default();
    scope::exist(scopes, scope::known_scopes(context.written).as_ref(), check);
    let access_tokens = lifetime::own_tokens(written.access_tokens.as_ref(), check);
    let (resource, resources) = resource::audiences(written, access_tokens, context, check);
    let refresh = lifetime::client_refresh(written, public, context.refresh_tokens, check);
    let is = |switch: &Option<At<bool>>| switch.as_ref().is_some_and(|at| at.value);
    if let (Some(id), Some(trusted)) = (&written.id.0, written.trusted.as_ref().filter(|at| at.value && public)) {
        let text = "a public client without a consent page: whoever can take its redirect URI gets tokens unasked";
        check.warn(trusted.place, format!("client `{}` is {text}", id.value));
    }
    let id = written.id.0.as_ref()?;
    let grants = grants?;
    Some(Client {
        id: id.value.clone(),
        name: written.name.as_ref().unwrap_or(id).value.clone(),
        authentication: authentication?,
        redirect_uris,
        post_logout_redirect_uris,
        origins,
        scopes: scopes.iter().map(|scope| scope.value.clone()).collect(),
        resource,
        resources,
        access_tokens,
        refresh: grants.contains(&Grant::RefreshToken).then_some(refresh),
        grants,
        id_token_algorithm: written.id_token_algorithm.as_ref().map_or(SigningAlgorithm::Rs256, |at| at.value),
        trusted: is(&written.trusted),
        may_omit_pkce: is(&written.danger_allow_missing_pkce),
    })
}

fn id(id: &At<String>, check: &mut Check<'_>) {
    let (cause, help) = if !id.value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        ("the id of a client is printable ASCII".to_owned(), "letters, digits, `-`, `_` and `.` are safe everywhere")
    } else if id.value.len() > LONGEST_ID {
        (format!("the id of a client has at most {LONGEST_ID} characters"), "write a shorter one")
    } else if id.value.starts_with(USER_ID) {
        let cause = format!("ids of users begin with `{USER_ID}`, and nobody should take this client for one");
        (cause, "choose another beginning")
    } else {
        return;
    };
    check.add(Problem::at(id.place, cause).help(help));
}

/// Those that the file names, or those of the redirect URIs of a client that runs in browsers.
fn origins(written: &Written, public: bool, check: &mut Check<'_>) -> Vec<String> {
    if let Some(list) = &written.origins {
        text::repeated(list, check);
        return list.iter().filter_map(|at| cors::origin(at, check)).collect();
    }
    let mut origins: Vec<String> = Vec::new();
    for at in written.redirect_uris.iter().flatten().filter(|_| public) {
        let origin = Url::parse(&at.value).ok().filter(|url| url.scheme() == "https").map(|url| url.origin());
        let origin = origin.map(|origin| origin.ascii_serialization());
        origins.extend(origin.filter(|origin| !origins.contains(origin)));
    }
    origins
}

fn same_ids(written: &[Written], check: &mut Check<'_>) {
    let ids: Vec<&At<String>> = written.iter().filter_map(|client| client.id.0.as_ref()).collect();
    for (index, id) in ids.iter().enumerate() {
        if let Some(first) = ids.iter().take(index).find(|first| first.value == id.value) {
            let cause = format!("there are two clients `{}`", id.value);
            check.add(
                Problem::at(id.place, cause).other(first.place, "the first one").help("give one of them another `id`"),
            );
        }
    }
}
