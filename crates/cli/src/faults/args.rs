//! The flags of faults.

use std::collections::HashMap;

use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use fault_proxy_engine::{FaultParams, FaultType, ParamError, ReadError};
use serde_json::{Map, Value};

use super::table::{FaultFlags, Flag, FlagValue, faults};
use crate::args::switch;
use crate::completion;

const WITH_HEADING: &str = "Faults, on every proxy";

/// Faults that flags and variables enable, at most one of each type.
#[derive(Debug, Clone, Default)]
pub struct FaultArgs(pub Vec<FaultParams>);

impl Args for FaultArgs {
    fn augment_args(command: Command) -> Command {
        let faults = faults();
        let switches = faults.iter().map(|fault| fault.with.arg().help_heading(WITH_HEADING));
        let parameters = faults.iter().flat_map(|fault| {
            fault.parameters.iter().map(|flag| {
                let is_other = |other: &&Flag| other.parameter == flag.parameter && other.flag != flag.flag;
                let others = fault.parameters.iter().filter(is_other);
                flag.arg()
                    .help_heading(format!("Fault: {}", fault.fault_type.name))
                    .hide_short_help(true)
                    .overrides_with_all(others.map(|other| other.flag.clone()))
            })
        });
        command.args(switches).args(parameters)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl Flag {
    fn arg(&self) -> Arg {
        let arg =
            Arg::new(self.flag.clone()).long(self.flag.clone()).env(self.env.clone()).help(self.help.clone());
        match self.value {
            FlagValue::Text(value) => arg
                .value_name(value.placeholder())
                .value_parser(NonEmptyStringValueParser::new())
                .add(completion::of_type(value)),
            FlagValue::Switch(_) => arg.action(ArgAction::SetTrue).value_parser(switch),
        }
    }

    /// Returns the value of the flag, if it was given.
    fn given(&self, matches: &ArgMatches) -> Option<Value> {
        match self.value {
            FlagValue::Text(_) => matches.get_one::<String>(&self.flag).cloned().map(Value::String),
            FlagValue::Switch(says) => matches.get_flag(&self.flag).then_some(Value::Bool(says)),
        }
    }

    fn is_on_command_line(&self, matches: &ArgMatches) -> bool {
        matches.value_source(&self.flag) == Some(ValueSource::CommandLine)
    }
}

impl FromArgMatches for FaultArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let params = faults().into_iter().filter_map(|fault| fault.params(matches).transpose());
        params.collect::<Result<_, _>>().map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl FaultFlags {
    fn params(&self, matches: &ArgMatches) -> Result<Option<FaultParams>, Error> {
        if !matches.get_flag(&self.with.flag) {
            // Variables may stay set while their fault is off.
            return match self.parameters.iter().find(|flag| flag.is_on_command_line(matches)) {
                None => Ok(None),
                Some(flag) => Err(Error::raw(
                    ErrorKind::MissingRequiredArgument,
                    format!("--{} does nothing without --{}", flag.flag, self.with.flag),
                )),
            };
        }
        let mut params =
            Map::from_iter([("type".to_owned(), Value::String(self.fault_type.name.to_owned()))]);
        let mut said_by = HashMap::new();
        // The command line takes precedence over variables: its values are inserted last.
        let (flags, variables): (Vec<_>, Vec<_>) =
            self.parameters.iter().partition(|flag| flag.is_on_command_line(matches));
        for flag in variables.into_iter().chain(flags) {
            let Some(value) = flag.given(matches) else { continue };
            params.insert(flag.parameter.to_owned(), value);
            said_by.insert(flag.parameter, flag);
        }
        FaultParams::read(params).map(Some).map_err(|error| {
            let ReadError::Refused(error) = error else {
                return Error::raw(ErrorKind::UnknownArgument, error);
            };
            let message = error.display_with(|parameter| {
                let Some(flag) = said_by.get(parameter) else { return flag_for(self.fault_type, parameter) };
                match flag.is_on_command_line(matches) {
                    true => format!("--{}", flag.flag),
                    false => format!("--{} (from {})", flag.flag, flag.env),
                }
            });
            Error::raw(ErrorKind::ValueValidation, message)
        })
    }
}

/// Returns the message of an error, with flags instead of parameters.
pub fn in_flags(error: &ParamError, fault_type: &FaultType) -> String {
    error.display_with(|parameter| flag_for(fault_type, parameter))
}

fn flag_for(fault_type: &FaultType, parameter: &str) -> String {
    let fault = faults().into_iter().find(|fault| fault.fault_type.name == fault_type.name);
    let flag = fault.and_then(|fault| {
        fault.parameters.into_iter().find(|flag| flag.parameter == parameter).map(|flag| flag.flag)
    });
    format!("--{}", flag.unwrap_or_else(|| format!("{}-{parameter}", fault_type.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Vec<FaultParams>, Error> {
        let command = FaultArgs::augment_args(Command::new("test"));
        let matches = command.try_get_matches_from([&["test"], args].concat())?;
        FaultArgs::from_arg_matches(&matches).map(|faults| faults.0)
    }

    #[test]
    fn a_parameter_needs_its_fault() {
        let error = parse(&["--latency-mean", "1ms", "--with-jitter"]).unwrap_err().to_string();
        assert!(error.contains("--latency-mean does nothing without --with-latency"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_named_by_its_flag() {
        let error = parse(&["--with-latency", "--latency-mean", "soon"]).unwrap_err().to_string();
        assert!(error.contains("--latency-mean: \"soon\""), "{error}");
    }

    #[test]
    fn a_flag_that_is_given_twice_is_refused() {
        for twice in [&["--latency-mean", "1ms", "--latency-mean", "2ms"][..], &["--latency-once"; 2]] {
            let error = parse(&[&["--with-latency"], twice].concat()).unwrap_err().to_string();
            assert!(error.contains("cannot be used multiple times"), "{error}");
        }
    }

    #[test]
    fn the_last_of_once_and_per_read_write_counts() {
        let once = |args: &[&str]| {
            let faults = parse(&[&["--with-latency"], args].concat()).unwrap();
            serde_json::to_value(&faults[0]).unwrap().get("once").and_then(Value::as_bool)
        };
        assert_eq!(once(&[]), None);
        assert_eq!(once(&["--latency-once"]), Some(true));
        assert_eq!(once(&["--latency-once", "--latency-per-read-write"]), Some(false));
        assert_eq!(once(&["--latency-per-read-write", "--latency-once"]), Some(true));
    }
}
