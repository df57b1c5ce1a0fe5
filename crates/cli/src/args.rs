//! Parsing of the command line and of its values.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::exit;

use clap::builder::{OsStr as ClapStr, Resettable};
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};
use tracing::warn;

use crate::commands::{Common, health_at};
use crate::completion;
use crate::config::{did_you_mean, nearest};
use crate::terminal;

mod dashes;
mod given;
mod source;
mod values;

use dashes::{as_typed, with_negative_values};
pub use given::{Given, flag_names, with_variable, with_variables};
use source::variable_of;
pub use source::with_sources;
pub use values::{Time, Timeout, list, switch, whole_number};

/// The command that checks the connection to NATS.
const CHECK: &str = "check";

/// An unknown flag that users may expect, and what to use instead. A flag that begins with `*` matches any
/// flag with this ending. The flag `*` matches any flag that is not similar to an existing one.
pub type Hint = (&'static str, &'static str);

const ANY_FLAG: &str = "*";

/// Parses the arguments, the first of which is the program. Exits if they are invalid or request help. The
/// error for an unknown flag shows its hint.
pub fn parse_from<C: Parser>(args: &[OsString], hints: &[Hint]) -> C {
    parse_typed(args, args, hints)
}

/// Like [`parse_from`], for a program that adds a second dash to flags. Errors name flags as they are in `typed`.
pub fn parse_typed<C: Parser>(args: &[OsString], typed: &[OsString], hints: &[Hint]) -> C {
    let (mut command, matches) = matches(C::command(), args, typed, hints);
    let name = command.get_name().to_owned();
    C::from_arg_matches(&matches)
        .unwrap_or_else(|error| exit_with(&name, &error.format(given_command(&mut command, args))))
}

/// Exits after an error of the command line, or after printing help or the version. Unlike clap's own
/// function, it fails if the help cannot be printed.
fn exit_with(program: &str, error: &Error) -> ! {
    let printed = error.print().and_then(|()| io::stdout().flush());
    match printed {
        Err(problem) if !error.use_stderr() && problem.kind() != io::ErrorKind::BrokenPipe => {
            let problem = anyhow::Error::from(problem).context("cannot write to stdout");
            terminal::print_error(program, problem);
            exit(1)
        }
        _ => exit(error.exit_code()),
    }
}

/// Like [`parse_from`] with the arguments of the process, for a program that does not define commands.
///
/// Adds the commands of [`Common`] and exits after running one of them. The HTTP endpoint of the program
/// defaults to `default` and can be set by its variable. Also adds the command `check`, which accepts all
/// arguments of the program. Returns the arguments, and true if the command was `check`.
pub fn parse_or_do<C: Parser + Args>(
    default: Option<&'static str>,
    variable: Option<&'static str>,
) -> (C, bool) {
    let of_program = nats_command::<C>();
    let command = Common::augment_subcommands(of_program.clone())
        .about(of_program.get_about().cloned().unwrap_or_default())
        .long_about(of_program.get_long_about().cloned().unwrap_or_default())
        .disable_help_subcommand(true)
        .subcommand_required(false)
        .args_conflicts_with_subcommands(true)
        .mut_subcommands(health_at(default, variable))
        .subcommand(check_command(&of_program));
    completion::complete(|| command.clone());
    let args: Vec<_> = env::args_os().collect();
    let (mut command, matches) = matches(command, &args, &args, &[]);
    let name = command.get_name().to_owned();
    if let Some((CHECK, matches)) = matches.subcommand() {
        let checked = C::from_arg_matches(matches)
            .unwrap_or_else(|error| exit_with(&name, &error.format(&mut command)));
        return (checked, true);
    }
    if matches.subcommand().is_some() {
        let asked = Common::from_arg_matches(&matches)
            .unwrap_or_else(|error| exit_with(&name, &error.format(&mut command)));
        let done = asked.run(command, &mut io::stdout());
        if let Err(error) = &done {
            terminal::print_error(&name, error);
        }
        exit(i32::from(done.is_err()));
    }
    (
        C::from_arg_matches(&matches).unwrap_or_else(|error| exit_with(&name, &error.format(&mut command))),
        false,
    )
}

