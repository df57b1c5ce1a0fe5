//! Finding, starting and ending the program.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Time limit for the program to end by itself before it is killed.
const END_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Number of log lines that are kept.
const MAX_LINES: usize = 10_000;

type Lines = Arc<Mutex<VecDeque<String>>>;

/// Returns the path of the program.
pub(crate) fn find() -> Result<PathBuf, Error> {
    if let Some(named) = env::var_os("FAULT_PROXY_BIN").map(PathBuf::from) {
        return if named.is_file() { Ok(named) } else { Err(Error::NotAFile(named)) };
    }
    let name = format!("fault-proxy{}", env::consts::EXE_SUFFIX);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut programs = env::split_paths(&path).map(|directory| directory.join(&name));
    programs.find(|program| program.is_file()).ok_or(Error::NotFound)
}

/// A running `fault-proxy run` with its log.
#[derive(Debug)]
pub(crate) struct Program {
    process: Child,
    lines: Lines,
}

impl Program {
    /// Starts the program and returns it with the URL of its control API.
    pub(crate) fn start(program: &Path, args: &[OsString]) -> Result<(Self, String), Error> {
        let mut command = sys::command(program);
        command.args(["run", "--control", "127.0.0.1:0", "--no-ui", "--drain-timeout", "0"]);
        // Tests add faults while pooled connections are open. Requests must be read from the start of a
        // session, so a session without the flag could not be read later.
        command.arg("--count-requests").args(args);
        // The test configures the program, so ignore the variables of the shell that runs it. Its summary
        // does not belong to a GitHub workflow.
        let is_for_it = |name: &str| name.starts_with("FAULT_") || name.starts_with("GITHUB_");
        for (name, _) in env::vars_os().filter(|(name, _)| is_for_it(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let spawn = |source| Error::Spawn { program: program.to_owned(), source };
        let mut process = command.spawn().map_err(spawn)?;
        let log = process.stderr.take().expect("it is piped");
        let lines = Lines::default();
        let (url_sender, url) = channel();
        let started = Self { process, lines: lines.clone() };
        thread::spawn(move || read_log(log, &lines, &url_sender));
        let reason = match url.recv_timeout(START_TIMEOUT) {
            Ok(url) => return Ok((started, url)),
            Err(RecvTimeoutError::Disconnected) => "it ended",
            Err(RecvTimeoutError::Timeout) => "its control API was not ready after 30 s",
        };
        Err(Error::NotReady { program: program.to_owned(), reason, printed: started.lines().join("\n") })
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Keeps the latest lines, and sends the URL of the control API.
fn read_log(log: ChildStderr, lines: &Lines, url: &Sender<String>) {
    for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let found = line.split_once("control API on ").and_then(|(_, rest)| rest.split(' ').next());
        let found = found.map(str::to_owned);
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        drop(lines);
        if let Some(found) = found {
            // Only the first URL has a receiver.
            url.send(found).ok();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        sys::end(&mut self.process);
        let deadline = Instant::now() + END_TIMEOUT;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
        sys::kill(&mut self.process);
        self.process.wait().ok();
    }
}

#[cfg(unix)]
mod sys {
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Child, Command};

    use rustix::process::{Pid, Signal, kill_process_group};

    /// Ends the program when stdin is closed, which also happens when the test process ends without dropping
    /// its guard. No other process holds stderr open, so the log ends with the program.
    const SUPERVISOR: &str = r#""$@" </dev/null & exec 2>/dev/null; cat; kill "$!"; wait "$!""#;

    /// Returns a command in a separate process group, so that Ctrl-C only reaches the tests.
    pub(super) fn command(program: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISOR, "sh"]).arg(program).process_group(0);
        command
    }

    pub(super) fn end(process: &mut Child) {
        drop(process.stdin.take());
    }

    /// Kills the process group, including the program. Does nothing if the supervisor has ended, which waits
    /// for the program.
    pub(super) fn kill(process: &mut Child) {
        if matches!(process.try_wait(), Ok(None)) {
            kill_process_group(Pid::from_child(process), Signal::KILL).ok();
        }
    }
}

#[cfg(not(unix))]
mod sys {
    use std::path::Path;
    use std::process::{Child, Command};

    pub(super) fn command(program: &Path) -> Command {
        Command::new(program)
    }

    pub(super) fn end(process: &mut Child) {
        process.kill().ok();
    }

    pub(super) fn kill(_: &mut Child) {}
}
