//! What is wrong with a file.

use std::path::Path;

use anyhow::{Error, anyhow};
use figment::error::Kind;
use proxy_fault::ParamError;

use super::{did_you_mean, nearest};

/// Explains what to write in place of an unknown key, given its place (`proxies[0].listen`). Returns `None` for keys without
/// an explanation.
pub type KeyHint = fn(place: &str) -> Option<String>;

/// Says what is wrong with a file, and where.
#[derive(Debug)]
pub struct FileErrors {
    file: String,
    hint: KeyHint,
}

impl FileErrors {
    /// Of this file.
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

    /// A problem at a place, such as `proxies[0].name`.
    pub fn at(&self, place: &str, problem: impl std::fmt::Display) -> Error {
        anyhow!("{place} in {}: {problem}", self.file)
    }

    /// A problem with a parameter of the fault at `place`.
    pub fn param(&self, place: &str, error: &ParamError) -> Error {
        self.at(&format!("{place}.{}", error.param()), error.problem())
    }

    /// An unknown key at a place such as `proxies[0].nmae`. The `known` keys are candidates for the suggestion.
    pub fn unknown_key<'a>(&self, place: &str, key: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
        let meant = || did_you_mean(nearest(key, known));
        let hint = (self.hint)(place).map_or_else(meant, |hint| format!("; {hint}"));
        self.at(place, format!("unknown key{hint}"))
    }

    /// A problem that reading found.
    ///
    /// `place`: what the error's path is below of; `keys`: what may stand there besides what the error knows.
    pub fn told(&self, error: &figment::Error, place: &str, keys: &[&str]) -> Error {
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
            Kind::UnknownField(key, known) => self.unknown_key(&path, key, known.iter().chain(keys).copied()),
            Kind::UnknownVariant(value, known) => {
                let meant = did_you_mean(nearest(value, known.iter().copied()));
                self.at(&path, format!("unknown value `{value}`: expected {}{meant}", known.join(", ")))
            }
            Kind::InvalidType(actual, expected) => {
                self.at(&path, format!("expected {}, found {actual}", in_words(expected)))
            }
            Kind::Message(problem) if path.is_empty() => anyhow!("{}: {problem}", self.file),
            Kind::MissingField(key) if path.is_empty() => anyhow!("{}: `{key}` is missing", self.file),
            Kind::MissingField(key) => self.at(&path, format!("`{key}` is missing")),
            problem => self.at(&path, problem),
        }
    }
}

/// A type that a deserializer expects, in words for users.
fn in_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list ([[…]] in TOML)",
        "a boolean" => "true or false",
        "u16" | "u32" | "u64" | "usize" => "a whole number",
        "f64" => "a number",
        other => other.strip_prefix("struct ").map_or(other, |_| "a table of keys and values"),
    }
}
