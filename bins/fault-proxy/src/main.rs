//! fault-proxy: a TCP proxy that injects network faults.
//!
//! - `args`: the command line; `config`: resolved settings of flags, variables and a file; `wire`: connectors and handshakes.
//! - `run`, `check`, `margin`, `demo`, `ctl`: the commands; `serve`: the worker threads; `host`: the launcher of proxies on them.
//! - `toxiproxy`: the command lines of Toxiproxy's programs.
//! - `start`, `reload`: the proxies of settings, and of a changed file.
//! - `journal`, `replay`, `traced`: decisions of faults, written, compared and added to traces.
//! - `top`: the view on a terminal, of a run or of another process.
//! - `timeline`, `report`, `fidelity`, `expect`: output during a run and at its end.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what a command is for")]

mod args;
mod check;
mod config;
mod ctl;
mod demo;
mod expect;
mod faults;
mod fidelity;
mod host;
mod journal;
mod loops;
mod margin;
mod reload;
mod replay;
mod report;
mod run;
mod start;
mod timeline;
mod top;
mod toxiproxy;
mod traced;
mod wire;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;
use proxy_cli::args::{Given, names_flag, parse_from, usage, warn_about_unknown_variables, with_sources};
use proxy_cli::completion;
use proxy_cli::log::{Log, LogArgs, is_json_on_stderr};
use proxy_cli::terminal;
use tracing::warn;

use crate::args::{CheckArgs, Cli, Command, RunArgs, VARIABLES};
use crate::config::{Config, Settings, refuse_unused_tls, variable_for};
use crate::ctl::WrongUsage;
use crate::journal::Header;
use crate::margin::Plan;
use crate::reload::Source;
use crate::replay::Comparison;
use crate::run::{NOT_AS_EXPECTED, RunMode, RunOutcome};
use crate::toxiproxy::{Program, Server};
use crate::wire::Wire;

#[cfg(all(feature = "jemalloc", target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Exit codes of failures.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    completion::complete(Cli::command);
    let args: Vec<_> = env::args_os().collect();
    match toxiproxy::program(&args) {
        Some((Program::Server, args)) => match Server::parse(&args) {
            Ok(Some(server)) => start(&server.as_run(), |settings| {
                settings.populate = server.proxies();
                settings.skips_failed = true;
                if let Some(control) = &mut settings.control {
                    control.flag = "-host and -port";
                }
            }),
            Ok(None) => ExitCode::SUCCESS,
            Err(error) => fail(&error, FAILED),
        },
        Some((Program::Cli, args)) => match toxiproxy::cli(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                terminal::print_error("toxiproxy-cli", error);
                ExitCode::from(FAILED)
            }
        },
        None => start(&args, |_| {}),
    }
}

/// Does what the command line of fault-proxy asks for. `adjust` changes the settings of a run.
fn start(args: &[OsString], adjust: impl FnOnce(&mut Settings)) -> ExitCode {
    let given = args;
    let cli: Cli = parse_from(given, &args::HINTS);
    match cli.command {
        Command::Run(args) => {
            let again = RunMode::Reload(Source::new(&args, &cli.log));
            let sourced = |error| with_sources(error, &Cli::command(), args.config.as_deref());
            match prepare(&args, &cli.log) {
                Ok((mut settings, wire, log)) => {
                    adjust(&mut settings);
                    finished(run::run(&settings, wire, &log, again).map_err(sourced))
                }
                Err(error) => fail_to_start(&sourced(error), given),
            }
        }
        Command::Check(CheckArgs { run: args, json }) => match prepare(&args, &cli.log) {
            Ok((settings, wire, _log)) => ended(check::check(&settings, &wire, json)),
            Err(error) => fail_to_start(&with_sources(error, &Cli::command(), args.config.as_deref()), given),
        },
        Command::Replay { file, json: as_json } => match prepare_again(&file, &cli.log) {
            Ok(((settings, wire, log), journal)) => {
                finished(run::run(&settings, wire, &log, RunMode::Replay { journal: &journal, as_json }))
            }
            Err(error) => fail(&error, WRONG_USAGE),
        },
        Command::Margin(args) => match Plan::new(&args, &cli.log) {
            Ok(plan) => match plan.measure() {
                Ok(code) => ExitCode::from(code),
                Err(error) if margin::is_not_started(&error) => fail(&error, WRONG_USAGE),
                Err(error) => fail(&error, FAILED),
            },
            Err(error) => {
                fail_to_start(&with_sources(error, &Cli::command(), args.run.config.as_deref()), given)
            }
        },
        Command::Demo(args) => match open_log(&cli.log) {
            Ok(_log) => ended(demo::demo(&args)),
            Err(error) => fail(&error, WRONG_USAGE),
        },
        Command::Faults { name } => match faults::described(name.as_deref()) {
            Ok(text) => ended(terminal::print(text).map(drop)),
            Err(error) => fail(&error, WRONG_USAGE),
        },
        Command::Ctl(args) => match ctl::ctl(&args) {
            Err(error) if error.is::<WrongUsage>() => fail_with_usage(&error, given),
            done => ended(done),
        },
        Command::Top(args) => ended(top::top(&args)),
        Command::Common(common) => ended(common.run(Cli::command(), &mut io::stdout())),
    }
}

