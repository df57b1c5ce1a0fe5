use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use figment::Figment;
use figment::providers::{Format, Json, Toml, Yaml};
use figment::value::{Dict, Value};
use serde::Serialize;

/// Reads the file of `--config`, in the format that its name says.
///
/// # Errors
/// When it cannot be read or its name says no format; what it holds is looked at later.
pub fn read(path: &Path) -> Result<Figment> {
    let text =
        || fs::read_to_string(path).with_context(|| format!("cannot read --config {}", path.display()));
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Figment::from(Toml::string(&text()?)),
        Some("yaml" | "yml") => Figment::from(Yaml::string(&text()?)),
        Some("json") => Figment::from(Json::string(&text()?)),
        _ => bail!("--config {}: its name must end in .toml, .yaml, .yml or .json", path.display()),
    })
}

/// What the arguments say, without what was not given.
///
/// # Errors
/// When they cannot be serialized.
pub fn given(args: &impl Serialize) -> Result<Dict> {
    let Value::Dict(_, mut settings) = Value::serialize(args)? else { return Ok(Dict::new()) };
    settings.retain(|_, value| match value {
        Value::Empty(..) => false,
        Value::Array(_, values) => !values.is_empty(),
        _ => true,
    });
    Ok(settings)
}
