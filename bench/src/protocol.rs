//! `cargo xtask bench protocol`: the cost of reading requests, measured with a fault on requests that selects
//! none of them.
//!
//! Runs with and without the fault take turns. Two runs without it show the noise.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use testkit::{Postgres, Redis, free_addr, packages, require};

use super::args::BenchArgs;
use super::become_ready;
use super::peers::start_ours;
use super::report::{self, figure, markdown, median};
use super::verdict::at_least;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    Pgbench,
    PgbenchPrepared,
    Redis,
}

/// Amounts of one run.
#[derive(Debug)]
struct Scale {
    rounds: usize,
    /// Duration of pgbench, in seconds.
    seconds: u32,
    /// Number of requests of redis-benchmark.
    requests: u32,
}

const FULL: Scale = Scale { rounds: 9, seconds: 5, requests: 3_000_000 };
const QUICK: Scale = Scale { rounds: 1, seconds: 1, requests: 300_000 };

/// Target, relative to the same mapping without the fault.
const SHARE: f64 = 0.97;

/// Builds fault-proxy, measures the cost of reading requests and prints the tables.
///
/// # Errors
/// Returns an error that names the client if it fails.
pub(crate) fn run(args: &BenchArgs<Section>) -> Result<()> {
    packages::install_missing(packages::TESTS)?;
    become_ready(&["fault-proxy"])?;
    let scale = if args.quick { &QUICK } else { &FULL };
    report::print_heading("fault-proxy", &[])?;
    let mut targets = Vec::new();
    let mut rows = Vec::new();
    for section in args.sections() {
        let [without, again, with] = section.measure(scale)?;
        let ratio = with / median(&[without, again]);
        targets.push(at_least(&format!("{}: with / without", section.label()), ratio, SHARE));
        let figures = [without, again, with, again / without, ratio].map(figure);
        rows.push([section.label().to_owned()].into_iter().chain(figures).collect::<Vec<_>>());
    }
    let header = ["requests/s", "without", "without, again", "with", "again / without", "with / without"];
    println!(
        "\n### A fault on requests that selects none ({} rounds)\n\n{}",
        scale.rounds,
        markdown(header.map(str::to_owned).to_vec(), rows.into_iter())
    );
    report::print_targets(&targets);
    Ok(())
}

impl Section {
    fn label(self) -> &'static str {
        match self {
            Self::Pgbench => "pgbench -S",
            Self::PgbenchPrepared => "pgbench -S -M prepared",
            Self::Redis => "redis-benchmark -P 16",
        }
    }

    /// Returns the medians of the requests per second without the fault, without it again, and with it.
    fn measure(self, scale: &Scale) -> Result<[f64; 3]> {
        let (postgres, redis);
        let (upstream, on) = match self {
            Self::Redis => {
                redis = Redis::start();
                (format!("redis://127.0.0.1:{}", redis.port()), "DEL")
            }
            _ => {
                postgres = Postgres::start();
                pgbench(postgres.port(), &["-i", "-q"])?;
                (format!("psql://127.0.0.1:{}", postgres.port()), "ddl")
            }
        };
        let with = format!("--control off --with-lose-response --lose-response-on {on}");
        let mut samples: [Vec<f64>; 3] = Default::default();
        for round in 1..=scale.rounds {
            // Start each round with another configuration.
            for turn in 0..samples.len() {
                let which = (turn + round) % samples.len();
                let flags = if which == 2 { &with } else { "--control off" };
                let proxy = free_addr();
                let _ours = start_ours(proxy, &upstream, flags)?;
                let rate = self.rate(proxy.port(), scale)?;
                eprintln!("{}: round {round} of {}, {flags}: {rate:.0}/s", self.label(), scale.rounds);
                samples[which].push(rate);
            }
        }
        Ok(samples.each_ref().map(|samples| median(samples)))
    }

    fn rate(self, port: u16, scale: &Scale) -> Result<f64> {
        let seconds = scale.seconds.to_string();
        let of_pgbench = |mode| {
            let report = pgbench(port, &["-S", "-n", "-M", mode, "-c", "8", "-T", &seconds])?;
            let tps = report.lines().find_map(|line| line.strip_prefix("tps = "));
            number(tps.and_then(|tps| tps.split(' ').next()), &report)
        };
        match self {
            Self::Pgbench => of_pgbench("simple"),
            Self::PgbenchPrepared => of_pgbench("prepared"),
            Self::Redis => {
                let requests = scale.requests.to_string();
                let mut client = Command::new(require("redis-benchmark", "redis-tools"));
                client.args([
                    "-p",
                    &port.to_string(),
                    "-P",
                    "16",
                    "-d",
                    "100",
                    "-t",
                    "set",
                    "--csv",
                    "-n",
                    &requests,
                ]);
                let report = printed(&mut client)?;
                let set = report.lines().find_map(|line| line.strip_prefix("\"SET\",\""));
                number(set.and_then(|rate| rate.split('"').next()), &report)
            }
        }
    }
}

fn pgbench(port: u16, args: &[&str]) -> Result<String> {
    let mut client = Command::new(require("pgbench", "postgresql"));
    client.env_clear().envs([("PGHOST", "127.0.0.1"), ("PGUSER", "postgres"), ("PGSSLMODE", "disable")]);
    client.envs([("PGGSSENCMODE", "disable"), ("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent")]);
    printed(client.env("PGPORT", port.to_string()).args(args).arg("postgres"))
}

fn printed(client: &mut Command) -> Result<String> {
    let output = client.output().with_context(|| format!("{client:?}"))?;
    ensure!(output.status.success(), "{client:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn number(text: Option<&str>, report: &str) -> Result<f64> {
    text.and_then(|text| text.parse().ok()).with_context(|| format!("no rate in {report}"))
}
