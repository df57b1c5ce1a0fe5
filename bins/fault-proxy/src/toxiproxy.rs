//! The command lines of Toxiproxy's programs, translated to `run` and to requests of `ctl`.

mod cli;
mod server;
mod text;

use std::ffi::OsString;
use std::path::Path;

pub(crate) use cli::cli;
pub(crate) use server::Server;

/// A program of Toxiproxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Server,
    Cli,
}

impl Program {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "toxiproxy" | "toxiproxy-server" => Some(Self::Server),
            "toxiproxy-cli" => Some(Self::Cli),
            _ => None,
        }
    }
}

/// Returns the program that these arguments start, and its own arguments, which begin with its name. The
/// program is selected by the file name of the first argument, which may be a link, or by the first
/// subcommand.
pub(crate) fn program(args: &[OsString]) -> Option<(Program, Vec<OsString>)> {
    let by_file = args.first().and_then(|arg| Program::from_name(Path::new(arg).file_stem()?.to_str()?));
    let (program, args) = match by_file {
        Some(program) => (program, args),
        None => (Program::from_name(args.get(1)?.to_str()?)?, &args[1..]),
    };
    Some((program, args.to_vec()))
}

/// Returns the arguments with two dashes before each flag.
fn with_long_flags(args: &[OsString]) -> Vec<OsString> {
    args.iter().map(with_two_dashes).collect()
}

/// Returns a flag with two dashes, because Go's flag package accepts `-host` and `--host`.
fn with_two_dashes(arg: &OsString) -> OsString {
    match arg.to_str().and_then(|arg| arg.strip_prefix('-')) {
        Some(flag) if flag.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            format!("--{flag}").into()
        }
        _ => arg.clone(),
    }
}

/// Parses a boolean as Go's flag package does.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Option<(Program, Vec<String>)> {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        let (program, args) = program(&args)?;
        Some((program, args.into_iter().map(|arg| arg.into_string().unwrap()).collect()))
    }

    #[test]
    fn the_file_name_or_the_subcommand_names_the_program() {
        for (args, expected) in [
            (
                &["/toxiproxy", "-host=0.0.0.0"][..],
                Some((Program::Server, &["/toxiproxy", "-host=0.0.0.0"][..])),
            ),
            (&["toxiproxy-server"], Some((Program::Server, &["toxiproxy-server"]))),
            (&["bin/toxiproxy-cli", "list"], Some((Program::Cli, &["bin/toxiproxy-cli", "list"]))),
            (&["fault-proxy", "toxiproxy-server"], Some((Program::Server, &["toxiproxy-server"]))),
            (
                &["fault-proxy", "toxiproxy-cli", "-h", "a:1"],
                Some((Program::Cli, &["toxiproxy-cli", "-h", "a:1"])),
            ),
            (&["fault-proxy", "run", "toxiproxy-cli"], None),
            (&["fault-proxy"], None),
            (&[], None),
        ] {
            let expected =
                expected.map(|(program, args)| (program, args.iter().map(|arg| (*arg).to_owned()).collect()));
            assert_eq!(parsed(args), expected, "{args:?}");
        }
    }

    #[test]
    fn only_flags_get_a_second_dash() {
        for (arg, expected) in [
            ("-seed", "--seed"),
            ("-seed=-1", "--seed=-1"),
            ("--seed", "--seed"),
            ("-1", "-1"),
            ("-", "-"),
            ("--", "--"),
            ("a-b", "a-b"),
        ] {
            assert_eq!(with_two_dashes(&arg.into()), expected);
        }
    }
}
