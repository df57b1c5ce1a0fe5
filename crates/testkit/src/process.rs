//! Finds programs, and guards running servers.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

use crate::usage;

const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Directories of servers that the PATH of a user may not contain.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Returns the path of an installed program.
///
/// # Panics
///
/// Panics if it is not installed. The message names its Debian package.
pub fn require(program: &str, debian_package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_DIRECTORIES.map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file| is_executable(file))
        .unwrap_or_else(|| {
            panic!("{program} is not installed: apt-get install {debian_package} (or run `cargo xtask test`)")
        })
}

pub(crate) fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Signal that ends a server with all its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGKILL, for a server that is a single process.
    Kill,
    /// SIGTERM, for a server that must end its workers itself.
    Terminate,
    /// SIGQUIT, which is PostgreSQL's immediate shutdown.
    Quit,
}

impl Stop {
    fn signal(self) -> Signal {
        match self {
            Self::Kill => Signal::KILL,
            Self::Terminate => Signal::TERM,
            Self::Quit => Signal::QUIT,
        }
    }

    /// Returns the name of the signal for setpriv.
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Terminate => "TERM",
            Self::Quit => "QUIT",
        }
    }
}

/// A system account to run a server as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Returns a command that the kernel stops when the calling thread ends for any reason.
pub(crate) fn guarded(program: &Path, stop: Stop, account: Option<Account>) -> Command {
    let mut command = Command::new(require("setpriv", "util-linux"));
    command.args(["--pdeathsig", stop.name()]);
    if let Some(Account { uid, gid }) = account {
        command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
    }
    command.arg("--").arg(program).stdin(Stdio::null());
    command
}

/// A running server and its temporary directory. Dropping the guard stops the server and removes the directory.
///
/// The kernel also stops the server when the thread that started it ends, so that a killed test does not
/// leave a server running. The guard must therefore be held by a thread that lives as long as the server is
/// needed. A `static` that is initialized by the first test would end with that test.
#[derive(Debug)]
pub struct ServerProcess {
    program: PathBuf,
    child: Child,
    stop: Stop,
    directory: TempDir,
}

impl ServerProcess {
    /// Starts `program` in `directory`, which the guard removes when it is dropped.
    pub fn spawn(directory: TempDir, program: &Path, args: &[&str], stop: Stop) -> Self {
        Self::spawn_as(None, directory, program, args, stop)
    }

    pub(crate) fn spawn_as(
        account: Option<Account>,
        directory: TempDir,
        program: &Path,
        args: &[&str],
        stop: Stop,
    ) -> Self {
        let output = File::create(directory.path().join("output.log")).expect("the directory is ours");
        let errors = output.try_clone().expect("a descriptor is free");
        let child = guarded(program, stop, account)
            .args(args)
            .current_dir(directory.path())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        Self { program: program.to_owned(), child, stop, directory }
    }

    /// Waits until `ready` returns true.
    ///
    /// # Panics
    ///
    /// Panics with the server's output if the server ends first or is not ready within a minute.
    pub fn wait_until(&mut self, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let ready = ready();
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                self.fail(&format!("ended ({status}) before it was ready"));
            }
            if ready {
                return;
            }
            if Instant::now() > deadline {
                self.fail(&format!("was not ready after {START_TIMEOUT:?}"));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until `address` accepts a connection. Panics like [`Self::wait_until`].
    pub fn wait_until_accepting(&mut self, address: SocketAddr) {
        self.wait_until(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok());
    }

    /// Returns the ids of the server and the processes it started, to measure their resource usage.
    pub fn pids(&self) -> Vec<u32> {
        usage::family(self.child.id())
    }

    /// Returns the process id of the server itself.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the server a signal, or does nothing if it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.runs() {
            kill_process(Pid::from_child(&self.child), signal).expect("an unreaped child takes signals");
        }
    }

    /// Kills the server and the processes it started with SIGKILL, and waits until the server has ended.
    pub fn kill(&mut self) {
        if !self.runs() {
            return;
        }
        for pid in self.pids() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // This fails only if the process has already ended.
                kill_process(pid, Signal::KILL).ok();
            }
        }
        self.child.wait().ok();
    }

    /// Returns what the server has printed so far on both streams.
    pub fn output(&self) -> String {
        let bytes = fs::read(self.directory.path().join("output.log")).expect("the directory is ours");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the directory of the server.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{} {what}. It printed:\n{}", self.program.display(), self.output())
    }

    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn stops_by_itself(&mut self) -> bool {
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if !self.runs() {
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        false
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if self.stop != Stop::Kill && self.runs() {
            // This fails only if the process has already ended.
            kill_process(Pid::from_child(&self.child), self.stop.signal()).ok();
            if self.stops_by_itself() {
                return;
            }
        }
        self.kill();
    }
}
