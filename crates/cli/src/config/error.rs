//! Errors in a file.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Error, Result, anyhow};
use clap::Args;
use fault_proxy_engine::ParamError;
use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::Serialized;
use figment::value::Dict;
use serde::de::DeserializeOwned;

use super::{did_you_mean, nearest};
use crate::args::flag_names;

/// The standard library's error for a text that is not an IP address.
const NOT_AN_IP: &str = "invalid IP address syntax";
const IP: &str = "an IP address, for example 127.0.0.1 or 0.0.0.0";

/// Parses an IP address of a flag.
///
/// # Errors
/// Returns an error that describes what is expected.
pub fn ip_address(text: &str) -> std::result::Result<IpAddr, String> {
    text.parse().map_err(|_| format!("expected {IP}"))
}

/// Explains what to write in place of an unknown key, given its place (`proxies[0].listen`). Returns `None` for keys without
/// an explanation.
pub type KeyHint = fn(place: &str) -> Option<String>;

/// Creates errors that name the file and the place in it.
#[derive(Debug)]
pub struct FileErrors {
    file: String,
    hint: KeyHint,
}

impl FileErrors {
    /// Creates the errors for this file.
    pub fn new(path: &Path) -> Self {
        Self { file: path.display().to_string(), hint: |_| None }
    }

    /// Adds explanations of unknown keys. They take precedence over the most similar known key.
    #[must_use]
    pub fn with_hints(mut self, hint: KeyHint) -> Self {
        self.hint = hint;
        self
    }

    /// Path of the file, as given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the error for a problem at a place, such as `proxies[0].name`.
    pub fn at(&self, place: &str, problem: impl std::fmt::Display) -> Error {
        anyhow!("{place} in {}: {problem}", self.file)
    }

    /// Returns the error for a parameter of the fault at `place`.
    pub fn param(&self, place: &str, error: &ParamError) -> Error {
        self.at(&format!("{place}.{}", error.param()), error.problem())
    }

    /// Returns the error for an unknown key at a place such as `proxies[0].nmae`. The `known` keys are candidates for the suggestion.
    pub fn unknown_key<'a>(&self, place: &str, key: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
        let meant = || did_you_mean(nearest(key, known));
        let hint = (self.hint)(place).map_or_else(meant, |hint| format!("; {hint}"));
        self.at(place, format!("unknown key{hint}"))
    }

    /// Returns the settings of one group, which have the names of its flags at the top level of the file.
    ///
    /// # Errors
    /// Returns an error that names the key if a value is invalid.
    pub fn group<G: Args + DeserializeOwned>(&self, settings: &Dict) -> Result<G> {
        let flags = flag_names::<G>();
        self.extract(settings.clone().into_iter().filter(|(key, _)| flags.contains(key)).collect(), &[])
    }

    /// Returns the settings that do not belong to a group. `keys` are the names of the settings of groups.
    ///
    /// # Errors
    /// Returns an error that names the key if a value is invalid or a key is unknown.
    pub fn rest<T: DeserializeOwned>(&self, settings: &Dict, keys: &[String]) -> Result<T> {
        let known: Vec<_> = keys.iter().map(String::as_str).collect();
        self.extract(settings.clone().into_iter().filter(|(key, _)| !keys.contains(key)).collect(), &known)
    }

    fn extract<T: DeserializeOwned>(&self, settings: Dict, known: &[&str]) -> Result<T> {
        Figment::from(Serialized::defaults(settings))
            .extract()
            .map_err(|error| self.explain(&error, "", known))
    }

    /// Converts an error of deserialization.
    ///
    /// The path of the error is relative to `place`. `keys` are further keys that are allowed there.
    pub fn explain(&self, error: &figment::Error, place: &str, keys: &[&str]) -> Error {
        let mut path = place.to_owned();
        for part in &error.path {
            if part.parse::<usize>().is_ok() {
                path.push_str(&format!("[{part}]"));
            } else {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(part);
            }
        }
        match &error.kind {
            Kind::Message(problem) if problem == NOT_AN_IP => self.at(&path, format!("expected {IP}")),
            Kind::UnknownField(key, known) => self.unknown_key(&path, key, known.iter().chain(keys).copied()),
            Kind::UnknownVariant(value, known) => {
                let meant = did_you_mean(nearest(value, known.iter().copied()));
                self.at(&path, format!("unknown value `{value}`: expected {}{meant}", known.join(", ")))
            }
            Kind::InvalidType(actual, expected) => {
                self.at(&path, format!("expected {}, found {}", in_words(expected), value_in_words(actual)))
            }
            Kind::InvalidValue(actual, expected) => {
                self.at(&path, format!("expected {}, found {}", in_words(expected), value_in_words(actual)))
            }
            Kind::Message(problem) if path.is_empty() => anyhow!("{}: {problem}", self.file),
            Kind::MissingField(key) if path.is_empty() => anyhow!("{}: `{key}` is missing", self.file),
            Kind::MissingField(key) => self.at(&path, format!("`{key}` is missing")),
            problem => self.at(&path, problem),
        }
    }
}

/// Describes a type that a deserializer expects.
fn in_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list ([…], or [[…]] for tables in TOML)",
        "a boolean" => "true or false",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "usize" => "a whole number",
        "u64" => "a whole number from 0 to 18446744073709551615",
        "IP address" => IP,
        "a string" => "text in quotes",
        "a map" => "a table of keys and values",
        "path string" => "a path in quotes",
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        "f64" => "a number",
        other if other.starts_with("struct ") => "a table of keys and values",
        other if other.starts_with("enum ") => "one of the words that --help lists",
        other => other,
    }
}

/// Describes a value that a deserializer found.
fn value_in_words(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        Actual::Map => "a table".to_owned(),
        Actual::Seq => "a list".to_owned(),
        other => other.to_string(),
    }
}
