//! TOML for figment. Its own feature `toml` requires a version of the crate that also edits documents, which takes three times as long to
//! build.

use figment::providers::Format;
use serde::de::DeserializeOwned;

/// The format TOML.
#[derive(Debug)]
pub struct Toml;

impl Format for Toml {
    type Error = toml::de::Error;

    const NAME: &'static str = "TOML";

    fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Self::Error> {
        toml::from_str(text)
    }
}
