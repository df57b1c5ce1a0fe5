//! Connectors and listeners of the program.

use anyhow::{Context, Result};
use fault_proxy_relay::Route;
use nats_proxy_cli::{Sessions, take_port};
use proxy_cli::bind::listed;
use tracing::info;

use crate::config::{Forward, Settings};

/// Forwards connections until a signal ends the program. Returns a table of the sessions.
pub(crate) fn run(settings: Settings) -> Result<String> {
    let Settings { program, forwards } = settings;
    let listeners = forwards
        .into_iter()
        .map(|forward| {
            let listeners = take_port(&forward.listen).with_context(|| format!("--forward {forward}"))?;
            Ok((forward, listeners))
        })
        .collect::<Result<Vec<_>>>()?;
    program.run(async |sessions: &mut Sessions| {
        for (Forward { target, .. }, listeners) in listeners {
            let addresses = listed(&listeners)?;
            let addr = listeners.first().context("no socket")?.local_addr()?;
            let route = Route::to(sessions.tunnels.connector(target.0.clone()));
            sessions.relay_tcp(format!("{addr}={target}"), listeners, route)?;
            info!(listen = %addresses, %target, "listening on {addresses} for {target}");
        }
        Ok(())
    })
}
