//! nats-proxy-server: connects to TCP services for clients that reach it over NATS.
//!
//! - `args`: the command line; `config`: resolved settings of flags, variables and a file; `wire`: connectors and listeners.

mod args;
mod config;
mod wire;

use std::process::ExitCode;

use crate::config::{Config, Settings};

#[cfg(all(feature = "jemalloc", target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    nats_proxy_cli::main(
        env!("CARGO_PKG_NAME"),
        Some("127.0.0.1:8080"),
        None,
        Config::load,
        Settings::resolve,
        |settings| settings.program,
        wire::run,
    )
}
