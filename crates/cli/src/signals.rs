//! What ends a run.

use std::future::pending;
use std::time::Duration;

use anyhow::{Context, Result};
use proxy_relay::Shutdown;
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::service;

/// Drains at the first signal or at the end of `duration`. Returns at a second signal or when `drain_timeout` is over:
/// what is left then is to be aborted.
pub async fn end(
    mut signals: Signals,
    duration: Option<Duration>,
    drain_timeout: Duration,
    shutdown: &Shutdown,
) {
    let duration = async {
        match duration {
            Some(duration) => sleep(duration).await,
            None => pending().await,
        }
    };
    select! {
        name = signals.next() => info!("{name}: draining, a second signal ends now"),
        () = duration => info!("the run's duration is over: draining"),
    }
    shutdown.drain();
    service::stopping();
    select! {
        name = signals.next() => warn!("{name}: resetting the sessions that are left"),
        () = sleep(drain_timeout) => warn!("the drain time-out is over: resetting the sessions that are left"),
    }
}

/// SIGINT and SIGTERM.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on, neither ends the process by itself. Needs the runtime's context.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn new() -> Result<Self> {
        let handler = |kind| signal(kind).context("cannot handle signals");
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
        })
    }

    /// The name of the next one.
    ///
    /// # Cancel safety
    /// No signal is lost.
    pub async fn next(&mut self) -> &'static str {
        select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
