//! The quick start of the NATS programs with real servers, and a transfer during which the NATS server is
//! killed.

use std::env;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::{Daemon, Signal, free_port, nats_server, packages, require};

use crate::cargo;

/// Number of pushed values, which are 1, 2, … up to this.
const NUMBERS: u32 = 500_000;
/// The server is killed after this number of sent values.
const KILL_AT: u32 = NUMBERS / 3;
const OUTAGE: Duration = Duration::from_secs(1);

const STOPPING: Duration = Duration::from_secs(10);

/// Runs the demonstration.
///
/// # Errors
/// Returns an error if the output differs from the expected one.
pub(crate) fn run() -> Result<()> {
    packages::install_missing(packages::NATS_DEMO)?;
    let programs = build()?;
    let [nats_port, redis_port, listen_port] = [(); 3].map(|()| free_port().to_string());
    let nats_url = format!("nats://127.0.0.1:{nats_port}");
    let nats_args = ["-a", "127.0.0.1", "-p", &nats_port];

    println!("The quick start, on free ports:\n");
    let nats = start(&nats_server(), &nats_args, "Server is ready");
    let redis_args = ["--port", &redis_port, "--bind", "127.0.0.1", "--save", ""];
    let _redis = start(&require("redis-server", "redis-server"), &redis_args, "Ready to accept connections");
    let server_args = ["--nats-url", &nats_url, "--listen-addr", "off", "--log-level", "info"];
    let server = start(&programs.join("nats-proxy-server"), &server_args, "listening on proxy.request");
    let (listen, remote) = (format!("127.0.0.1:{listen_port}"), format!("127.0.0.1:{redis_port}"));
    let client_args = [
        ["--nats-url", &nats_url],
        ["--listen-addr", &listen],
        ["--remote-addr", &remote],
        ["--proxy-addr", "localhost:8081"],
    ];
    let client = start(
        &programs.join("nats-proxy-client"),
        client_args.as_flattened(),
        &format!("listening on {listen}"),
    );
    println!();

    let redis = Redis { program: require("redis-cli", "redis-tools"), port: listen_port };
    redis.expect(&["PING"], "PONG\n")?;
    redis.expect(&["SET", "key", "value"], "OK\n")?;
    redis.expect(&["GET", "key"], "value\n")?;

    println!("\nThe NATS server is killed while a transfer runs:\n");
    let _nats = redis.push_numbers(nats, &nats_args)?;
    for line in client.lines().iter().filter(|line| line.contains("NATS")) {
        println!("  nats-proxy-client: {line}");
    }
    redis.expect_numbers()?;
    println!("\nThe session survived. No value was lost or duplicated.");
    for program in [client, server] {
        program.signal(Signal::TERM);
        let status = program.wait(STOPPING);
        ensure!(status.success(), "a program ended with {status}: {}", program.stderr());
    }
    Ok(())
}

/// Builds both programs with the profile of this one. Returns their directory.
fn build() -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--quiet", "--package", "nats-proxy-server", "--package", "nats-proxy-client"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().context("cannot run cargo build")?;
    ensure!(status.success(), "cannot build the programs");
    let this = env::current_exe().context("cannot find this program")?;
    Ok(this.parent().context("this program is in no directory")?.to_owned())
}

/// Starts a program and waits until it prints `ready`.
fn start(program: &Path, args: &[&str], ready: &str) -> Daemon {
    println!("$ {}", typed(program, args));
    let daemon = Daemon::spawn(program, args, &[]);
    println!("  {}", daemon.wait_for_line(ready));
    daemon
}

fn typed(program: &Path, args: &[&str]) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let args = args.iter().map(|arg| if arg.is_empty() { " \"\"".to_owned() } else { format!(" {arg}") });
    format!("{name}{}", args.collect::<String>())
}

/// A Redis server that is reached through the tunnel.
#[derive(Debug)]
struct Redis {
    program: PathBuf,
    port: String,
}

impl Redis {
    /// Runs redis-cli with this command. Its output must be exactly `answer`.
    fn expect(&self, command: &[&str], answer: &str) -> Result<()> {
        let args = [&["-h", "127.0.0.1", "-p", &self.port], command].concat();
        println!("$ {}", typed(&self.program, &args));
        let printed = output(Command::new(&self.program).args(args))?;
        print!("{printed}");
        ensure!(printed == answer, "{answer:?} was expected");
        Ok(())
    }

    /// Pushes the numbers to a list in one session. Kills and restarts `nats` during the session.
    fn push_numbers(&self, nats: Daemon, nats_args: &[&str]) -> Result<Daemon> {
        let args = ["-h", "127.0.0.1", "-p", &self.port, "--pipe"];
        println!("$ seq {NUMBERS} | sed 's/^/RPUSH numbers /' | {}", typed(&self.program, &args));
        let mut command = Command::new(&self.program);
        let mut pipe = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let sent = AtomicU32::new(0);
        let nats = thread::scope(|scope| {
            let feeder = scope.spawn(|| feed(&mut pipe, &sent));
            while sent.load(Ordering::Relaxed) < KILL_AT && !feeder.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
            println!("  after {} numbers: kill -9 {}", sent.load(Ordering::Relaxed), nats.pid());
            nats.signal(Signal::KILL);
            nats.wait(STOPPING);
            thread::sleep(OUTAGE);
            println!("  a second later, after {} numbers:", sent.load(Ordering::Relaxed));
            let nats = start(&nats_server(), nats_args, "Server is ready");
            feeder.join().expect("it only writes").context("cannot feed redis-cli")?;
            anyhow::Ok(nats)
        })?;
        let output = pipe.wait_with_output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        print!("{printed}");
        let all = format!("errors: 0, replies: {NUMBERS}");
        ensure!(output.status.success() && printed.contains(&all), "{all:?} was expected");
        Ok(nats)
    }

    /// Reads the list back.
    fn expect_numbers(&self) -> Result<()> {
        let args = ["-h", "127.0.0.1", "-p", &self.port, "LRANGE", "numbers", "0", "-1"];
        println!("$ {} | diff --report-identical-files - <(seq {NUMBERS})", typed(&self.program, &args));
        let numbers = output(Command::new(&self.program).args(args))?;
        let difference = numbers.lines().zip(1..).find(|(line, number)| *line != number.to_string());
        ensure!(difference.is_none(), "the list differs: {difference:?}");
        let count = numbers.lines().count();
        ensure!(count == NUMBERS as usize, "the list has {count} numbers");
        println!("Files - and /dev/fd/63 are identical");
        Ok(())
    }
}

fn feed(pipe: &mut Child, sent: &AtomicU32) -> io::Result<()> {
    let stdin = pipe.stdin.take().expect("stdin is piped");
    let mut lines = BufWriter::with_capacity(1 << 10, stdin);
    for number in 1..=NUMBERS {
        writeln!(lines, "RPUSH numbers {number}")?;
        sent.store(number, Ordering::Relaxed);
    }
    lines.flush()
}

fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    String::from_utf8(output.stdout).context("the output is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_they_are_typed() {
        let program = Path::new("/usr/bin/redis-server");
        assert_eq!(typed(program, &["--port", "1", "--save", ""]), "redis-server --port 1 --save \"\"");
    }
}
