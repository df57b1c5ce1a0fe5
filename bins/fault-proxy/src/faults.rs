//! The command `faults`.

use anyhow::Result;
use fault_proxy_engine::faults::{self, FAULT_TYPES};
use fault_proxy_engine::{FaultType, ValueType, display_with};
use proxy_cli::table::Table;

use crate::ctl::shared_with_toxic;

/// Describes all types, or the one with this name.
pub(crate) fn described(name: Option<&str>) -> Result<String> {
    Ok(match name {
        None => list(),
        Some(name) => describe(faults::find(name)?),
    })
}

fn list() -> String {
    let mut table = Table::new(["fault", "effect"]);
    for fault_type in FAULT_TYPES {
        table.add_row([fault_type.name.to_owned(), as_written(fault_type.help)]);
    }
    format!(
        "{}\n\nfault-proxy faults NAME lists the parameters of a fault. --with-NAME of run and check adds it to every proxy.",
        table.for_stdout()
    )
}

fn describe(fault_type: &FaultType) -> String {
    let mut table = Table::new(["parameter", "value", "default", "meaning"]);
    for parameter in fault_type.parameters.iter().copied().chain(fault_type.common_parameters()) {
        let value = match parameter.value {
            ValueType::Switch(_) => "true or false",
            value => value.placeholder(),
        };
        let default = parameter.default.unwrap_or_default().to_owned();
        table.add_row([parameter.name.to_owned(), value.to_owned(), default, as_written(parameter.help)]);
    }
    let name = fault_type.name;
    let shared = shared_with_toxic(fault_type).map_or_else(String::new, |(parameter, unit)| {
        format!(
            "\nIn the control API and ctl, {parameter} alone without a unit is in {unit} and adds Toxiproxy's {name}, which acts on one direction. \
             Write the unit to add this fault."
        )
    });
    format!(
        "{name}: {}\n\n{}\n\nA file and the control API have the parameters by these names. Flags are --with-{name} and --{name}-PARAMETER, \
         but --{name}-sched for the schedule.{shared}",
        as_written(fault_type.help),
        table.for_stdout()
    )
}

/// Returns a text with the names of parameters in files.
fn as_written(text: &str) -> String {
    display_with(text, str::to_owned)
}
