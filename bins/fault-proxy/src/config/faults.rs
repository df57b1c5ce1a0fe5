use anyhow::{Result, bail};
use proxy_cli::config::FileErrors;
use proxy_cli::faults::warn_of_joined_periods;
use proxy_fault::{Fault, FaultParams, Run};

/// Resolves a fault of the file, which stands at `place`.
pub(super) fn of_file(params: &FaultParams, place: &str, file: &FileErrors, run: &Run) -> Result<Fault> {
    let fault = params.resolve(run).map_err(|error| file.param(place, &error))?;
    warn_of_joined_periods(params, place, run);
    Ok(fault)
}

/// A fault of the file and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) fault: Fault,
    pub(super) place: String,
}

/// Those of `list`, which stands at `place`.
pub(super) fn all_of_file(
    list: &[FaultParams],
    place: &str,
    file: &FileErrors,
    run: &Run,
) -> Result<Vec<Placed>> {
    let placed = list.iter().enumerate().map(|(index, params)| {
        let place = format!("{place}[{index}]");
        Ok(Placed { fault: of_file(params, &place, file, run)?, place })
    });
    placed.collect()
}

/// The faults of the proxy called `proxy`: those of the file, each replaced by that of the flags with its name.
pub(super) fn joined(
    proxy: &str,
    of_file: impl IntoIterator<Item = Placed>,
    of_flags: &[Fault],
    file: &FileErrors,
) -> Result<Vec<Fault>> {
    let mut faults: Vec<Fault> = Vec::new();
    for Placed { fault, place } in of_file {
        if faults.iter().any(|other| other.name == fault.name) {
            bail!(file.at(
                &place,
                format!("`{proxy}` has a fault called `{}` already: give one another `name`", fault.name)
            ));
        }
        faults.push(fault);
    }
    for fault in of_flags {
        match faults.iter_mut().find(|other| other.name == fault.name) {
            Some(other) => *other = fault.clone(),
            None => faults.push(fault.clone()),
        }
    }
    Ok(faults)
}
