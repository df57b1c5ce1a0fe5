//! Arguments that begin with dashes, and that clap reads differently from users.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, Error};

/// Joins a negative value with its flag: `--duration -1` becomes `--duration=-1`.
///
/// clap reads `-1` as a flag, and its error would name neither `--duration` nor its value.
pub(super) fn with_negative_values(args: &[OsString]) -> Vec<OsString> {
    let own = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let mut joined: Vec<OsString> = Vec::with_capacity(args.len());
    for (index, arg) in args.iter().enumerate() {
        match joined.last_mut() {
            Some(flag) if index < own && is_negative(arg.to_str()) && awaits_value(flag.to_str()) => {
                flag.push("=");
                flag.push(arg);
            }
            _ => joined.push(arg.clone()),
        }
    }
    joined
}

fn is_negative(arg: Option<&str>) -> bool {
    let value = arg.and_then(|arg| arg.strip_prefix('-'));
    value.is_some_and(|value| value.starts_with(|first: char| first.is_ascii_digit() || first == '.'))
}

fn awaits_value(arg: Option<&str>) -> bool {
    arg.is_some_and(|arg| arg.starts_with("--") && !arg.contains('='))
}

/// Names the flag of an error as the user typed it, if the user typed it with one dash.
pub(super) fn as_typed(mut error: Error, typed: &[OsString]) -> Error {
    if let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg)
        && let Some(short) = arg.strip_prefix('-')
        && let Some(flag) = short.split([' ', '=', '[']).next()
        && typed.iter().filter_map(|arg| arg.to_str()).any(|arg| arg.split('=').next() == Some(flag))
    {
        let short = ContextValue::String(short.to_owned());
        error.insert(ContextKind::InvalidArg, short);
    }
    error
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn texts(args: &[&str]) -> Vec<OsString> {
        args.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_negative_value_is_that_of_the_flag_before_it() {
        for (args, joined) in [
            (&["run", "--mean", "-1", "--rate", "-.5%"][..], &["run", "--mean=-1", "--rate=-.5%"][..]),
            (&["--mean=1", "-1"], &["--mean=1", "-1"]),
            (&["cache", "-1"], &["cache", "-1"]),
            (&["--mean", "-h"], &["--mean", "-h"]),
            (&["--vary", "a", "--", "true", "--n", "-1"], &["--vary", "a", "--", "true", "--n", "-1"]),
            (&["-1"], &["-1"]),
        ] {
            assert_eq!(with_negative_values(&texts(args)), texts(joined), "{args:?}");
        }
    }

    #[test]
    fn an_error_names_the_flag_that_was_typed() {
        let error = || {
            let command = Command::new("test").arg(Arg::new("port").long("port"));
            command.try_get_matches_from(["test", "--port"]).expect_err("the value is missing")
        };
        for (typed, name) in [("-port", "'-port <port>'"), ("--port", "'--port <port>'"), ("-p", "'--port")] {
            let error = as_typed(error(), &texts(&["test", typed])).to_string();
            assert!(error.contains(name), "{typed}: {error}");
        }
    }
}
