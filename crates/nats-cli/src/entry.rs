use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Error, Result, anyhow};
use clap::{Args, Parser};
use tracing::debug;

use super::{Checked, Program};
use proxy_cli::args::{self, NATS_PROXY};
use proxy_cli::log::{Log, LogArgs};
use proxy_cli::terminal::{self, print};

/// Exit codes of failures.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Runs a program with this name. `load` adds a file to the arguments and
/// returns its path, `resolve` validates the settings, and `run`
/// returns a table of the sessions. The command `check` calls [`Program::check`] instead. The command `health` queries
/// the HTTP endpoint at `health_addr`, or at the address in the variable.
pub fn main<Cli: Parser + Args, Config, Settings>(
    name: &str,
    health_addr: Option<&'static str>,
    health_variable: Option<&'static str>,
    load: impl FnOnce(Cli) -> Result<(Config, LogArgs, Option<PathBuf>)>,
    resolve: impl FnOnce(Config) -> Result<Settings>,
    program: impl FnOnce(Settings) -> Program,
    run: impl FnOnce(Settings) -> Result<String>,
) -> ExitCode {
    let print_failure = |error: Error, code| {
        terminal::print_error(name, args::with_sources(error, &args::nats_command::<Cli>(), None));
        ExitCode::from(code)
    };
    let prepare = || {
        let (cli, is_check) = args::parse_or_do(health_addr, health_variable);
        let (config, log, file) = load(cli)?;
        let log = Log::init(&log)?;
        for prefix in [NATS_PROXY, "FAULT_"] {
            args::warn_about_unknown_variables(&args::nats_command::<Cli>(), prefix, |_| None);
        }
        if let Some(file) = file {
            debug!(file = %file.display(), "settings file read");
        }
        Ok((resolve(config)?, is_check, log))
    };
    match prepare() {
        Ok((settings, true, log)) => {
            let checked = program(settings).check();
            drop(log);
            match checked.and_then(|Checked { report, problem }| print(report).map(|_| problem)) {
                Ok(None) => ExitCode::SUCCESS,
                Ok(Some(problem)) => print_failure(anyhow!(problem), FAILED),
                Err(error) => print_failure(error, FAILED),
            }
        }
        Ok((settings, false, log)) => {
            let ran = run(settings);
            // Dropping the log flushes it, so that it is written before the table.
            drop(log);
            let printed = ran.and_then(|table| if table.is_empty() { Ok(true) } else { print(table) });
            match printed {
                Ok(_) => ExitCode::SUCCESS,
                Err(error) => print_failure(error, FAILED),
            }
        }
        Err(error) => print_failure(error, WRONG_USAGE),
    }
}
