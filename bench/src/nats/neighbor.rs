//! Plain clients of the same NATS library, to compare the tunnel with. Each runs in a separate process.

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

/// What one plain client does.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Publishes data, at most a window ahead of its subscriber; prints MiB per second.
    Publish(Load),
    /// Receives the data and reports it.
    Subscribe(Load),
    /// Sends requests, one at a time; prints the round trip's p50 and p99 in microseconds.
    Request {
        /// How many are not counted.
        warm_up: usize,
        /// How many are.
        count: usize,
        /// On tokio's default runtime.
        #[arg(long)]
        threads: bool,
    },
    /// Replies with what was asked.
    Reply {
        /// On tokio's default runtime.
        #[arg(long)]
        threads: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// In all.
    bytes: u64,
    /// In a message.
    chunk: usize,
    /// As base64 in JSON.
    #[arg(long)]
    json: bool,
}

/// Moves `bytes` from one plain client to another and returns the MiB a second.
pub(super) fn publish(payload: Payload, bytes: u64) -> Result<f64> {
    let (chunk, json) = match payload {
        Payload::Bytes(chunk) => (chunk, ""),
        Payload::Json(chunk) => (chunk, " --json"),
    };
    let load = format!("{bytes} {chunk}{json}");
    let [rate] = figures(&format!("subscribe {load}"), &format!("publish {load}"))?;
    Ok(rate)
}

/// The round trip's p50 and p99 between two plain clients, in microseconds; on one thread each, or on a runtime with
/// `threads`.
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
