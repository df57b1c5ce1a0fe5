use std::env;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Error, anyhow};
use clap::Command;
use figment::value::Dict;

use super::is_flag;
use crate::config::read;

/// Adds the source of each flag that the error names, unless it is on the command line: its variable, or its key in the file.
pub fn with_sources(error: Error, command: &Command, file: Option<&Path>) -> Error {
    let text = format!("{error:#}");
    let is_written = |flag: &str| env::args_os().any(|arg| is_flag(&arg, flag));
    let is_set = |variable: &OsStr| env::var_os(variable).is_some_and(|value| !value.is_empty());
    let keys = file.and_then(|file| read(file).ok()?.extract::<Dict>().ok()).unwrap_or_default();
    let mut tips = Vec::new();
    for flag in flags_in(&text).filter(|flag| !is_written(flag)) {
        let variable = variable_of(command, flag).filter(|variable| is_set(variable));
        let source = match (variable, keys.keys().find(|key| is_key_of(key, flag)), file) {
            (Some(variable), ..) => format!("the variable {}", variable.display()),
            (None, Some(key), Some(file)) => format!("`{key}` in {}", file.display()),
            _ => continue,
        };
        let tip = format!("; {source} sets --{flag}");
        if !tips.contains(&tip) {
            tips.push(tip);
        }
    }
    if tips.is_empty() { error } else { anyhow!("{text}{}", tips.concat()) }
}

/// Returns the names of the flags in a text, without their dashes.
pub(super) fn flags_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("--").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        rest.get(..end).filter(|flag| !flag.is_empty())
    })
}

/// Returns the variable of a flag of the command or of one of its subcommands.
pub(super) fn variable_of<'a>(command: &'a Command, flag: &str) -> Option<&'a OsStr> {
    let mut args = command.get_subcommands().chain([command]).flat_map(Command::get_arguments);
    args.find_map(|arg| arg.get_env().filter(|_| arg.get_long() == Some(flag)))
}

/// Returns true if this key of a file sets what the flag sets, as `proxies` does for `--proxy`.
fn is_key_of(key: &str, flag: &str) -> bool {
    key == flag || (flag == "proxy" && key == "proxies")
}
