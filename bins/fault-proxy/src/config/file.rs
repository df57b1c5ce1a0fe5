use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Result, bail};
use clap::Args;
use fault_proxy_engine::FaultParams;
use fault_proxy_mapping::{Listen, Mapping, ParseError, Upstream};
use figment::value::Dict;
use proxy_cli::addr::Endpoint;
use proxy_cli::args::{Given, Time};
use proxy_cli::config::{FileErrors, as_file, read};
use proxy_cli::faults::FaultOptions;
use proxy_cli::log::LogArgs;
use proxy_cli::secret::Secret;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use super::hints::hint;
use crate::args::{ControlArgs, ListenerTlsArgs, Options, RunArgs, UpstreamTlsArgs, file_keys};

/// Settings of a run. Flags take precedence over variables, which take precedence over the file.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) log: LogArgs,
    pub(super) run: Options,
    pub(super) fault_options: FaultOptions,
    pub(super) upstream_tls: UpstreamTlsArgs,
    pub(super) listener_tls: ListenerTlsArgs,
    pub(super) control: ControlArgs,
    /// Proxies, faults and phases of the file.
    pub(super) tables: Tables,
    /// Mappings of flags or the variable. They replace the proxies of the file.
    pub(super) mappings: Vec<Mapping>,
    /// Faults of flags and variables.
    pub(super) faults: Vec<FaultParams>,
    pub(super) file: FileErrors,
    /// Flag or argument that names the file.
    pub(super) file_flag: &'static str,
    /// Token of the flag or the variable. The record does not contain it.
    pub(super) control_token: Option<Secret>,
    /// All settings, for the journal.
    pub(super) record: RecordedConfig,
}

/// The settings of a run as the journal stores them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RecordedConfig {
    /// Top level of a file, including what flags and variables set.
    settings: Dict,
    /// Mappings of flags or the variable.
    proxies: Vec<Mapping>,
    /// Faults of flags and variables.
    faults: Vec<FaultParams>,
}

impl RecordedConfig {
    /// Returns the names of the settings that differ, other than proxies and faults.
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
#[serde(try_from = "ProxyTable")]
pub(crate) struct FileProxy {
    pub(crate) mapping: Mapping,
    pub(crate) name: Option<String>,
    pub(crate) faults: Vec<Dict>,
}

/// A proxy as the file has it: with a mapping, or with the two sides of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { proxy = \"35432=psql://db:5432\" }")]
struct ProxyTable {
    proxy: Option<Mapping>,
    #[serde(default, deserialize_with = "parsed")]
    listen: Option<Listen>,
    #[serde(default, deserialize_with = "parsed")]
    upstream: Option<Upstream>,
    name: Option<String>,
    #[serde(default)]
    faults: Vec<Dict>,
}

impl TryFrom<ProxyTable> for FileProxy {
    type Error = &'static str;

    fn try_from(table: ProxyTable) -> Result<Self, Self::Error> {
        let ProxyTable { proxy, listen, upstream, name, faults } = table;
        let mapping = match (proxy, listen, upstream) {
            (Some(mapping), None, None) => mapping,
            (None, Some(listen), Some(upstream)) => Mapping { name: None, listen, upstream },
            (Some(_), ..) => return Err("`proxy` has both addresses: leave out `listen` and `upstream`"),
            (None, Some(_), None) => return Err("`listen` needs `upstream`, for example \"psql://db:5432\""),
            (None, None, Some(_)) => return Err("`upstream` needs `listen`, for example \"35432\""),
            (None, None, None) => {
                return Err(
                    "`proxy` is missing: set it, for example to \"35432=psql://db:5432\", or set `listen` and `upstream`",
                );
            }
        };
        Ok(Self { mapping, name, faults })
    }
}

/// Reads an address. A port can be a number.
fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err = ParseError>>(de: D) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected an address, for example \"35432\" or \"psql://db:5432\"")]
    enum Address {
        Port(u64),
        Text(String),
    }
    let text = match Address::deserialize(de)? {
        Address::Port(port) => port.to_string(),
        Address::Text(text) => text,
    };
    text.parse().map(Some).map_err(|error: ParseError| D::Error::custom(error.in_one_line()))
}

