//! What is wrong with a file.

use std::path::Path;

use anyhow::{Error, anyhow};
use figment::error::Kind;
use proxy_fault::ParamError;

/// Below this, two words have little in common.
const ALIKE: f64 = 0.8;

/// Says what is wrong with a file, and where.
#[derive(Debug)]
pub struct FileErrors {
    file: String,
}

impl FileErrors {
    /// Of this file.
    pub fn new(path: &Path) -> Self {
        Self { file: path.display().to_string() }
    }

    /// A problem at a place, such as `proxies[0].name`.
    pub fn at(&self, place: &str, problem: impl std::fmt::Display) -> Error {
        anyhow!("{place} in {}: {problem}", self.file)
    }

    /// A problem with a parameter of the fault at `place`.
    pub fn param(&self, place: &str, error: &ParamError) -> Error {
        self.at(&format!("{place}.{}", error.param()), error.problem())
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
            Kind::UnknownField(key, known) => {
                let meant = nearest(key, known.iter().chain(keys).copied());
                self.at(&path, format!("unknown key{}", did_you_mean(meant)))
            }
            Kind::Message(problem) if path.is_empty() => anyhow!("{}: {problem}", self.file),
            Kind::MissingField(key) if path.is_empty() => anyhow!("{}: `{key}` is missing", self.file),
            Kind::MissingField(key) => self.at(&path, format!("`{key}` is missing")),
            problem => self.at(&path, problem),
        }
    }
}

/// The question, to stand at the end of a message.
pub fn did_you_mean(word: Option<&str>) -> String {
    word.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
}

/// The word that was probably meant.
pub fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    words
        .into_iter()
        .map(|word| (strsim::jaro_winkler(written, word), word))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, word)| word)
}
