//! The command whose runs are judged.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::future::pending;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow};
use proxy_cli::signals::Signals;
use proxy_cli::sys::{RequestSignal, free_start, has_group, in_own_group, signal_group};
use proxy_cli::terminal::plain_lines;
use serde::Serialize;
use tokio::process::{self, Child};
use tokio::time::{sleep, timeout};
use tokio::{join, select};

/// Time to end after SIGTERM, until SIGKILL.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval to look whether all processes have ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Interval to free the disk space of output that is not kept.
const OUTPUT_INTERVAL: Duration = Duration::from_millis(100);

/// Part of the output that is kept of a run that failed.
const MAX_OUTPUT: u64 = 16 << 10;
const MAX_LINES: usize = 20;

/// A command with its arguments.
#[derive(Debug)]
pub(super) struct Command<'a> {
    pub(super) line: &'a [OsString],
    pub(super) timeout: Duration,
}

/// A run of the command.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) time: Duration,
    /// `None` if it passed.
    pub(super) failure: Option<Failure>,
}

/// How a run failed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Failure {
    /// For example `exit code 1`.
    pub(super) status: String,
    /// Last lines of its output.
    pub(super) output: String,
}

impl Command<'_> {
    /// Runs the command to its end, in its own process group. The command is ended at the time limit, or at a signal. Processes of the
    /// group that outlive the command are ended, so that they do not meet the proxies of the next run.
    ///
    /// Returns `None` if this program was stopped and has continued, as with Ctrl-Z and `fg`. Its proxies did not forward anything in
    /// the meantime, so the run does not measure the fault.
    ///
    /// # Errors
    /// The command cannot be started, or a signal arrived.
    pub(super) async fn run(&self, variables: &[(String, String)], ends: &mut Ends) -> Result<Option<Run>> {
        let mut output =
            tempfile::tempfile().context("cannot create a file for the output of the command")?;
        let started = Instant::now();
        let mut child = self.start(variables, &output)?;
        let group = child.id();
        let ended = select! {
            // A command that ended while this program was stopped does not count either.
            biased;
            interruption = ends.next() => {
                end(&mut child).await;
                return match interruption {
                    Interruption::End(name) => {
                        Err(anyhow!("{name}: the command was ended, and nothing was measured"))
                    }
                    Interruption::Stop => Ok(None),
                };
            }
            ended = timeout(self.timeout, child.wait()) => ended,
            never = keep_end(&output) => match never {},
        };
        let time = started.elapsed();
        let status = match ended {
            Ok(status) => {
                if let Some(group) = group {
                    end_group(group).await;
                }
                shown(status.context("cannot wait for the command")?)
            }
            Err(_) => {
                end(&mut child).await;
                let limit = humantime::format_duration(self.timeout);
                Some(format!("not done after {limit}, the limit of --timeout"))
            }
        };
        let failure = match status {
            Some(status) => Some(Failure { status, output: last_lines(&mut output)? }),
            None => None,
        };
        Ok(Some(Run { time, failure }))
    }

    fn start(&self, variables: &[(String, String)], output: &File) -> Result<Child> {
        let (program, args) = self.line.split_first().context("no command")?;
        let mut command = std::process::Command::new(program);
        let variables = variables.iter().map(|(name, value)| (name, value));
        command.args(args).envs(variables).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output.try_clone()?);
        in_own_group(&mut command);
        let child = process::Command::from(command).kill_on_drop(true).spawn();
        child.map_err(|error| {
            let way_out = way_out(program, &error);
            let problem = format!("cannot start the command `{}`: {error}{way_out}", program.display());
            Error::new(NotStarted).context(problem)
        })
    }
}

/// Signals that interrupt a run.
#[derive(Debug)]
pub(super) struct Ends {
    signals: Signals,
    /// The end of the terminal, which does not reach the process group of the command.
    hangup: Option<RequestSignal>,
    continued: Option<RequestSignal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interruption {
    /// The signal with this name ends the measurement.
    End(&'static str),
    /// This program was stopped, and has continued.
    Stop,
}

impl Ends {
    /// Requires the context of a runtime.
    pub(super) fn new(signals: Signals) -> io::Result<Self> {
        Ok(Self { signals, hangup: RequestSignal::hangup()?, continued: RequestSignal::continued()? })
    }

    async fn next(&mut self) -> Interruption {
        select! {
            name = self.signals.next() => Interruption::End(name),
            () = received(&mut self.hangup) => Interruption::End("SIGHUP"),
            () = received(&mut self.continued) => Interruption::Stop,
        }
    }
}

async fn received(signal: &mut Option<RequestSignal>) {
    match signal {
        Some(signal) => signal.recv().await,
        None => pending().await,
    }
}

/// Marks the error of a command that cannot be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotStarted;

impl std::fmt::Display for NotStarted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing was run")
    }
}

impl std::error::Error for NotStarted {}

/// Returns what to do about a program that cannot be started.
fn way_out(program: &OsStr, error: &io::Error) -> String {
    /// ENOEXEC on all Unix systems: a text without an interpreter in its first line, or a program for another system.
    const NOT_EXECUTABLE: i32 = 8;
    let path = Path::new(program);
    let script = format!("start it with its interpreter, as in `sh {}`", program.display());
    match error.kind() {
        ErrorKind::NotFound if path.is_file() => {
            format!("; the interpreter in its first line is missing: {script}")
        }
        ErrorKind::NotFound => {
            "; check its name and PATH, or use `sh -c 'COMMAND'` for a line of the shell".to_owned()
        }
        ErrorKind::PermissionDenied if path.is_dir() => "; it is a directory: use a program in it".to_owned(),
        ErrorKind::PermissionDenied => format!("; make it executable with chmod +x, or {script}"),
        _ if cfg!(unix) && error.raw_os_error() == Some(NOT_EXECUTABLE) => format!("; {script}"),
        _ => String::new(),
    }
}

/// Ends a command and all processes of its group.
async fn end(child: &mut Child) {
    if let Some(id) = child.id() {
        join!(timeout(END_TIMEOUT, child.wait()), end_group(id)).0.ok();
    }
    child.kill().await.ok();
}

/// Asks all processes of a group to end, and ends those that do not in time.
async fn end_group(leader: u32) {
    signal_group(leader, false);
    let ended = async {
        while has_group(leader) {
            sleep(POLL_INTERVAL).await;
        }
    };
    if timeout(END_TIMEOUT, ended).await.is_err() {
        signal_group(leader, true);
    }
}

/// Returns how a run failed, or `None` if it passed.
fn shown(status: ExitStatus) -> Option<String> {
    match status.code() {
        Some(0) => None,
        Some(code) => Some(format!("exit code {code}")),
        None => Some(status.to_string()),
    }
}

/// Frees the disk space of the output, except its end, while the command prints it.
async fn keep_end(output: &File) -> Infallible {
    let mut freed = 0;
    loop {
        sleep(OUTPUT_INTERVAL).await;
        let start = output.metadata().map_or(0, |metadata| metadata.len().saturating_sub(MAX_OUTPUT));
        if start > freed {
            free_start(output, start);
            freed = start;
        }
    }
}

fn last_lines(output: &mut File) -> io::Result<String> {
    let start = output.metadata()?.len().saturating_sub(MAX_OUTPUT);
    output.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    output.take(MAX_OUTPUT).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    Ok(plain_lines(&lines[lines.len().saturating_sub(MAX_LINES)..].join("\n")))
}