/// A phase in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Phase {
    pub(crate) name: Option<String>,
    pub(crate) duration: Option<Time>,
    /// Parameters of each fault, and optionally the name of a proxy.
    #[serde(default)]
    pub(crate) faults: Vec<Dict>,
}

/// Proxies, faults and phases, which only a file has.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tables {
    pub(super) faults: Vec<Dict>,
    pub(super) proxies: Vec<FileProxy>,
    pub(super) phases: Vec<Phase>,
}

impl Config {
    /// Reads the file if one is set.
    pub(crate) fn load(args: &RunArgs, log: &Given<LogArgs>) -> Result<Self> {
        Self::load_over(args, log, Dict::new())
    }

    /// Reads the file if one is set. It takes precedence over `defaults`.
    fn load_over(args: &RunArgs, log: &Given<LogArgs>, defaults: Dict) -> Result<Self> {
        let file = FileErrors::new(args.config.as_deref().unwrap_or(Path::new(""))).with_hints(hint);
        let mut settings: Dict = match &args.config {
            Some(path) => read(path)?.extract().map_err(|error| file.explain(&error, "", &[]))?,
            None => Dict::new(),
        };
        for (key, value) in defaults {
            settings.entry(key).or_insert(value);
        }
        let record =
            RecordedConfig { settings, proxies: args.mappings.clone(), faults: args.faults.0.clone() };
        let mut config = Self::new(record, Some(args), log, file)?;
        config.control_token.clone_from(&args.control_token);
        Ok(config)
    }

    /// As [`load`](Self::load), for `margin`, whose log has only warnings and errors by default.
    pub(crate) fn load_margin(args: &RunArgs, log: &Given<LogArgs>) -> Result<Self> {
        Self::load_over(args, log, Dict::from([("log-level".to_owned(), "warn".into())]))
    }

    /// Returns the settings of a recorded run, with its seed.
    pub(crate) fn again(
        record: RecordedConfig,
        seed: u64,
        path: &Path,
        log: &Given<LogArgs>,
    ) -> Result<Self> {
        let file = FileErrors::new(path).with_hints(hint);
        let mut config = Self::new(record, None, log, file)?;
        config.file_flag = "the journal to replay";
        config.fault_options.seed = Some(seed);
        (config.run.journal, config.run.report, config.run.junit) = (None, None, None);
        if config.mappings.is_empty()
            && config.tables.proxies.is_empty()
            && config.control.toxiproxy_config.is_none()
        {
            bail!(
                "nothing to replay: only clients of the control API created proxies, which a replay does not repeat; record a run \
                 whose proxies are set with flags or a file"
            );
        }
        // A replay does not repeat changes through the API, so it must not allow others.
        config.control.control = Some(Endpoint(None));
        config.control.metrics = None;
        Ok(config)
    }

    /// `args` is `None` if the record already contains them.
    fn new(
        mut record: RecordedConfig,
        args: Option<&RunArgs>,
        log: &Given<LogArgs>,
        file: FileErrors,
    ) -> Result<Self> {
        let all = &mut record.settings;
        Ok(Self {
            log: over(Some(log), all, &file)?,
            run: over(args.map(|args| &args.run), all, &file)?,
            fault_options: over(args.map(|args| &args.fault_options), all, &file)?,
            upstream_tls: over(args.map(|args| &args.upstream_tls), all, &file)?,
            listener_tls: over(args.map(|args| &args.listener_tls), all, &file)?,
            control: over(args.map(|args| &args.control), all, &file)?,
            tables: file.rest(all, &file_keys())?,
            mappings: record.proxies.clone(),
            faults: record.faults.clone(),
            file,
            file_flag: "--config",
            control_token: None,
            record,
        })
    }

    /// Returns the path of the file, if its proxies run.
    pub(crate) fn proxies_file(&self) -> Option<String> {
        let file = self.file.file();
        (self.mappings.is_empty() && !file.is_empty()).then(|| file.to_owned())
    }
}

/// Returns a group of settings: those of the file, overwritten by flags and variables. Updates `all` settings too.
fn over<G: Args + Serialize + DeserializeOwned>(
    given: Option<&Given<G>>,
    all: &mut Dict,
    file: &FileErrors,
) -> Result<G> {
    let mut group = file.group(all)?;
    if let Some(given) = given {
        group = given.over(group)?;
    }
    all.extend(as_file(&group)?);
    Ok(group)
}
