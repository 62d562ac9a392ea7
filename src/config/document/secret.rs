//! How a secret is written: by reference or as a hash, never in clear.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::read::Read;
use crate::config::node::{Kind, Node};
use crate::config::place::{At, Place};
use crate::config::problem::{Problem, Problems};

section! {
    /// A secret by reference or as a hash; exactly one of the keys.
    Reference ("a secret") {
        /// Name of an environment variable that holds it.
        env: Option<At<String>>,
        /// File that holds it, relative to the configuration; a line break at its end does not count.
        file: Option<At<String>>,
        /// Hash of it. Of a client's: `$argon2id$...` for one that a person chose, or `sha256:` and 64 hexadecimal digits for
        /// a generated one of at least 256 random bits. Of a user's password: see there.
        hash: Option<At<String>>,
    }
}

/// A secret, as written.
#[derive(Clone, Debug)]
pub struct Secret {
    pub place: Place,
    pub form: Form,
}

#[derive(Clone, Debug)]
pub enum Form {
    Env(At<String>),
    File(At<String>),
    Hash(At<String>),
}

/// What to do instead of writing a secret in clear.
pub const ADVICE: &str = "name an environment variable (`{env: NAME}`) or a file (`{file: path}`) that holds it; and \
                          change this secret, because whoever has seen the file knows it";

impl Read for Secret {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let place = node.place;
        match &node.kind {
            Kind::Map(_) => {}
            Kind::Text(text) | Kind::Number(text) | Kind::Bool(_, text) => {
                problems.mask(place);
                problems.add(if looks_like_a_hash(text) {
                    Problem::at(place, "a hash stands here as if it were the secret itself")
                        .help("write `{hash: \"...\"}` around it")
                } else {
                    Problem::at(place, "a secret stands here in clear").help(ADVICE)
                });
                return None;
            }
            Kind::Null | Kind::List(_) => {
                problems.add(Problem::at(place, "a secret is wanted here").help(ADVICE));
                return None;
            }
        }
        let before = problems.len();
        let reference = Reference::read(node, problems)?;
        let hash = reference.hash.as_ref().map(|at| at.place);
        let forms: Vec<Form> =
            [reference.env.map(Form::Env), reference.file.map(Form::File), reference.hash.map(Form::Hash)]
                .into_iter()
                .flatten()
                .collect();
        match <[Form; 1]>::try_from(forms) {
            Ok([form]) => Some(Self { place, form }),
            Err(_) if problems.len() > before => None,
            Err(_) => {
                // It may be anything.
                hash.into_iter().for_each(|place| problems.mask(place));
                problems.add(
                    Problem::at(place, "a secret has exactly one of `env`, `file` and `hash`")
                        .help("keep the one that holds it"),
                );
                None
            }
        }
    }
}

fn looks_like_a_hash(text: &str) -> bool {
    ["$argon2", "$2a$", "$2b$", "$2y$", "$scrypt$", "$pbkdf2", "pbkdf2_", "sha256:"]
        .iter()
        .any(|it| text.starts_with(it))
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Reference::json_schema(generator)
    }
}