/// Loads and validates all settings.
fn prepare(args: &RunArgs, log: &Given<LogArgs>) -> Result<Prepared> {
    let config = Config::load(args, log)?;
    config.refuse_shared_files(report::summary_file())?;
    let prepared = resolve(config)?;
    refuse_unused_tls(&prepared.0)?;
    prepared.0.warn_about_idle_faults();
    Ok(prepared)
}

/// Starts the log of a command that does not read a file.
fn open_log(given: &Given<LogArgs>) -> Result<Log> {
    Log::init(&given.over(LogArgs::default())?)
}

type Prepared = (Settings, Wire, Log);

fn prepare_again(journal: &Path, log: &Given<LogArgs>) -> Result<(Prepared, Comparison)> {
    let (Header { seed, settings, .. }, comparison) = replay::read(journal)?;
    let config = Config::again(settings, seed, journal, log);
    let config = config.with_context(|| format!("cannot replay {}", journal.display()))?;
    config.refuse_shared_files(None)?;
    let prepared = resolve(config).with_context(|| format!("settings in {}", journal.display()))?;
    if comparison.is_cut() {
        warn!(path = %journal.display(), "the last line of the journal is incomplete and is left out");
    }
    Ok((prepared, comparison))
}

fn resolve(config: Config) -> Result<Prepared> {
    let log = Log::init(&config.log)?;
    warn_about_unknown_variables(&Cli::command(), VARIABLES, variable_for);
    let file = config.proxies_file();
    let settings = Settings::resolve(config)?;
    let wire = Wire::new(&settings)?;
    let loops = loops::refuse(&settings, &wire);
    match file {
        Some(file) => loops.context(file)?,
        None => loops?,
    }
    Ok((settings, wire, log))
}

fn ended(command: Result<()>) -> ExitCode {
    match command {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, FAILED),
    }
}

fn finished(run: Result<RunOutcome>) -> ExitCode {
    match run {
        Ok(RunOutcome { expectations_met: is_as_expected, written }) => {
            let code = ended(written);
            if is_as_expected { code } else { ExitCode::from(NOT_AS_EXPECTED) }
        }
        Err(error) => fail(&error, FAILED),
    }
}

/// Fails because of wrong settings. Shows the usage if the error is about a flag, but not if it is about a file or the log on stderr
/// is JSON.
fn fail_to_start(error: &anyhow::Error, args: &[OsString]) -> ExitCode {
    if names_flag(&format!("{error:#}")) { fail_with_usage(error, args) } else { fail(error, WRONG_USAGE) }
}

fn fail_with_usage(error: &anyhow::Error, args: &[OsString]) -> ExitCode {
    let code = fail(error, WRONG_USAGE);
    if !is_json_on_stderr() {
        // Ignores a closed stderr.
        writeln!(io::stderr(), "{}", usage(Cli::command(), args)).ok();
    }
    code
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    terminal::print_error("fault-proxy", error);
    ExitCode::from(code)
}
