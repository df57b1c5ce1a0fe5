//! Completion of the command line by bash, elvish, fish, PowerShell and zsh.
//!
//! The script of a shell asks the program itself for the candidates.

mod bash;
mod zsh;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use clap_complete::{CompleteEnv, Shell};
use fault_proxy_engine::ValueType;

/// Variable that a completion script sets to its shell.
const VARIABLE: &str = "PROXY_COMPLETION_SHELL";

const SHELLS: Shells<'static> = Shells(&[
    &WithScript { shell: &Bash, script: bash::script },
    &Elvish,
    &Fish,
    &Powershell,
    &WithScript { shell: &Zsh, script: zsh::script },
]);

/// A shell of clap_complete with a different script.
struct WithScript {
    shell: &'static (dyn EnvCompleter + Sync),
    /// Returns the script from the name of the variable and of the program.
    script: fn(&str, &str) -> String,
}

impl EnvCompleter for WithScript {
    fn name(&self) -> &'static str {
        self.shell.name()
    }

    fn is(&self, name: &str) -> bool {
        self.shell.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        _name: &str,
        program: &str,
        _completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        out.write_all((self.script)(variable, program).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        args: Vec<OsString>,
        directory: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.shell.write_complete(command, args, directory, out)
    }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// If a completion script started the program, prints the candidates and ends the program.
///
/// Call it first, before another thread exists: it changes the environment.
pub fn complete(command: impl Fn() -> Command) {
    CompleteEnv::with_factory(|| with_values(command())).var(VARIABLE).shells(SHELLS).complete();
}

/// Returns the completion script for a program with this name, which must be in a directory of `PATH`.
pub(crate) fn script(shell: Shell, program: &str) -> Vec<u8> {
    let mut script = Vec::new();
    let completer = SHELLS.completer(&shell.to_string()).expect("clap_complete names the same shells");
    completer.write_registration(VARIABLE, program, program, program, &mut script).expect("memory");
    script
}

/// Returns the arguments to complete, the first of which is the program, if a completion script asks for candidates.
pub fn asked_words() -> Vec<OsString> {
    env::args_os().skip_while(|arg| arg != "--").skip(1).collect()
}

/// Adds completion to the arguments whose placeholder names their type.
fn with_values(command: Command) -> Command {
    command.mut_args(with_value).mut_subcommands(with_values)
}

fn with_value(arg: Arg) -> Arg {
    if arg.get::<ArgValueCompleter>().is_some() || arg.get::<ArgValueCandidates>().is_some() {
        return arg;
    }
    let placeholder = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    match placeholder.as_deref() {
        Some("LEVEL") => arg.add(one_of(&LEVELS)),
        Some("BOOL") => arg.add(one_of(&["true", "false"])),
        Some("FILE") => arg.value_hint(ValueHint::FilePath),
        Some("TIME") => arg.add(of_type(ValueType::Time)),
        Some("BYTES") => arg.add(of_type(ValueType::Bytes)),
        Some("SHARE") => arg.add(of_type(ValueType::Share)),
        _ => arg,
    }
}

/// Completes these words.
pub fn one_of(words: &'static [&'static str]) -> ArgValueCandidates {
    ArgValueCandidates::new(|| words.iter().map(CompletionCandidate::new).collect())
}

/// Returns the completer for a value of a fault's parameter.
pub fn of_type(value: ValueType) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| match value {
        ValueType::File => PathCompleter::file().complete(typed),
        _ => typed.to_str().map(|typed| values(value, typed)).unwrap_or_default(),
    })
}

/// Returns the values of a type that begin with `typed`: words, or the typed number with each unit.
pub fn values(value: ValueType, typed: &str) -> Vec<CompletionCandidate> {
    let units: &[&str] = match value {
        ValueType::Time => &["us", "ms", "s", "m", "h"],
        ValueType::Bytes => &["B", "KB", "KiB", "MB", "MiB", "GB", "GiB"],
        ValueType::Rate => &["Bps", "KBps", "MBps", "GBps", "kbit/s", "mbit/s", "gbit/s"],
        ValueType::Share => &["%"],
        ValueType::Words(_, words) => return starting(words.iter().map(ToString::to_string), typed),
        ValueType::Switch(_) => return starting(["true", "false"].map(str::to_owned), typed),
        _ => return Vec::new(),
    };
    let number = typed.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.');
    if number.parse::<f64>().is_err() {
        return Vec::new();
    }
    starting(units.iter().map(|unit| format!("{number}{unit}")), typed)
}

/// Returns the candidates that begin with `typed`.
pub fn starting(all: impl IntoIterator<Item = String>, typed: &str) -> Vec<CompletionCandidate> {
    all.into_iter().filter(|each| each.starts_with(typed)).map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(candidates: &[CompletionCandidate]) -> Vec<&str> {
        candidates.iter().map(|candidate| candidate.get_value().to_str().expect("text")).collect()
    }

    #[test]
    fn a_number_is_completed_with_units() {
        assert_eq!(shown(&values(ValueType::Time, "300m")), ["300ms", "300m"]);
        assert_eq!(shown(&values(ValueType::Share, "1.5")), ["1.5%"]);
        assert_eq!(shown(&values(ValueType::Rate, "1mb")), ["1mbit/s"]);
        assert!(values(ValueType::Time, "").is_empty() && values(ValueType::Time, "soon").is_empty());
    }

    #[test]
    fn every_completed_value_is_read() {
        for text in shown(&values(ValueType::Time, "3")) {
            assert!(text.parse::<fault_proxy_engine::Millis>().is_ok(), "{text}");
        }
        for text in shown(&values(ValueType::Bytes, "3")) {
            assert!(text.parse::<fault_proxy_engine::ByteCount>().is_ok(), "{text}");
        }
    }

    #[test]
    fn words_are_completed() {
        let words = ValueType::Words("NAME", &["normal", "pareto", "paretonormal"]);
        assert_eq!(shown(&values(words, "pareto")), ["pareto", "paretonormal"]);
        assert_eq!(shown(&values(ValueType::Switch(None), "t")), ["true"]);
    }

    #[test]
    fn there_is_a_script_for_every_shell() {
        for shell in <Shell as clap::ValueEnum>::value_variants() {
            let script = String::from_utf8(script(*shell, "fault-proxy")).expect("text");
            assert!(script.contains("fault-proxy") && script.contains(VARIABLE), "{shell}: {script}");
        }
    }
}
