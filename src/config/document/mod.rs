//! What the user wrote, with places: one file per section. The only types that read YAML.

#[macro_use]
mod section;

pub mod authority;
pub mod issuer;
pub mod leaf;
pub mod listen;
pub mod observe;
pub mod policy;
pub mod read;
pub mod route;
pub mod secret;
pub mod shared;
pub mod shutdown;
pub mod store;
pub mod test;
pub mod upstream;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::node::{Kind, Node};
use super::place::At;
use super::problem::{Problem, Problems};
use read::{Must, Named, Read};

section! {
    /// The configuration of one gateway.
    Document ("the configuration") {
        /// Version of this language; always `1`.
        version: Must<At<u32>>,
        /// Where requests come in: a list of addresses. Example: `[{address: 127.0.0.1:8080}]`.
        listen: Must<Vec<listen::Listener>>,
        /// The private listener for metrics, health and decisions.
        admin: Option<store::Admin>,
        /// Where the gateway keeps what must survive a restart. Default: `{sqlite: portcullis.db}` beside this file.
        store: Option<store::Store>,
        /// What the gateways of a fleet count and remember together, on Redis or Valkey. Default: each for itself.
        shared: Option<shared::Shared>,
        /// The authorization server hosted here. Leave it out to accept the tokens of other issuers alone.
        authority: Option<authority::Authority>,
        /// Issuers whose tokens are accepted besides the authority's own, by names of your choice.
        issuers: Option<Named<issuer::Issuer>>,
        /// Services to forward to, by names of your choice.
        upstreams: Option<Named<upstream::Upstream>>,
        /// What holds for each route unless it says otherwise.
        defaults: Option<route::Defaults>,
        /// What may be called, and by whom. The most specific match wins, wherever it stands in the list.
        routes: Must<Vec<route::Route>>,
        /// Calls, and what this file should say to them. They run at `portcullis test` and before each reload.
        tests: Option<Vec<test::Test>>,
        /// What is written about each request.
        observe: Option<observe::Observe>,
        /// How the gateway ends.
        shutdown: Option<shutdown::Shutdown>,
    }
    instead [
        server: "listeners stand under `listen`",
        listeners: "listeners stand under `listen`",
        services: "services to forward to stand under `upstreams`",
        clients: "clients stand under `authority`",
        scopes: "scopes stand under `authority`",
        cors: "put it under `defaults` for all routes, or on one route",
        limit: "put it under `defaults` for all routes, or on one route",
        log: "put it under `observe`: `observe: {log: {format: json}}`"
    ]
}

/// Reads the whole file. `None` only if there is nothing that could be one.
pub fn read(root: Option<&Node>, problems: &mut Problems) -> Option<Document> {
    let root = root?;
    match root.kind {
        Kind::Null => {
            let help =
                "begin with `version: 1`, then `listen:` and `routes:`; the gateway.yaml of this project is an example";
            problems.add(Problem::whole("the file is empty").help(help));
            None
        }
        Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
            let cause = format!("a configuration is a map of keys, and this is {}", root.kind.noun());
            problems.add(Problem::at(root.place, cause).help("begin with `version: 1`, without `- ` before it"));
            None
        }
        Kind::Map(_) => Document::read(root, problems),
    }
}

/// JSON Schema (2020-12) of the file.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Document>().to_value();
    without_null(&mut schema);
    if let Some(map) = schema.as_object_mut() {
        map.insert("title".to_owned(), "gateway.yaml of Portcullis".into());
    }
    schema
}

/// An optional key may be left out; written without a value it is a problem, and the schema says the same.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    map.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(words)) = map.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice != &serde_json::json!({ "type": "null" }));
                if let [Value::Object(one)] = choices.as_slice() {
                    let one = one.clone();
                    map.remove("anyOf");
                    for (key, value) in one {
                        map.entry(key).or_insert(value);
                    }
                }
            }
            map.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
