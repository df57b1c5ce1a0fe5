//! The flags of faults, and what they say.

use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use proxy_fault::{FaultParams, Kind, ParamError};
use serde_json::{Map, Value};

use super::table::{FAULTS, FaultFlags, Flag, FlagValue};
use crate::args::switch;

const WITH_HEADING: &str = "Faults, on every proxy";

/// The faults that the command line and the environment switch on, at most one of a type.
#[derive(Debug, Clone, Default)]
pub struct FaultArgs(pub Vec<FaultParams>);

impl Args for FaultArgs {
    fn augment_args(command: Command) -> Command {
        let switches = FAULTS.iter().map(|fault| fault.with.arg().help_heading(WITH_HEADING));
        let parameters = FAULTS.iter().flat_map(|fault| {
            fault.parameters.iter().map(|flag| {
                let others = fault.parameters.iter().filter(|other| other.parameter == flag.parameter);
                flag.arg()
                    .help_heading(fault.heading)
                    .hide_short_help(true)
                    .overrides_with_all(others.map(|other| other.flag))
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
        let arg = Arg::new(self.flag).long(self.flag).env(self.env).help(self.help);
        match self.value {
            FlagValue::Text(name) => arg.value_name(name).value_parser(NonEmptyStringValueParser::new()),
            FlagValue::Switch(_) => arg.action(ArgAction::SetTrue).value_parser(switch),
        }
    }

    /// What it says, if it was given.
    fn given(&self, matches: &ArgMatches) -> Option<Value> {
        match self.value {
            FlagValue::Text(_) => matches.get_one::<String>(self.flag).cloned().map(Value::String),
            FlagValue::Switch(says) => matches.get_flag(self.flag).then_some(Value::Bool(says)),
        }
    }

    fn is_on_command_line(&self, matches: &ArgMatches) -> bool {
        matches.value_source(self.flag) == Some(ValueSource::CommandLine)
    }
}

impl FromArgMatches for FaultArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let faults = FAULTS.iter().filter_map(|fault| fault.params(matches).transpose());
        faults.collect::<Result<_, _>>().map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl FaultFlags {
    fn params(&self, matches: &ArgMatches) -> Result<Option<FaultParams>, Error> {
        if !matches.get_flag(self.with.flag) {
            // Variables may stay set while their fault is off.
            return match self.parameters.iter().find(|flag| flag.is_on_command_line(matches)) {
                None => Ok(None),
                Some(flag) => Err(Error::raw(
                    ErrorKind::MissingRequiredArgument,
                    format!("--{} does nothing without --{}\n", flag.flag, self.with.flag),
                )),
            };
        }
        let mut params = Map::from_iter([("type".to_owned(), Value::String(self.kind.to_string()))]);
        // What is on the command line comes last: it replaces what a variable says of the same parameter.
        let (flags, variables): (Vec<_>, Vec<_>) =
            self.parameters.iter().partition(|flag| flag.is_on_command_line(matches));
        for flag in variables.into_iter().chain(flags) {
            let Some(value) = flag.given(matches) else { continue };
            let alone = Map::from_iter([(flag.parameter.to_owned(), value.clone())]);
            read(alone).map_err(|error| {
                let variable = match flag.is_on_command_line(matches) {
                    true => String::new(),
                    false => format!(" (from {})", flag.env),
                };
                let message = format!("--{}{variable}: {error}\n", flag.flag);
                Error::raw(ErrorKind::ValueValidation, message)
            })?;
            params.insert(flag.parameter.to_owned(), value);
        }
        read(params).map(Some).map_err(|error| Error::raw(ErrorKind::ValueValidation, error))
    }
}

fn read(params: Map<String, Value>) -> Result<FaultParams, serde_json::Error> {
    serde_json::from_value(Value::Object(params))
}

/// The error of a fault of this type, in terms of flags.
pub fn in_flags(error: &ParamError, kind: Kind) -> String {
    error.spelled(|parameter| format!("--{}", flag_of(kind, parameter)))
}

fn flag_of(kind: Kind, parameter: &str) -> String {
    let flags = FAULTS.iter().find(|fault| fault.kind == kind).map_or(&[][..], |fault| fault.parameters);
    match flags.iter().find(|flag| flag.parameter == parameter) {
        Some(flag) => flag.flag.to_owned(),
        None => format!("{kind}-{parameter}"),
    }
}

#[cfg(test)]
mod tests {
    use proxy_fault::{COMMON_PARAMETERS, parameters};

    use super::*;

    #[test]
    fn every_parameter_has_a_flag_and_every_flag_a_parameter() {
        for fault in FAULTS {
            let own = parameters(fault.kind);
            let flags: Vec<_> = fault.parameters.iter().map(|flag| flag.parameter).collect();
            for parameter in own.iter().chain(&["probability", "schedule"]) {
                assert!(flags.contains(parameter), "{} {parameter}", fault.kind);
            }
            for flag in &flags {
                assert!(own.contains(flag) || COMMON_PARAMETERS.contains(flag), "{} {flag}", fault.kind);
            }
        }
    }

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
    fn the_last_of_once_and_per_read_write_counts() {
        let once = |args: &[&str]| parse(&[&["--with-latency"], args].concat()).unwrap()[0].once;
        assert_eq!(once(&[]), None);
        assert_eq!(once(&["--latency-once"]), Some(true));
        assert_eq!(once(&["--latency-once", "--latency-per-read-write"]), Some(false));
        assert_eq!(once(&["--latency-per-read-write", "--latency-once"]), Some(true));
    }
}
