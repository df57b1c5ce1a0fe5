use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use figment::Figment;
use figment::providers::{Format, Json, Serialized, Toml, Yaml};
use figment::value::{Dict, Value};
use proxy_fault::FaultParams;
use proxy_mapping::Mapping;
use serde::{Deserialize, Serialize};

use super::error::FileErrors;
use crate::args::{LogArgs, Options, RunArgs, Time};

/// What was given, each setting by the first of: a flag, a variable, the file.
#[derive(Debug)]
pub(crate) struct Config {
    pub(super) options: Options,
    /// Of flags or the variable: they replace the proxies of the file.
    pub(super) mappings: Vec<Mapping>,
    /// Of flags and variables.
    pub(super) faults: Vec<FaultParams>,
    pub(super) file: FileErrors,
    /// All of it, to be written down.
    pub(super) record: Record,
}

/// What was given, as it can be written down and given again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// As in a file, flags and variables included.
    settings: Dict,
    /// Of flags or the variable.
    proxies: Vec<Mapping>,
    /// Of flags and variables.
    faults: Vec<FaultParams>,
}

/// A proxy in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileProxy {
    pub(crate) proxy: Mapping,
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) faults: Vec<FaultParams>,
}

/// A phase in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Phase {
    pub(crate) name: Option<String>,
    pub(crate) duration: Option<Time>,
    /// Each the parameters of a fault, and perhaps a proxy's name.
    #[serde(default)]
    pub(crate) faults: Vec<Dict>,
}

impl Config {
    /// Reads the file, if there is one.
    pub(crate) fn load(args: RunArgs, log: &LogArgs) -> Result<Self> {
        let path = args.config.unwrap_or_default();
        let file = FileErrors::new(&path);
        let settings = if path == PathBuf::new() { Figment::new() } else { read(&path)? };
        let settings = settings
            .merge(Serialized::defaults(given(&args.options)?))
            .merge(Serialized::defaults(given(log)?));
        let told = |error| file.told(&error, "", &[]);
        let record = Record {
            settings: settings.extract().map_err(told)?,
            proxies: args.mappings.clone(),
            faults: args.faults.0.clone(),
        };
        let options = settings.extract().map_err(told)?;
        Ok(Self { options, mappings: args.mappings, faults: args.faults.0, file, record })
    }

    /// What was written down of an earlier run, with its seed.
    pub(crate) fn again(record: Record, seed: u64, path: &Path, log: &LogArgs) -> Result<Self> {
        let file = FileErrors::new(path);
        let mut options: Options = Figment::from(Serialized::defaults(record.settings.clone()))
            .merge(Serialized::defaults(given(log)?))
            .extract()
            .map_err(|error| file.told(&error, "", &[]))?;
        options.seed = Some(seed);
        options.journal = None;
        let Record { proxies: mappings, faults, .. } = record.clone();
        Ok(Self { options, mappings, faults, file, record })
    }

    pub(crate) fn log(&self) -> LogArgs {
        let Options { log_level, log_format, ref log_file, .. } = self.options;
        LogArgs { log_level, log_format, log_file: log_file.clone() }
    }
}

fn read(path: &Path) -> Result<Figment> {
    let text =
        || fs::read_to_string(path).with_context(|| format!("cannot read --config {}", path.display()));
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Figment::from(Toml::string(&text()?)),
        Some("yaml" | "yml") => Figment::from(Yaml::string(&text()?)),
        Some("json") => Figment::from(Json::string(&text()?)),
        _ => bail!("--config {}: its name must end in .toml, .yaml, .yml or .json", path.display()),
    })
}

/// Without what was not given.
fn given(args: &impl Serialize) -> Result<Dict> {
    let Value::Dict(_, mut settings) = Value::serialize(args)? else { return Ok(Dict::new()) };
    settings.retain(|_, value| match value {
        Value::Empty(..) => false,
        Value::Array(_, values) => !values.is_empty(),
        _ => true,
    });
    Ok(settings)
}
