//! The flags of each fault, generated from its type.

use fault_proxy_engine::faults::FAULT_TYPES;
use fault_proxy_engine::{FaultType, Parameter, ValueType, display_with};

/// A type of fault and its flags.
#[derive(Debug)]
pub(super) struct FaultFlags {
    pub(super) fault_type: &'static FaultType,
    /// Switch that enables the fault.
    pub(super) with: Flag,
    pub(super) parameters: Vec<Flag>,
}

#[derive(Debug)]
pub(super) struct Flag {
    /// Name of the parameter.
    pub(super) parameter: &'static str,
    pub(super) flag: String,
    pub(super) env: String,
    pub(super) value: FlagValue,
    pub(super) help: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagValue {
    /// Text of this type.
    Text(ValueType),
    /// Switch that sets the parameter to this value.
    Switch(bool),
}

/// Returns the flags of all faults.
pub(super) fn faults() -> Vec<FaultFlags> {
    FAULT_TYPES.iter().copied().map(FaultFlags::new).collect()
}

impl FaultFlags {
    fn new(fault_type: &'static FaultType) -> Self {
        let name = fault_type.name;
        let with = Flag {
            parameter: "type",
            flag: format!("with-{name}"),
            env: format!("FAULT_WITH_{}", in_variable(name)),
            value: FlagValue::Switch(true),
            help: in_flags(name, fault_type.help),
        };
        let common = fault_type.common_parameters().filter(|parameter| parameter.name != "name");
        let parameters = fault_type.parameters.iter().copied().chain(common);
        let parameters = parameters.flat_map(|parameter| flags(name, &parameter)).collect();
        Self { fault_type, with, parameters }
    }
}

/// Returns the flag of a parameter. A switch with an opposite has two.
fn flags(fault: &str, parameter: &Parameter) -> Vec<Flag> {
    let name = if parameter.name == "schedule" { "sched" } else { parameter.name };
    let variable = parameter.variable.map_or_else(|| in_variable(name), str::to_owned);
    let default = parameter.default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    let flag = |name: &str, variable: String, value, help| Flag {
        parameter: parameter.name,
        flag: format!("{fault}-{name}"),
        env: format!("FAULT_{}_{variable}", in_variable(fault)),
        value,
        help,
    };
    let help = format!("{}{default}", in_flags(fault, parameter.help));
    match parameter.value {
        ValueType::Switch(opposite) => {
            [flag(name, variable, FlagValue::Switch(true), help)]
                .into_iter()
                .chain(opposite.map(|(name, help)| {
                    flag(name, in_variable(name), FlagValue::Switch(false), help.to_owned())
                }))
                .collect()
        }
        value => vec![flag(name, variable, FlagValue::Text(value), help)],
    }
}

/// Returns a text with flags instead of parameters.
fn in_flags(fault: &str, text: &str) -> String {
    display_with(text, |parameter| format!("--{fault}-{parameter}"))
}

fn in_variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}
