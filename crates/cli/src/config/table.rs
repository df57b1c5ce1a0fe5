//! Parsing of files. A key must not occur twice in a table.

use std::fmt;

use figment::providers::Format;
use figment::value::{Dict, Empty, Value};
use figment::{Error, Metadata, Profile, Provider, value::Map};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The text of a file with its parser.
#[derive(Debug)]
pub(super) struct Source {
    text: String,
    parse: fn(&str) -> Result<Dict, String>,
}

impl Source {
    /// Creates a source in the format `F`. An empty text is an empty table.
    pub(super) fn new<F: Format>(text: String) -> Self {
        let parse = |text: &str| match F::from_str::<Node>(text) {
            // The JSON parser rejects an empty text.
            _ if text.trim().is_empty() => Ok(Dict::new()),
            Ok(Node(Value::Dict(_, table))) => Ok(table),
            Ok(Node(Value::Empty(..))) => Ok(Dict::new()),
            Ok(_) => Err("expected a table of keys and values, such as `proxies`".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Self { text, parse }
    }
}

impl Provider for Source {
    fn metadata(&self) -> Metadata {
        Metadata::default()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        (self.parse)(&self.text).map(|table| Profile::Default.collect(table)).map_err(Error::from)
    }
}

fn out_of_range(number: impl fmt::Display) -> String {
    format!("{number} is out of range: expected a number from {} to {}", i64::MIN, u64::MAX)
}

/// A value whose tables have each key once. JSON and YAML parsers accept a repeated key and drop its first value.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes).map(Self)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        Err(E::custom(out_of_range(value)))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        Err(E::custom(out_of_range(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Empty::Unit.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Node(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut table = Dict::new();
        while let Some(key) = entries.next_key::<String>()? {
            if table.contains_key(&key) {
                return Err(de::Error::custom(format!("remove the duplicate key `{key}`")));
            }
            table.insert(key, entries.next_value::<Node>()?.0);
        }
        Ok(table.into())
    }
}
