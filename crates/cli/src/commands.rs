//! Commands that every program has.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Command, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::addr::Endpoint;
use crate::completion;
use crate::health;
use crate::terminal;

/// Parses the address of a running program. The error does not suggest forms that only a listen address can
/// have.
fn endpoint_of_program(text: &str) -> Result<Endpoint, String> {
    text.parse().map_err(|_| "expected the HOST:PORT of a running program, such as 127.0.0.1:8474".to_owned())
}

/// Commands that every program has.
#[derive(Debug, Subcommand)]
pub enum Common {
    /// Check whether the running program is ready, for container health checks; exit code 1 if it is not.
    Health {
        /// HTTP endpoint of the program: HOST:PORT.
        #[arg(value_parser = endpoint_of_program)]
        addr: Option<Endpoint>,
        /// Print the response as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Shell that the script is for.
        shell: Shell,
    },
    /// Print the manual page, or write the manual pages of all commands to files.
    Man {
        /// Directory to write to, with one file per page.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// Sets the default address of the command `health`, if the program has one, and the variable that overrides it. Leaves other
/// commands unchanged.
pub fn health_at(
    default: Option<&'static str>,
    variable: Option<&'static str>,
) -> impl Fn(Command) -> Command {
    move |command| match command.get_name() {
        "health" => command.mut_arg("addr", |addr| {
            let addr = addr.env(variable);
            default.into_iter().fold(addr, |addr, default| addr.default_value(default))
        }),
        _ => command,
    }
}

/// Returns the variable that sets the address of the command `health`.
fn variable_of_health(command: &Command) -> String {
    let health = command.find_subcommand("health").into_iter().flat_map(Command::get_arguments);
    let variable = health.filter_map(|arg| arg.get_env()).next();
    variable
        .map_or_else(|| "the configuration".to_owned(), |variable| variable.to_string_lossy().into_owned())
}

impl Common {
    /// Runs the command for the program that `command` describes.
    ///
    /// # Errors
    /// Returns an error if the output cannot be written, or `health` finds that the program is not ready.
    pub fn run(&self, command: Command, out: &mut impl Write) -> Result<()> {
        match self {
            Self::Health { addr, json } => {
                let Some(addr) = addr else {
                    bail!(
                        "the HTTP endpoint of the program is off by default: `health` requires its address, as an argument \
                         or in {}",
                        variable_of_health(&command)
                    )
                };
                let readiness = health::request(addr)?;
                if *json {
                    terminal::write(out, format!("{}\n", serde_json::to_string(&readiness)?).as_bytes())?;
                }
                readiness.check()
            }
            Self::Completions { shell } => {
                terminal::write(out, &completion::script(*shell, command.get_name())).map(drop)
            }
            Self::Man { dir: None } => {
                let mut page = Vec::new();
                Man::new(command).render(&mut page)?;
                terminal::write(out, &page).map(drop)
            }
            Self::Man { dir: Some(dir) } => {
                fs::create_dir_all(dir)?;
                Ok(clap_mangen::generate_to(command, dir)?)
            }
        }
    }
}
