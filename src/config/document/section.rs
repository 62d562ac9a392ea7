//! The two macros that define a section and a set of words once: type, reader and schema from one table.

/// Defines a section of the file: a struct whose fields are the keys. The doc text of a key is its documentation, its
/// description in the schema, and the advice when it is missing. `Must<T>` is a key that has to be there, `Option<T>` one
/// that may. `later` names keys of the language that this version refuses; `instead` keys that people look for here.
macro_rules! section {
    (
        $(#[doc = $about:expr])*
        $name:ident ($what:literal) {
            $( $(#[doc = $doc:expr])* $key:ident: $type:ty, )*
        }
        $(later [$($later:ident),* $(,)?])?
        $(instead [$($other:ident: $advice:literal),* $(,)?])?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            #[schemars(skip)]
            pub place: crate::config::place::Place,
            /// The keys that stand there, rightly written or not.
            #[schemars(skip)]
            written: Vec<(String, crate::config::place::Place)>,
            $( $(#[doc = $doc])* pub $key: $type, )*
        }

        impl $name {
            /// Where a key stands, if it does.
            pub fn place_of(&self, key: &str) -> Option<crate::config::place::Place> {
                self.written.iter().find(|(own, _)| own == key).map(|(_, place)| *place)
            }

            /// The key stands there, even if it is misspelt or what it holds could not be read.
            pub fn has(&self, key: &str) -> bool {
                self.place_of(key).is_some()
            }
        }

        impl crate::config::document::read::Read for $name {
            fn read(
                node: &crate::config::node::Node,
                problems: &mut crate::config::problem::Problems,
            ) -> Option<Self> {
                static KEYS: crate::config::document::read::Keys = crate::config::document::read::Keys {
                    what: $what,
                    known: &[$((stringify!($key), concat!($($doc),*))),*],
                    later: &[$($(stringify!($later)),*)?],
                    instead: &[$($((stringify!($other), $advice)),*)?],
                };
                let fields = crate::config::document::read::Fields::open(node, &KEYS, problems)?;
                Some(Self { place: node.place, written: fields.names(), $($key: fields.take(stringify!($key), problems)),* })
            }
        }
    };
}

/// Defines a choice between words, with those that a later version brings.
macro_rules! words {
    (
        $(#[doc = $about:expr])*
        $name:ident ($what:literal) { $($variant:ident = $word:literal),* $(,)? }
        $(later [$($later:literal),* $(,)?])?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),* }

        impl $name {
            /// As it stands in the file.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl crate::config::document::read::FromText for $name {
            const WANTED: &'static str = $what;

            fn from_text(text: &str) -> Result<Self, String> {
                match text {
                    $($word => return Ok(Self::$variant),)*
                    _ => {}
                }
                let later: &[&str] = &[$($($later),*)?];
                if later.contains(&text) {
                    return Err(format!(
                        "this version does not have `{text}` yet; it has {}",
                        crate::config::suggest::list([$($word),*].into_iter())
                    ));
                }
                Err(crate::config::suggest::not_a_word(text, $what, &[$($word),*]))
            }

            fn schema() -> schemars::Schema {
                schemars::json_schema!({ "enum": [$($word),*] })
            }
        }
    };
}