/// Prefix of the variables of both NATS programs, except those of tcp-sproxy and of the connection to NATS.
pub const NATS_PROXY: &str = "NATS_PROXY_";

/// Returns the command line of a NATS program, with a variable for each flag.
pub fn nats_command<C: Parser>() -> Command {
    let of_tcp_sproxy = [("log_level", "LOG_LEVEL"), ("log_format", "LOG_FORMAT"), ("log_file", "LOG_FILE")];
    let command = of_tcp_sproxy
        .into_iter()
        .fold(C::command(), |command, (arg, variable)| command.mut_arg(arg, |arg| arg.env(variable)));
    with_variables(command, NATS_PROXY)
}

/// Returns the command `check` with the arguments of the program.
fn check_command(program: &Command) -> Command {
    let about = "Check the connection to NATS: permissions, round trip and limits; exit code 1 if permissions are missing";
    let long_about = format!(
        "{about}.\n\nTakes the arguments of the program. Connects once, uses every right that the program needs, and prints the \
         permissions for the configuration of nats-server."
    );
    Command::new(CHECK).args(program.get_arguments()).about(about).long_about(long_about).after_help("")
}

fn matches(command: Command, args: &[OsString], typed: &[OsString], hints: &[Hint]) -> (Command, ArgMatches) {
    let mut command = command.mut_args(unless_empty).mut_subcommands(|each| each.mut_args(unless_empty));
    let name = command.get_name().to_owned();
    let texts = args.iter().enumerate().skip(1).filter_map(|(index, arg)| Some((index, arg.to_str()?)));
    // Arguments after `--` belong to another program.
    let texts = texts.take_while(|(_, arg)| *arg != "--");
    let mut single_dashed =
        texts.filter_map(|(index, arg)| Some((arg, single_dashed_hint(arg, index == 1, hints)?)));
    if let Some((arg, hint)) = single_dashed.next() {
        let text = format!("unexpected argument '{arg}' found: {hint}");
        exit_with(&name, &command.error(ErrorKind::UnknownArgument, text));
    }
    let args = &with_negative_values(args);
    let matches = command.try_get_matches_from_mut(args).unwrap_or_else(|error| {
        let is_written = |flag: &str| args.iter().any(|arg| is_flag(arg, flag));
        let mut error = naming_variable(error, &command, is_written);
        let is_hinted = with_hint(&mut error, hints);
        if is_hinted || matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
            command.build();
            let usage = given_command(&mut command, args).render_usage();
            error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
        }
        let error = with_similar_subcommand(error, given_command(&mut command, args));
        exit_with(&name, &as_typed(error, typed))
    });
    (command, matches)
}

/// Returns the usage of the subcommand that these arguments select, as clap prints it below an error.
pub fn usage(mut command: Command, args: &[OsString]) -> String {
    command.build();
    let usage = given_command(&mut command, args).render_usage();
    format!("\n{usage}\n\nFor more information, try '--help'.")
}

/// Returns true if the text names a flag.
pub fn names_flag(text: &str) -> bool {
    source::flags_in(text).next().is_some()
}

/// Returns the subcommand that these arguments select, or that `help` describes.
fn given_command<'a>(command: &'a mut Command, args: &[OsString]) -> &'a mut Command {
    let names = args.iter().skip(1).filter_map(|arg| arg.to_str()).filter(|arg| *arg != "help");
    names.fold(command, |command, arg| {
        // Look the command up twice, because the borrow of a single lookup would prevent returning `command`.
        if command.find_subcommand(arg).is_some() {
            command.find_subcommand_mut(arg).expect("it was found")
        } else {
            command
        }
    })
}

/// Ignores a variable that is set but empty.
fn unless_empty(arg: Arg) -> Arg {
    let is_empty = arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    if is_empty { arg.env(Resettable::<ClapStr>::Reset) } else { arg }
}

