//! `when`: conditions in CEL, compiled and checked when the file is loaded, evaluated per request.
//!
//! The names are those of the contract: `token.subject client issuer scopes roles claims`, `request.method path host
//! headers query`, `path.NAME`, `peer.address`. A token's claims are converted once per token. An expression that fails,
//! or that yields anything but a boolean, refuses.

mod check;
mod seen;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Env, Program, Value};
use http::header::{AUTHORIZATION, COOKIE};

use super::table::Params;
use super::{Caller, Head};
use crate::token::Claims;

pub use check::ConditionFault;

/// A compiled expression.
pub struct Condition {
    text: Arc<str>,
    program: Program,
    /// The standard functions; making them takes longer than a whole request.
    functions: Arc<Env>,
    uses: Uses,
}

/// Which names an expression reads; only those are made for it.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    token: bool,
    request: bool,
    path: bool,
    peer: bool,
}

/// A token's claims as conditions see them.
#[derive(Clone)]
pub struct Converted(Value);

impl Condition {
    /// Compiles and checks. `params` are the `{name}`s of the route's path; `anonymous` says that there is no token.
    pub fn compile(text: &str, params: &[Arc<str>], anonymous: bool) -> Result<Self, ConditionFault> {
        let program = Program::compile(text).map_err(|errors| check::unreadable(&errors))?;
        check::check(&program, params, anonymous)?;
        let references = program.references();
        let uses = Uses {
            token: references.has_variable("token"),
            request: references.has_variable("request"),
            path: references.has_variable("path"),
            peer: references.has_variable("peer"),
        };
        drop(references);
        Ok(Self { text: text.into(), program, functions: Arc::new(Env::stdlib()), uses })
    }

    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether it holds; the error says why that cannot be known.
    pub fn holds(&self, caller: &Caller, head: &Head<'_>, params: &Params) -> Result<bool, Arc<str>> {
        let mut context = Context::with_env(Arc::clone(&self.functions));
        if self.uses.token
            && let Caller::Known(identity) = caller
        {
            let Converted(token) = identity.converted.get_or_init(|| Converted::of(&identity.claims));
            context.add_variable_from_value("token", token.clone());
        }
        if self.uses.request {
            context.add_variable_from_value("request", request(head));
        }
        if self.uses.path {
            let values = params.0.iter().map(|(name, value)| (&**name, text(value)));
            context.add_variable_from_value("path", map(values));
        }
        if self.uses.peer {
            context.add_variable_from_value("peer", map([("address", text(&head.client.to_string()))]));
        }
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err("it does not yield true or false".into()),
            Err(fault) => Err(fault.to_string().into()),
        }
    }
}

impl Condition {
    /// What the names that it reads were, for whoever asks why it did not hold.
    pub fn seen(&self, caller: &Caller, head: &Head<'_>, params: &Params) -> Arc<str> {
        seen::seen(self.program.expression(), caller, head, params).into()
    }
}

impl Converted {
    fn of(claims: &Claims) -> Self {
        let list = |items: &[Arc<str>]| Value::List(Arc::new(items.iter().map(|item| text(item)).collect()));
        let maybe = |item: &Option<Arc<str>>| item.as_deref().map_or(Value::Null, text);
        let all = cel::to_value(&claims.all).unwrap_or(Value::Null);
        Self(map([
            ("subject", maybe(&claims.subject)),
            ("client", maybe(&claims.client)),
            ("issuer", text(&claims.issuer)),
            ("scopes", list(&claims.scopes)),
            ("roles", list(&claims.roles)),
            ("claims", all),
        ]))
    }
}

/// Header names are lower case; credentials are left out. The query is decoded. Of a header or a name of the query that
/// comes more than once the values are joined by `, ` (RFC 9110 section 5.3), so that a rule sees all of them: which one
/// the upstream takes cannot be known.
fn request(head: &Head<'_>) -> Value {
    let mut headers: HashMap<String, String> = HashMap::new();
    for (name, value) in head
        .headers
        .iter()
        .filter(|(name, _)| *name != AUTHORIZATION.as_str().as_bytes() && *name != COOKIE.as_str().as_bytes())
    {
        join(&mut headers, String::from_utf8_lossy(name).into_owned(), &String::from_utf8_lossy(value));
    }
    let mut query: HashMap<String, String> = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(head.query.unwrap_or("").as_bytes()) {
        join(&mut query, name.into_owned(), &value);
    }
    let all = |found: HashMap<String, String>| map(found.into_iter().map(|(name, value)| (name, text(&value))));
    map([
        ("method", text(head.method.as_str())),
        ("path", text(head.path)),
        ("host", text(head.host)),
        ("headers", all(headers)),
        ("query", all(query)),
    ])
}

/// What stands between two values of one name.
const BETWEEN: &str = ", ";

fn join(found: &mut HashMap<String, String>, name: String, value: &str) {
    match found.entry(name) {
        Entry::Vacant(free) => {
            free.insert(value.to_owned());
        }
        Entry::Occupied(mut all) => {
            all.get_mut().push_str(BETWEEN);
            all.get_mut().push_str(value);
        }
    }
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (Key::String(Arc::new(key.into())), value));
    Value::Map(Map { map: Arc::new(entries.collect()) })
}

#[cfg(test)]
mod tests;
