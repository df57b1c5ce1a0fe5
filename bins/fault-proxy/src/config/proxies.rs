//! Proxies of flags, variables and the file, with their names and faults.

use std::io::{IsTerminal, stdin};
use std::time::Duration;

use anyhow::{Result, bail};
use fault_proxy_control::proxies::protocol_of;
use fault_proxy_mapping::{Host, Mapping, ProxyName, Scheme};
use proxy_cli::addr::Endpoint;
use proxy_cli::faults::from_flags;
use proxy_cli::terminal::escape_control;

use super::faults::{self, ConfiguredFault, LocatedFault};
use super::file::{Config, FileProxy};
use super::phases;
use crate::args::ControlArgs;

/// A proxy and all its faults.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProxySettings {
    /// Unique name. Defaults to the position, as in `proxy-1`, so that random decisions do not depend on the
    /// port.
    pub(crate) name: String,
    /// Displayed text: the name, or the mapping if the proxy does not have a name.
    pub(crate) label: String,
    pub(crate) mapping: Mapping,
    /// Faults, with names that are unique in this proxy.
    pub(crate) faults: Vec<ConfiguredFault>,
}

impl ProxySettings {
    /// Returns true if the user set a name.
    pub(crate) fn has_name(&self) -> bool {
        self.name == self.label
    }

    /// Returns the mapping, behind the name if the user set one, also in a file.
    pub(crate) fn named_mapping(&self) -> String {
        let ProxySettings { name, mapping, .. } = self;
        if self.has_name() && mapping.name.is_none() {
            format!("{}@{mapping}", escape_control(name))
        } else {
            mapping.to_string()
        }
    }
}

pub(super) fn proxies(config: &Config, duration: Option<Duration>) -> Result<Vec<ProxySettings>> {
    let Config { tables, mappings, faults: flags, file, .. } = config;
    let run = config.fault_options.run(duration);
    let named = named(mappings, &tables.proxies)?;
    if named.is_empty() && !is_api_alone(&config.control, file.file()) {
        match file.file() {
            "" => bail!(
                "no proxies configured: set --proxy <MAPPING>, FAULT_PROXY or [[proxies]] in a --config file, or --control ADDR to \
                 create proxies through the API"
            ),
            file => bail!(
                "no proxies configured: {file} has no [[proxies]]; add one with proxy = \"35432=psql://db:5432\", set \
                 --proxy <MAPPING> or FAULT_PROXY, or --control ADDR to create proxies through the API"
            ),
        }
    }
    let labels: Vec<_> = named.iter().map(|proxy| proxy.label.as_str()).collect();

    let of_flags = flags
        .iter()
        .map(|params| Ok(ConfiguredFault { fault: from_flags(params, &run)?, params: params.clone() }))
        .collect::<Result<Vec<_>>>()?;
    let of_all = faults::all_from_file(&tables.faults, "faults", file, &run)?;
    let of_phases = phases::faults(&tables.phases, &labels, file, &run)?;

    let mut proxies = Vec::new();
    for (index, Named { name, label, mapping, of_file }) in named.iter().enumerate() {
        if let Some(Host::Name(host)) = &mapping.listen.host
            && Scheme::from_name(host.as_str()).is_some()
        {
            bail!(
                "--proxy {mapping}: `{host}` is not a listen address: a scheme belongs to the upstream, as in {}={host}://HOST:PORT",
                mapping.listen.port
            );
        }
        let own = match of_file {
            Some(proxy) => {
                faults::all_from_file(&proxy.faults, &format!("proxies[{index}].faults"), file, &run)?
            }
            None => Vec::new(),
        };
        let of_phases = of_phases
            .iter()
            .filter(|fault| fault.proxy.as_ref().is_none_or(|proxy| proxy == label))
            .map(|fault| fault.placed.clone());
        let of_file: Vec<LocatedFault> = of_all.iter().cloned().chain(own).chain(of_phases).collect();
        let faults = faults::joined(label, protocol_of(&mapping.upstream), of_file, &of_flags, file)?;
        let (name, label, mapping) = (name.clone(), label.clone(), (*mapping).clone());
        proxies.push(ProxySettings { name, label, mapping, faults });
    }
    Ok(proxies)
}

/// A proxy without its faults.
struct Named<'a> {
    name: String,
    label: String,
    mapping: &'a Mapping,
    /// Its entry in the file, if it is from the file.
    of_file: Option<&'a FileProxy>,
}

impl<'a> Named<'a> {
    fn new(index: usize, given: Option<&str>, mapping: &'a Mapping, of_file: Option<&'a FileProxy>) -> Self {
        let given = given.or(mapping.name.as_ref().map(ProxyName::as_str));
        let name = given.map_or_else(|| format!("proxy-{}", index + 1), str::to_owned);
        let label = given.map_or_else(|| mapping.to_string(), str::to_owned);
        Self { name, label, mapping, of_file }
    }
}

fn named<'a>(mappings: &'a [Mapping], in_file: &'a [FileProxy]) -> Result<Vec<Named<'a>>> {
    let of_file = |(index, proxy): (_, &'a FileProxy)| {
        Named::new(index, proxy.name.as_deref(), &proxy.mapping, Some(proxy))
    };
    let named: Vec<_> = if mappings.is_empty() {
        in_file.iter().enumerate().map(of_file).collect()
    } else {
        mappings.iter().enumerate().map(|(index, mapping)| Named::new(index, None, mapping, None)).collect()
    };
    for (index, Named { name, label, mapping, of_file }) in named.iter().enumerate() {
        if let Some(file) = of_file
            && file.name.is_some()
            && mapping.name.is_some()
        {
            bail!("proxies[{index}]: `{mapping}` has a name, and `name` is set: leave one out");
        }
        if named[..index].iter().any(|other| other.label == *label) {
            if *label == mapping.to_string() {
                bail!("--proxy {label} and --proxy {label} listen on the same port: use different ports");
            }
            bail!("duplicate proxy name `{label}`: names must be unique");
        }
        if let Some(other) = named[..index].iter().find(|other| other.name == *name) {
            bail!(
                "duplicate proxy name `{name}` of {} and {mapping}, one of which is named by its position: \
                 set a different name for one of them",
                other.mapping
            );
        }
    }
    Ok(named)
}

/// Returns true if a run without proxies of flags and the file serves the control API. A user who types only
/// `run` has probably forgotten something, but a container or service may create its proxies through the API.
/// The check uses stdin to distinguish them, because the output of an interactive command may go to a pipe or
/// a file.
fn is_api_alone(control: &ControlArgs, file: &str) -> bool {
    match control.control {
        _ if control.toxiproxy_config.is_some() => true,
        Some(Endpoint(Some(_))) => true,
        Some(Endpoint(None)) => false,
        None => file.is_empty() && !stdin().is_terminal(),
    }
}
