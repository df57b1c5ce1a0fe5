//! `cargo xtask bench protocol`: the cost of reading requests, measured with a fault on requests that selects
//! none of them.
//!
//! One program has two mappings to the same upstream, one of which has the fault. Each round measures the one with the
//! fault once and the other twice, and compares only within the round, because the speed of a machine drifts by more than
//! the cost of the fault. The two runs without it show the noise. Runs are short, so that the three of a round are close
//! to each other in time, and there are many.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use tempfile::TempDir;
use testkit::{Daemon, Postgres, Redis, free_addr, packages, require};

use super::args::BenchArgs;
use super::report::{self, figure, markdown, median};
use super::verdict::at_least;
use super::{become_ready, dist_directory};

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
    /// Number of transactions of each client of pgbench.
    transactions: u32,
    /// Number of requests of redis-benchmark.
    requests: u32,
}

const FULL: Scale = Scale { rounds: 300, transactions: 500, requests: 100_000 };
const QUICK: Scale = Scale { rounds: 3, ..FULL };

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
        let rounds = section.measure(scale)?;
        let of_rounds = |figure: fn(&Round) -> f64| rounds.iter().map(figure).collect::<Vec<_>>();
        let ratios = of_rounds(|round| round.with / f64::midpoint(round.without, round.again));
        let noise = of_rounds(|round| round.again / round.without);
        targets.push(at_least(&format!("{}: with / without", section.label()), median(&ratios), SHARE));
        let rates = [of_rounds(|round| round.without), of_rounds(|round| round.with)]
            .map(|rates| figure(median(&rates)));
        let spreads = [noise, ratios].map(|ratios| spread(&ratios));
        rows.push([section.label().to_owned()].into_iter().chain(rates).chain(spreads).collect::<Vec<_>>());
    }
    let header = ["median (quartiles)", "without/s", "with/s", "without, again / without", "with / without"];
    println!(
        "\n### A fault on requests that selects none ({} rounds)\n\n{}",
        scale.rounds,
        markdown(header.map(str::to_owned).to_vec(), rows.into_iter())
    );
    report::print_targets(&targets);
    Ok(())
}

/// Addresses of the two mappings.
#[derive(Debug)]
struct Addrs {
    without: SocketAddr,
    with: SocketAddr,
}

impl Addrs {
    /// Starts fault-proxy, and waits until it listens.
    fn start_ours(&self, upstream: &str, on: &str) -> Result<Daemon> {
        let directory = TempDir::new()?;
        let file = directory.path().join("bench.toml");
        let Self { without, with } = self;
        fs::write(
            &file,
            format!(
                "control = \"off\"
log-level = \"warn\"
[[proxies]]
name = \"without\"
proxy = \"{without}={upstream}\"
[[proxies]]
name = \"with\"
proxy = \"{with}={upstream}\"
faults = [{{ type = \"lose-response\", on = \"{on}\" }}]
"
            ),
        )?;
        let file = file.to_str().context("the path of the temporary directory is not UTF-8")?;
        let daemon = Daemon::spawn(&dist_directory()?.join("fault-proxy"), &["run", "--config", file], &[]);
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(without).is_err() || TcpStream::connect(with).is_err() {
            ensure!(Instant::now() < deadline, "fault-proxy does not listen: {}", daemon.stderr());
            thread::sleep(Duration::from_millis(10));
        }
        Ok(daemon)
    }
}

/// Requests per second of one round.
#[derive(Debug)]
struct Round {
    without: f64,
    again: f64,
    with: f64,
}

/// Displays the median and the quartiles of ratios.
fn spread(ratios: &[f64]) -> String {
    let mut sorted = ratios.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let [lower, upper] = [sorted.len() / 4, sorted.len() * 3 / 4].map(|rank| sorted[rank]);
    format!("{:.3} ({lower:.3} to {upper:.3})", median(ratios))
}

impl Section {
    fn label(self) -> &'static str {
        match self {
            Self::Pgbench => "pgbench -S",
            Self::PgbenchPrepared => "pgbench -S -M prepared",
            Self::Redis => "redis-benchmark -P 16",
        }
    }

    fn measure(self, scale: &Scale) -> Result<Vec<Round>> {
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
        let addrs = Addrs { without: free_addr(), with: free_addr() };
        let _ours = addrs.start_ours(&upstream, on)?;
        let mut rounds = Vec::with_capacity(scale.rounds);
        for round in 1..=scale.rounds {
            let mut rates = [0.0; 3];
            // Start each round with another mapping.
            for turn in 0..rates.len() {
                let which = (turn + round) % rates.len();
                let addr = if which == 2 { addrs.with } else { addrs.without };
                rates[which] = self.rate(addr.port(), scale)?;
            }
            let [without, again, with] = rates;
            eprintln!(
                "{}: round {round} of {}: {without:.0}/s and {again:.0}/s without, {with:.0}/s with",
                self.label(),
                scale.rounds
            );
            rounds.push(Round { without, again, with });
        }
        Ok(rounds)
    }

    fn rate(self, port: u16, scale: &Scale) -> Result<f64> {
        let transactions = scale.transactions.to_string();
        let of_pgbench = |mode| {
            let report = pgbench(port, &["-S", "-n", "-M", mode, "-c", "8", "-t", &transactions])?;
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
