//! The command line: parsing it, and values as they are written.

use std::env;

use clap::builder::{OsStr, Resettable};
use clap::{Arg, Parser};

mod values;

pub use values::{Time, switch, written};

/// The arguments; ends the program when they are wrong, or ask for help.
pub fn parse<C: Parser>() -> C {
    let mut command = C::command().mut_args(unless_empty).mut_subcommands(|each| each.mut_args(unless_empty));
    let matches = command.get_matches_mut();
    C::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

/// A variable that is set to nothing says nothing.
fn unless_empty(arg: Arg) -> Arg {
    let is_empty = arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    if is_empty { arg.env(Resettable::<OsStr>::Reset) } else { arg }
}
