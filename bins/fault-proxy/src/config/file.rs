use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use figment::Figment;
use figment::providers::Serialized;
use figment::value::Dict;
use proxy_cli::addr::Endpoint;
use proxy_cli::args::Time;
use proxy_cli::config::{FileErrors, given, read};
use proxy_cli::log::LogSettings;
use proxy_cli::secret::Secret;
use proxy_fault::FaultParams;
use proxy_mapping::Mapping;
use serde::{Deserialize, Serialize};

use super::hints::hint;
use crate::args::{LogArgs, Options, RunArgs};

/// What was given, each setting by the first of: a flag, a variable, the file.
#[derive(Debug)]
pub(crate) struct Config {
    pub(super) options: Options,
    /// Of flags or the variable: they replace the proxies of the file.
    pub(super) mappings: Vec<Mapping>,
    /// Of flags and variables.
    pub(super) faults: Vec<FaultParams>,
    pub(super) file: FileErrors,
    /// Of a flag or the variable: it is not written down.
    pub(super) control_token: Option<Secret>,
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

impl Record {
    /// The settings, besides proxies and their faults, in which they differ.
    pub(crate) fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let names = self.settings.keys().chain(other.settings.keys()).map(String::as_str);
        let is_other = |name: &&str| {
            !["proxies", "faults", "phases"].contains(name)
                && self.settings.get(*name) != other.settings.get(*name)
        };
        let names: BTreeSet<_> = names.filter(is_other).collect();
        names.into_iter().collect()
    }
}

/// A proxy in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { proxy = \"35432=psql://db:5432\" }")]
pub(crate) struct FileProxy {
    pub(crate) proxy: Mapping,
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) faults: Vec<Dict>,
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
    pub(crate) fn load(args: &RunArgs, log: &LogArgs) -> Result<Self> {
        let path = args.config.clone().unwrap_or_default();
        let file = FileErrors::new(&path).with_hints(hint);
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
        Ok(Self {
            options,
            mappings: args.mappings.clone(),
            faults: args.faults.0.clone(),
            file,
            control_token: args.control_token.clone(),
            record,
        })
    }

    /// What was written down of an earlier run, with its seed.
    pub(crate) fn again(record: Record, seed: u64, path: &Path, log: &LogArgs) -> Result<Self> {
        let file = FileErrors::new(path).with_hints(hint);
        let mut options: Options = Figment::from(Serialized::defaults(record.settings.clone()))
            .merge(Serialized::defaults(given(log)?))
            .extract()
            .map_err(|error| file.told(&error, "", &[]))?;
        options.seed = Some(seed);
        options.journal = None;
        // what others would change was not recorded
        options.control = Some(Endpoint(None));
        let Record { proxies: mappings, faults, .. } = record.clone();
        Ok(Self { options, mappings, faults, file, control_token: None, record })
    }

    /// The file whose proxies run, if they are those of a file.
    pub(crate) fn file_of_proxies(&self) -> Option<String> {
        let file = self.file.file();
        (self.mappings.is_empty() && !file.is_empty()).then(|| file.to_owned())
    }

    pub(crate) fn log(&self) -> LogSettings {
        let Options { log_level, log_format, ref log_file, .. } = self.options;
        LogArgs { log_level, log_format, log_file: log_file.clone() }.settings()
    }
}
