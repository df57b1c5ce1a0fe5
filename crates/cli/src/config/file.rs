use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Json, Yaml};
use figment::value::{Dict, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::FileErrors;
use super::Toml;
use super::table::Source;

/// Reads the file of `--config`, in the format of its extension.
///
/// # Errors
/// Returns an error if the file cannot be read or its extension is unknown. The content is checked later.
pub fn read(path: &Path) -> Result<Figment> {
    let text =
        || fs::read_to_string(path).with_context(|| format!("cannot read --config {}", path.display()));
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Figment::from(Source::new::<Toml>(text()?)),
        Some("yaml" | "yml") => Figment::from(Source::new::<Yaml>(text()?)),
        Some("json") => Figment::from(Source::new::<Json>(text()?)),
        _ => bail!("--config {}: its name must end in .toml, .yaml, .yml or .json", path.display()),
    })
}

/// Returns the settings of the file, or the default without a file.
///
/// # Errors
/// Returns an error that names the file and the key if the file cannot be read, or a key or a value in it is
/// invalid. The error does not show lines of the file, because they may contain a secret.
pub fn read_settings<T: DeserializeOwned + Default>(path: Option<&Path>) -> Result<T> {
    let Some(path) = path else { return Ok(T::default()) };
    read(path)?.extract().map_err(|mut error| {
        if let Kind::Message(problem) = &error.kind {
            error.kind = Kind::Message(without_snippet(problem));
        }
        FileErrors::new(path).explain(&error, "", &[])
    })
}

/// Removes the lines in which a parser quotes the file: an optional line number, then `|`.
fn without_snippet(problem: &str) -> String {
    let is_snippet = |line: &&str| {
        line.trim_start_matches(|c: char| c.is_ascii_digit() || c.is_whitespace()).starts_with('|')
    };
    problem.lines().filter(|line| !is_snippet(line)).collect::<Vec<_>>().join(": ")
}

/// Returns the settings as keys and values of a file, except settings without a value.
///
/// # Errors
/// Returns an error if the settings cannot be serialized.
pub fn as_file(settings: &impl Serialize) -> Result<Dict> {
    let Value::Dict(_, mut settings) = Value::serialize(settings)? else { return Ok(Dict::new()) };
    settings.retain(|_, value| match value {
        Value::Empty(..) => false,
        Value::Array(_, values) => !values.is_empty(),
        _ => true,
    });
    Ok(settings)
}
