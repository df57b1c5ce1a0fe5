use anyhow::{Context, Result, anyhow, bail};
use fault_proxy_control::proxies::FaultRecord;
use fault_proxy_engine::{Fault, FaultParams, Protocol, ReadError, ScheduleContext};
use figment::value::Dict;
use proxy_cli::config::FileErrors;
use proxy_cli::faults::{in_flags, warn_about_merged_periods};

/// A fault as given and as applied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConfiguredFault {
    pub(crate) params: FaultParams,
    pub(crate) fault: Fault,
}

impl ConfiguredFault {
    /// Returns the fault in the form of the control API.
    pub(crate) fn record(&self) -> FaultRecord {
        fault_proxy_control::record(&self.params, self.fault.clone())
    }
}

/// Resolves the fault at `place` in the file.
///
/// `keys` are allowed there in addition to parameters.
pub(super) fn from_file(
    given: &Dict,
    place: &str,
    keys: &[&str],
    file: &FileErrors,
    run: &ScheduleContext,
) -> Result<ConfiguredFault> {
    let given = given.iter().map(|(name, value)| Ok((name.clone(), serde_json::to_value(value)?)));
    let params = FaultParams::read(given.collect::<Result<_>>()?).map_err(|error| match error {
        ReadError::Refused(error) => file.param(place, &error),
        ReadError::Unknown { name, known } => {
            file.unknown_key(&format!("{place}.{name}"), &name, known.iter().chain(keys).copied())
        }
        other => file.at(place, other),
    })?;
    let fault = params.resolve(run).map_err(|error| file.param(place, &error))?;
    warn_about_merged_periods(&params, place, run);
    Ok(ConfiguredFault { params, fault })
}

/// A fault of the file, with its place in the file.
#[derive(Debug, Clone)]
pub(super) struct LocatedFault {
    pub(super) given: ConfiguredFault,
    pub(super) place: String,
}

/// Resolves the faults of the list at `place`.
pub(super) fn all_from_file(
    list: &[Dict],
    place: &str,
    file: &FileErrors,
    run: &ScheduleContext,
) -> Result<Vec<LocatedFault>> {
    let placed = list.iter().enumerate().map(|(index, given)| {
        let place = format!("{place}[{index}]");
        Ok(LocatedFault { given: from_file(given, &place, &[], file, run)?, place })
    });
    placed.collect()
}

/// Returns the faults of the proxy `proxy`: those of the file, and those of flags, which replace faults of
/// the same name. Checks that they can act in sessions of its protocol.
pub(super) fn joined(
    proxy: &str,
    protocol: Option<Protocol>,
    of_file: impl IntoIterator<Item = LocatedFault>,
    of_flags: &[ConfiguredFault],
    file: &FileErrors,
) -> Result<Vec<ConfiguredFault>> {
    let mut faults: Vec<ConfiguredFault> = Vec::new();
    for LocatedFault { given, place } in of_file {
        if faults.iter().any(|other| other.fault.name == given.fault.name) {
            bail!(file.at(
                &place,
                format!("`{proxy}` already has a fault named `{}`: set a different `name`", given.fault.name)
            ));
        }
        let checked = given.fault.check_protocol(protocol);
        checked.map_err(|error| file.param(&place, &error)).with_context(|| format!("proxy `{proxy}`"))?;
        faults.push(given);
    }
    for given in of_flags {
        let fault_type = given.params.fault_type();
        let checked = given.fault.check_protocol(protocol);
        checked.map_err(|error| anyhow!("proxy `{proxy}`: {}", in_flags(&error, fault_type)))?;
        match faults.iter_mut().find(|other| other.fault.name == given.fault.name) {
            Some(other) => *other = given.clone(),
            None => faults.push(given.clone()),
        }
    }
    Ok(faults)
}