/// Returns the hint for a flag such as `-host`, of which clap sees only the first letter. For `-h`, it exits with status 0, so a
/// misconfigured container would look successful. Other flags without a hint are left to clap, unless they are the first argument,
/// which cannot be the value of a flag.
fn single_dashed_hint(arg: &str, is_first: bool, hints: &[Hint]) -> Option<&'static str> {
    let flag = arg.strip_prefix('-').filter(|flag| flag.len() > 1)?;
    let first = flag.chars().next().filter(char::is_ascii_alphabetic)?;
    match hint_for(&format!("--{flag}"), hints) {
        Some((name, hint)) if name != ANY_FLAG => Some(hint),
        _ => (is_first || matches!(first, 'h' | 'V')).then_some("long flags begin with two dashes"),
    }
}

/// Suggests the subcommand that differs least from the unknown one. clap compares letters by their position, so that `rnu` is not similar to
/// `run`, and it suggests all aliases of a command.
fn with_similar_subcommand(mut error: Error, command: &Command) -> Error {
    let Some(ContextValue::String(written)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let names = command
        .get_subcommands()
        .flat_map(|each| [each.get_name()].into_iter().chain(each.get_all_aliases()));
    if let Some(name) = nearest(written, names) {
        let name = ContextValue::Strings(vec![name.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, name);
    }
    error
}

fn hint_for(flag: &str, hints: &[Hint]) -> Option<Hint> {
    let flag = flag.split(['=', ' ']).next()?;
    let is_meant = |name: &str| name.strip_prefix('*').map_or(name == flag, |end| flag.ends_with(end));
    hints.iter().copied().find(|(name, _)| is_meant(name))
}

/// Replaces the suggestion of a similar flag with the hint for an unknown flag. Returns true if the flag has a
/// hint: clap's usage is then about the similar flag.
fn with_hint(error: &mut Error, hints: &[Hint]) -> bool {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return false };
    if error.kind() == ErrorKind::UnknownArgument
        && let Some((name, hint)) = hint_for(flag, hints)
        && (name != ANY_FLAG || error.get(ContextKind::SuggestedArg).is_none())
    {
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
        return name != ANY_FLAG;
    }
    false
}

/// Logs a warning for each variable that is set, begins with this prefix and does not belong to a flag of the command.
///
/// `alias` returns the variable that a name without its prefix means, for names that are not similar to that variable.
pub fn warn_about_unknown_variables(command: &Command, prefix: &str, alias: impl Fn(&str) -> Option<String>) {
    let mut commands = vec![command];
    let mut args = Vec::new();
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands());
        args.extend(command.get_arguments());
    }
    let variable = |arg: &&Arg| arg.get_env().and_then(OsStr::to_str).map(str::to_owned);
    let known: Vec<_> = args.iter().filter_map(variable).collect();
    let set = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown = |name: &String| {
        name.starts_with(prefix) && !known.contains(name) && !is_from_orchestrator(name, prefix)
    };
    let mut unknown: Vec<_> = set.filter(unknown).collect();
    unknown.sort();
    // With the prefix, all names would be similar.
    let names = || known.iter().filter_map(|name| name.strip_prefix(prefix));
    for name in unknown {
        let rest = name.strip_prefix(prefix).unwrap_or_default();
        let flag = rest.to_lowercase().replace('_', "-");
        let of_flag = args.iter().filter(|arg| arg.get_long() == Some(&flag)).find_map(variable);
        let meant = of_flag
            .or_else(|| alias(rest))
            .or_else(|| nearest(rest, names()).map(|meant| format!("{prefix}{meant}")));
        let hint = did_you_mean(meant.as_deref());
        warn!(variable = name, meant, "the variable {name} is unknown{hint}");
    }
}

