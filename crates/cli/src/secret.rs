//! Passwords, tokens and keys, which must not be shown.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use figment::value::Value;
use serde::de::{self, Unexpected};
use serde::{Deserialize, Deserializer};
use tracing::warn;

use crate::sys::is_readable_by_all;

/// A password, token or key. Logs, errors and `Debug` output do not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Warns about a file with a secret that every user of this machine may read.
pub fn warn_if_shared(path: &Path) {
    if fs::metadata(path).is_ok_and(|metadata| is_readable_by_all(&metadata)) {
        let path = path.display();
        warn!(%path, "{path}: every user of this machine may read this secret: chmod o= {path}");
    }
}

/// Does not fail, because an error would show the text.
impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Accepts a text. The error for any other value does not show the value.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = match Deserialize::deserialize(deserializer)? {
            Value::String(_, text) => return Ok(Self(text)),
            Value::Dict(..) => Unexpected::Map,
            Value::Array(..) => Unexpected::Seq,
            Value::Empty(..) => Unexpected::Unit,
            Value::Char(..) | Value::Bool(..) | Value::Num(..) => {
                return Err(de::Error::custom("a secret is a text: write it in quotes"));
            }
        };
        Err(de::Error::invalid_type(found, &"a text"))
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_shown() {
        let secret: Secret = "s3cr3t".parse().unwrap();
        assert_eq!(secret.expose(), "s3cr3t");
        assert!(!format!("{secret:?} {:#?}", Some(&secret)).contains("s3cr3t"));
        for value in [serde_json::json!(271_828), serde_json::json!(-271_828), serde_json::json!(0.271_828)] {
            let refused = serde_json::from_value::<Secret>(value).unwrap_err().to_string();
            assert!(!refused.contains("271") && refused.contains("in quotes"), "{refused}");
        }
    }
}
