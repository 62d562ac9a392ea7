//! Whom tokens can be for: `resource` and `resources` of the authority and of its clients.

use url::Url;

use super::{Context, Written, lifetime, scope};
use crate::config::check::{Check, text};
use crate::config::document::authority::client::Client;
use crate::config::place::{At, Place};
use crate::config::plan::authority::{Audience, Resource, TokenChoice};
use crate::config::problem::Problem;

/// All resources with the places that define them; the first is the usual one.
pub(super) struct Resources {
    usual: Resource,
    others: Vec<Resource>,
    places: Vec<Option<Place>>,
}

impl Resources {
    pub(super) fn into_parts(self) -> (Resource, Vec<Resource>) {
        (self.usual, self.others)
    }

    fn find(&self, uri: &str) -> Option<&Resource> {
        std::iter::once(&self.usual).chain(&self.others).find(|resource| resource.uri == uri)
    }

    fn names(&self) -> scope::Known<'_> {
        let all = std::iter::once(&self.usual).chain(&self.others);
        all.zip(&self.places).map(|(resource, place)| (resource.uri.as_str(), *place)).collect()
    }
}

pub(super) fn resources(written: &Written, check: &mut Check<'_>) -> Resources {
    if let Some(at) = &written.resource {
        well_formed(at, check);
    }
    // Without an issuer there is no plan; the rest is checked all the same.
    let usual = written.resource.as_ref().or(written.issuer.0.as_ref());
    let uri = usual.map(|at| at.value.clone()).unwrap_or_default();
    let mut all = Resources {
        usual: Resource { uri, scopes: None, access_tokens: TokenChoice::default() },
        others: Vec::new(),
        places: vec![usual.map(|at| at.place)],
    };
    for (name, resource) in written.resources.iter().flat_map(|resources| &resources.0) {
        if well_formed(name, check) {
            named_twice(name, &all, check);
        }
        let scopes = resource.scopes.as_deref();
        meant_scopes(scopes.unwrap_or_default(), written, check);
        let read = Resource {
            uri: name.value.clone(),
            scopes: scopes.map(|scopes| scopes.iter().map(|at| at.value.clone()).collect()),
            access_tokens: lifetime::own_tokens(resource.access_tokens.as_ref(), check),
        };
        if read.uri == all.usual.uri {
            all.usual = read;
        } else {
            all.others.push(read);
            all.places.push(Some(name.place));
        }
    }
    all
}

/// RFC 8707: an absolute URI without a fragment.
fn well_formed(at: &At<String>, check: &mut Check<'_>) -> bool {
    let cause = match Url::parse(&at.value) {
        Ok(url) if url.fragment().is_some() => "a resource must not have a fragment",
        Ok(_) => return true,
        Err(_) => "a resource is an absolute address or URN",
    };
    check.add(Problem::at(at.place, cause).help("write for example `https://api.example.com` or `urn:example:orders`"));
    false
}

/// Two spellings of one address are one resource to every client. The usual one may be repeated letter by letter.
fn named_twice(name: &At<String>, all: &Resources, check: &mut Check<'_>) {
    let url = Url::parse(&name.value).ok();
    let same = |uri: &str| uri != name.value && Url::parse(uri).ok() == url;
    if let Some((uri, place)) = all.names().into_iter().find(|(uri, _)| same(uri)) {
        let cause = format!("this is the same resource as `{uri}`");
        let problem = Problem::at(name.place, cause).help("keep one of them, or write both in the same way");
        check.add(match place {
            Some(place) => problem.other(place, "the first one"),
            None => problem,
        });
    }
}

fn meant_scopes(scopes: &[At<String>], written: &Written, check: &mut Check<'_>) {
    scope::exist(scopes, scope::known_scopes(written).as_ref(), check);
    for at in scopes.iter().filter(|at| scope::is_built_in(&at.value)) {
        let cause = format!("`{}` means the same at every resource", at.value);
        check.add(Problem::at(at.place, cause).help("remove it here"));
    }
}

/// Whom a client's tokens can be for: the usual one, then the others. `own`: what the client says about access tokens.
pub(super) fn audiences(
    client: &Client,
    own: TokenChoice,
    context: &Context<'_>,
    check: &mut Check<'_>,
) -> (Audience, Vec<Audience>) {
    let listed = client.resources.as_deref().unwrap_or_default();
    text::repeated(listed, check);
    let tokens = |resource: &Resource| own.over(resource.access_tokens).over(context.access_tokens).settled();
    let audience = |resource: &Resource| Audience { resource: resource.uri.clone(), tokens: tokens(resource) };
    let mut known = |at: &At<String>| find(at, context.resources, check);
    let usual = client.resource.as_ref().and_then(&mut known).unwrap_or(&context.resources.usual);
    let others: Vec<&Resource> = listed.iter().filter_map(known).collect();
    if let Some(at) = listed.iter().find(|at| at.value == usual.uri) {
        let cause = format!("`{}` is what this client's tokens are for anyway", at.value);
        let problem = Problem::at(at.place, cause).help("remove it here: `resources` are those beside it");
        check.add(match client.resource.as_ref() {
            Some(own) => problem.other(own.place, "named here"),
            None => problem,
        });
    }
    let all: Vec<&Resource> = std::iter::once(usual).chain(others.iter().copied()).collect();
    scopes_mean_something(client, &all, context.written, check);
    (audience(usual), others.into_iter().map(audience).collect())
}

fn find<'r>(at: &At<String>, resources: &'r Resources, check: &mut Check<'_>) -> Option<&'r Resource> {
    if !well_formed(at, check) {
        return None;
    }
    let found = resources.find(&at.value);
    if found.is_none() {
        check.unknown_name(at, "resource", &resources.names(), "define it under `authority.resources`");
    }
    found
}

/// A scope that none of its resources knows can never be in a token of this client.
fn scopes_mean_something(client: &Client, resources: &[&Resource], written: &Written, check: &mut Check<'_>) {
    let known = scope::known_scopes(written).unwrap_or_default();
    let means = |resource: &&Resource, scope: &String| {
        resource.scopes.as_ref().is_none_or(|scopes| scopes.contains(scope)) || scope::is_built_in(scope)
    };
    for at in client.scopes.iter().flatten().filter(|at| known.iter().any(|(name, _)| *name == at.value)) {
        if !resources.iter().any(|resource| means(resource, &at.value)) {
            let cause = format!("`{}` means nothing at the resources that this client's tokens can be for", at.value);
            let help = "name the resource where it does in the client's `resources`, or add it to the `scopes` of one";
            check.add(Problem::at(at.place, cause).help(help));
        }
    }
}