/// Returns true if Kubernetes or Docker sets the variable for a service with the name of the program.
fn is_from_orchestrator(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix(prefix).unwrap_or_default();
    rest.contains("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || rest.contains("PORT_")
        || rest.ends_with("_PORT")
}

/// Adds the variable that an invalid value comes from. The error of clap names only the flag.
fn naming_variable(mut error: Error, command: &Command, is_written: impl Fn(&str) -> bool) -> Error {
    let flag = match (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue)) {
        (Some(ContextValue::String(arg)), Some(_)) => {
            arg.strip_prefix("--").and_then(|arg| arg.split([' ', '=', '[']).next())
        }
        _ => None,
    };
    let variable = flag.filter(|flag| !is_written(flag)).and_then(|flag| variable_of(command, flag));
    if let Some(variable) = variable.map(OsStr::to_os_string) {
        let tip = format!("the value is that of the variable {}", variable.display());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Returns true for `--flag` and `--flag=value`.
fn is_flag(arg: &OsStr, flag: &str) -> bool {
    let rest = arg.to_str().and_then(|arg| arg.strip_prefix("--")?.strip_prefix(flag));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[arg(long, env = "PROXY_CLI_TEST_COUNT")]
        count: Option<u32>,
    }

    #[test]
    fn a_wrong_value_names_its_variable() {
        let error = || Cli::try_parse_from(["test", "--count", "many"]).unwrap_err();
        let named = naming_variable(error(), &Cli::command(), |_| false).to_string();
        assert!(named.contains("--count") && named.contains("PROXY_CLI_TEST_COUNT"), "{named}");
        let written = naming_variable(error(), &Cli::command(), |_| true).to_string();
        assert!(!written.contains("PROXY_CLI_TEST_COUNT"), "{written}");
    }

    #[test]
    fn a_wrong_value_of_a_subcommand_names_its_variable() {
        let command = Command::new("test").subcommand(Cli::command().name("run"));
        let error = command.clone().try_get_matches_from(["test", "run", "--count=many"]).unwrap_err();
        let named = naming_variable(error, &command, |_| false).to_string();
        assert!(named.contains("PROXY_CLI_TEST_COUNT"), "{named}");
    }

    #[test]
    fn a_misspelled_subcommand_is_suggested_at_its_level() {
        let toxic = Command::new("toxic").subcommand(Command::new("remove").visible_alias("delete"));
        let list = Command::new("list").visible_aliases(["l", "li", "ls"]);
        let command = Command::new("test").subcommands([Command::new("run"), list, toxic]);
        for (args, tip) in [
            (&["test", "rnu"][..], "a similar subcommand exists: 'run'"),
            (&["test", "help", "rnu"], "a similar subcommand exists: 'run'"),
            (&["test", "lsit"], "a similar subcommand exists: 'list'"),
            (&["test", "toxic", "delte"], "a similar subcommand exists: 'delete'"),
            (&["test", "toxic", "run"], "unrecognized subcommand 'run'\n\nUsage"),
        ] {
            let mut command = command.clone();
            let error = command.try_get_matches_from_mut(args).expect_err("unknown");
            let args: Vec<_> = args.iter().map(OsString::from).collect();
            let error = with_similar_subcommand(error, given_command(&mut command, &args)).to_string();
            assert!(error.contains(tip), "{tip}: {error}");
        }
    }

    #[test]
    fn the_selected_subcommand_is_found_behind_flags() {
        let inner = Command::new("add").arg(clap::Arg::new("flag").long("flag"));
        let mut command = Command::new("test").subcommand(Command::new("fault").subcommand(inner));
        for (args, name) in [
            (&["test", "fault", "--flag", "x", "add", "cache"][..], "add"),
            (&["test", "fault"], "fault"),
            (&["test", "other"], "test"),
        ] {
            let args: Vec<_> = args.iter().map(OsString::from).collect();
            assert_eq!(given_command(&mut command, &args).get_name(), name, "{args:?}");
        }
    }

    #[test]
    fn a_flag_is_written_with_or_without_its_value() {
        assert!(is_flag("--count".as_ref(), "count") && is_flag("--count=1".as_ref(), "count"));
        assert!(!is_flag("--counter".as_ref(), "count") && !is_flag("count".as_ref(), "count"));
    }
}
