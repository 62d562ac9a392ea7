//! Reads JSON that can be read in one way only.
//!
//! serde_json lets the last of two members of one name win; others let the first one win. A token that says two things is
//! refused instead, at any depth.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// One JSON object and nothing after it. The error says what is wrong in plain words and never quotes the text.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>, &'static str> {
    match serde_json::from_slice::<Unique>(text) {
        Ok(Unique(Value::Object(members))) => Ok(members),
        Ok(_) => Err("not a JSON object"),
        Err(fault) if fault.is_data() => Err("a JSON object has two members of one name"),
        Err(_) => Err("not JSON"),
    }
}

/// A value without two members of one name in it.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Unique, E> {
        Ok(Unique(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Unique, E> {
        Ok(Unique(Value::Bool(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Unique, E> {
        Ok(Unique(Value::Number(value.into())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Unique, E> {
        Ok(Unique(Value::Number(value.into())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Unique, E> {
        Ok(Unique(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Unique, E> {
        Ok(Unique(Value::String(value.to_owned())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Unique, E> {
        Ok(Unique(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Unique(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Unique(value) = members.next_value()?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("two members of one name"));
            }
        }
        Ok(Unique(Value::Object(map)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<usize, &str>) {
        match (object(text.as_bytes()), expected) {
            (Ok(members), Ok(count)) => assert_eq!(members.len(), count, "{text}"),
            (Err(fault), Err(part)) => assert!(fault.contains(part), "{text}: {fault}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn an_object_reads_as_serde_json_reads_it() {
        let text = r#"{"a":[1,-2,3.5,null,true,"x"],"b":{"c":{}}}"#;
        assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn two_members_of_one_name_are_refused_at_any_depth() {
        check(r#"{"a":1,"b":2}"#, Ok(2));
        check(r#"{"a":1,"a":1}"#, Err("two members"));
        check(r#"{"a":{"b":1,"b":2}}"#, Err("two members"));
        check(r#"{"a":[{"b":1,"\u0062":2}]}"#, Err("two members"));
    }

    #[test]
    fn only_one_object_is_read() {
        for text in ["", "{", "{} {}", "{}x", "<html>", r#"{"a":01}"#, r#"{"a":NaN}"#, "{\"a\":1e999}", "\u{feff}{}"] {
            check(text, Err("not JSON"));
        }
        for text in ["[]", "1", "\"x\"", "null"] {
            check(text, Err("not a JSON object"));
        }
        check(&format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)), Err("not JSON"));
    }
}
