//! nats-proxy-client: carries TCP connections over NATS to a nats-proxy-server.
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
        None,
        Some("HEALTH_ADDR"),
        Config::load,
        Settings::resolve,
        |settings| settings.program,
        wire::run,
    )
}
