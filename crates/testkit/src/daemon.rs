//! The programs of this project, run in the same way as by users.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use crate::process::{Stop, guarded};

const LINE_TIMEOUT: Duration = Duration::from_secs(30);
const END_OF_OUTPUT_TIMEOUT: Duration = Duration::from_secs(5);

/// A running program, and everything that it prints. Dropping it kills the program and all processes that it
/// started. If the thread that spawned it ends, only the program itself is killed.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    pid: u32,
    child: Mutex<Child>,
    output: Arc<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug, Default)]
struct Output {
    printed: Mutex<Printed>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Printed {
    lines: Vec<(Stream, String)>,
    ended_streams: usize,
}

impl Daemon {
    /// Runs `program` with an empty standard input. `envs` are added to the environment of this process.
    pub fn spawn(program: &Path, args: &[&str], envs: &[(&str, &str)]) -> Self {
        let mut child = guarded(program, Stop::Kill, None)
            .args(args)
            .envs(envs.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        let output = Arc::new(Output::default());
        output.collect(Stream::Stdout, child.stdout.take().expect("stdout is piped"));
        output.collect(Stream::Stderr, child.stderr.take().expect("stderr is piped"));
        let name = program.display().to_string();
        Self { name, pid: child.id(), child: Mutex::new(child), output }
    }

    /// Waits up to 30 seconds for a line on either stream that contains `needle`, and returns the first one.
    ///
    /// # Panics
    ///
    /// Panics with all the output if no such line is printed.
    pub fn wait_for_line(&self, needle: &str) -> String {
        let found = self.output.wait(LINE_TIMEOUT, |printed| {
            let line = printed.lines.iter().map(|(_, line)| line).find(|line| line.contains(needle));
            match line {
                None if printed.has_ended() => Some(None),
                line => line.cloned().map(Some),
            }
        });
        found.flatten().unwrap_or_else(|| self.fail(&format!("printed no line with {needle:?}")))
    }

    /// Returns the lines that it has printed so far on both streams, each stream in its own order.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().lines.iter().map(|(_, line)| line.clone()).collect()
    }

    /// Returns what it has printed so far on its standard output.
    pub fn stdout(&self) -> String {
        self.output.text_of(Stream::Stdout)
    }

    /// Returns what it has printed so far on its standard error.
    pub fn stderr(&self) -> String {
        self.output.text_of(Stream::Stderr)
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends it a signal, or does nothing if it has ended.
    pub fn signal(&self, signal: Signal) {
        let mut child = self.lock_child();
        if child.try_wait().expect("the child is ours").is_none() {
            kill_process(Pid::from_child(&child), signal).expect("an unreaped child takes signals");
        }
    }

    /// Waits until the program ends. Afterwards, all its output has been read.
    ///
    /// # Panics
    ///
    /// Panics with all the output if it has not ended after `timeout`.
    pub fn wait(&self, timeout: Duration) -> ExitStatus {
        let deadline = Instant::now() + timeout;
        loop {
            let status = self.lock_child().try_wait().expect("the child is ours");
            if let Some(status) = status {
                // A process that it started may hold the streams open, so limit the wait for their end.
                self.output.wait(END_OF_OUTPUT_TIMEOUT, |printed| printed.has_ended().then_some(()));
                return status;
            }
            if Instant::now() > deadline {
                self.fail(&format!("has not ended after {timeout:?}"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn lock_child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().expect("nothing panics while it holds the child")
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{} {what}.\nstdout:\n{}\nstderr:\n{}", self.name, self.stdout(), self.stderr())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            // Each call fails only if the processes have already ended.
            kill_process_group(Pid::from_child(child), Signal::KILL).ok();
            child.wait().ok();
        }
    }
}

impl Output {
    fn collect(self: &Arc<Self>, stream: Stream, pipe: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
                output.lock().lines.push((stream, text));
                output.changed.notify_all();
                line.clear();
            }
            output.lock().ended_streams += 1;
            output.changed.notify_all();
        });
    }

    /// Waits until `look` returns a value for the output. Returns `None` if it has not after `timeout`.
    fn wait<T>(&self, timeout: Duration, look: impl Fn(&Printed) -> Option<T>) -> Option<T> {
        let mut found = None;
        let (_guard, _timed_out) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |printed| {
                found = look(printed);
                found.is_none()
            })
            .expect("nothing panics while it holds the output");
        found
    }

    fn text_of(&self, stream: Stream) -> String {
        let printed = self.lock();
        let lines = printed.lines.iter().filter(|(from, _)| *from == stream);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().expect("nothing panics while it holds the output")
    }
}

impl Printed {
    /// Returns true if both streams have ended.
    fn has_ended(&self) -> bool {
        self.ended_streams == 2
    }
}
