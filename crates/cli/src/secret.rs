//! Passwords, tokens and keys, which must not be shown.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use serde::de::{self, Visitor};
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
        warn!("{0}: every user of this machine may read this secret: chmod o= {0}", path.display());
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
        struct Text;

        const QUOTE: &str = "a secret is a text: write it in quotes";

        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret(text.to_owned()))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom(QUOTE))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom(QUOTE))
            }

            fn visit_i128<E: de::Error>(self, _: i128) -> Result<Secret, E> {
                Err(E::custom(QUOTE))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
                Err(E::custom(QUOTE))
            }

            fn visit_u128<E: de::Error>(self, _: u128) -> Result<Secret, E> {
                Err(E::custom(QUOTE))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom(QUOTE))
            }
        }

        deserializer.deserialize_any(Text)
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
