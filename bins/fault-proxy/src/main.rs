//! fault-proxy: a TCP proxy that makes the network bad on purpose.
//!
//! - `args`: the command line; `wire`: what it means.
//! - `run`, `check`, `demo`: the commands.
//! - `log`, `tally`: what is printed while it runs and at its end.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what a command is for")]

mod args;
mod check;
mod demo;
mod faulty;
mod log;
mod run;
mod tally;
mod wire;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command};
use crate::wire::Proxy;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Exit codes besides 0.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let _flush_log_at_end = log::init(&cli.log);
    match cli.command {
        Command::Run(args) => match Proxy::all(&args.routes) {
            Ok(proxies) => ended(run::run(&args, proxies)),
            Err(error) => complain(&error, WRONG_USAGE),
        },
        Command::Check(args) => match Proxy::all(&args) {
            Ok(proxies) => ended(check::check(&proxies)),
            Err(error) => complain(&error, WRONG_USAGE),
        },
        Command::Demo(args) => ended(demo::demo(&args)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "fault-proxy", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

fn ended(command: Result<()>) -> ExitCode {
    match command {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, FAILED),
    }
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("fault-proxy: {error:#}");
    ExitCode::from(code)
}
