//! Plain clients of the same NATS library for comparison with the tunnel. Each runs in a separate process.

mod roles;

use std::env;
use std::fmt;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use testkit::{Daemon, NatsServer};

pub(crate) use roles::play;

/// Encoding of the data that the plain clients exchange, and the number of bytes per message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload {
    Bytes(usize),
    Json(usize),
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Bytes(chunk) => write!(f, "plain, messages of {} KiB", chunk >> 10),
            Payload::Json(chunk) => write!(f, "plain JSON, messages of {} KiB", chunk >> 10),
        }
    }
}

/// Role of a plain client.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Publish data, at most a window ahead of its subscriber, and print MiB per second.
    Publish(Load),
    /// Receive data and report its amount.
    Subscribe(Load),
    /// Send requests, one at a time, and print the p50 and p99 of the round trip in microseconds.
    Request {
        /// Number of requests that do not count.
        warm_up: usize,
        /// Number of requests that count.
        count: usize,
        /// Use tokio's default runtime.
        #[arg(long)]
        threads: bool,
    },
    /// Reply with the payload of the request.
    Reply {
        /// Use tokio's default runtime.
        #[arg(long)]
        threads: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// Number of bytes in total.
    bytes: u64,
    /// Number of bytes per message.
    chunk: usize,
    /// Encode the data as base64 in JSON.
    #[arg(long)]
    json: bool,
}

/// Sends `bytes` from one plain client to another. Returns the MiB per second.
pub(super) fn publish(payload: Payload, bytes: u64) -> Result<f64> {
    let (chunk, json) = match payload {
        Payload::Bytes(chunk) => (chunk, ""),
        Payload::Json(chunk) => (chunk, " --json"),
    };
    let load = format!("{bytes} {chunk}{json}");
    let [rate] = figures(&format!("subscribe {load}"), &format!("publish {load}"))?;
    Ok(rate)
}

/// Returns the p50 and p99 of the round trip between two plain clients in microseconds. Each uses one thread,
/// or tokio's default runtime with `threads`.
pub(super) fn request(warm_up: usize, count: usize, threads: bool) -> Result<[f64; 2]> {
    let flag = if threads { " --threads" } else { "" };
    figures(&format!("reply{flag}"), &format!("request {warm_up} {count}{flag}"))
}

/// Returns the figures that `measuring` prints while `serving` runs.
fn figures<const N: usize>(serving: &str, measuring: &str) -> Result<[f64; N]> {
    let nats = NatsServer::start();
    let url = nats.url();
    let this = env::current_exe().context("cannot find this program")?;
    let start = |role: &str| {
        let args: Vec<&str> = ["nats-neighbor", &url].into_iter().chain(role.split(' ')).collect();
        Daemon::spawn(&this, &args, &[])
    };
    let serving = start(serving);
    serving.wait_for_line(READY);
    let line = start(measuring).wait_for_line(FIGURES);
    let figures: Option<Vec<f64>> = line.split(' ').skip(1).map(|figure| figure.parse().ok()).collect();
    figures.and_then(|figures| figures.try_into().ok()).with_context(|| format!("{measuring} said {line:?}"))
}

/// Line that a serving client prints when it is ready.
const READY: &str = "ready";
/// Prefix of the line with the figures.
const FIGURES: &str = "figures";
