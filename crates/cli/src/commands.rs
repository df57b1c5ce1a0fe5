//! Commands that every program has.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Command, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::addr::Endpoint;
use crate::completion;
use crate::health;
use crate::terminal;

/// Commands that every program has.
#[derive(Debug, Subcommand)]
pub enum Common {
    /// Check whether the running program is ready, for container health checks; exit code 1 if it is not.
    Health {
        /// HTTP endpoint of the program: HOST:PORT.
        #[arg(required = false)]
        addr: Endpoint,
        /// Print the answer as JSON.
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

/// Sets the default address of the command `health`, and the variable that overrides it. Leaves other commands unchanged.
pub fn health_at(usual: &'static str, variable: Option<&'static str>) -> impl Fn(Command) -> Command {
    move |command| match command.get_name() {
        "health" => command.mut_arg("addr", |addr| addr.default_value(usual).env(variable)),
        _ => command,
    }
}

impl Common {
    /// Runs the command for the program that `command` describes.
    ///
    /// # Errors
    /// If the output cannot be written, or `health` finds that the program is not ready.
    pub fn run(&self, command: Command, out: &mut impl Write) -> Result<()> {
        match self {
            Self::Health { addr, json } => {
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
