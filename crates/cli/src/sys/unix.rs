//! Signals, limits and file attributes of Unix.

use std::fs::{self, File, Metadata};
use std::future::pending;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
#[cfg(target_os = "linux")]
use rustix::fs::{FallocateFlags, fallocate};
use rustix::process::{
    Pid, Resource, Rlimit, Signal as ToSend, getpgrp, getpid, getrlimit, kill_process, kill_process_group,
    setrlimit, test_kill_process_group,
};
use rustix::termios::tcgetpgrp;
use rustix::time::{ClockId, clock_gettime};
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Maximum limit of open files that macOS accepts if its hard limit is infinite (OPEN_MAX).
const MACOS_OPEN_FILES: u64 = 10_240;

/// SIGINT and SIGTERM, and SIGHUP on request.
#[derive(Debug)]
pub(crate) struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<RequestSignal>,
}

impl EndSignals {
    /// Requires the context of a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup: None })
    }

    /// Also handles SIGHUP, as [`RequestSignal::hangup`] does. Requires the context of a runtime.
    pub(crate) fn with_hangup() -> io::Result<Self> {
        Ok(Self { hangup: RequestSignal::hangup()?, ..Self::new()? })
    }

    /// Waits for the next signal and returns its name.
    pub(crate) async fn recv(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        select! {
            () = hangup => "SIGHUP",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// A signal with which a user requests something from the running program.
#[derive(Debug)]
pub struct RequestSignal(Signal);

impl RequestSignal {
    /// Returns SIGUSR1, which requests a report. Requires the context of a runtime.
    ///
    /// # Errors
    /// Returns an error if the system refuses a handler.
    pub fn report() -> io::Result<Self> {
        signal(SignalKind::user_defined1()).map(Self)
    }

    /// Returns SIGHUP, which requests a reload of the configuration. Requires the context of a runtime.
    ///
    /// # Errors
    /// Returns an error if the system refuses a handler.
    pub fn reload() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Returns SIGHUP, which the end of a terminal sends. `None` if it is ignored, as `nohup` requests, or if that is not known because this
    /// is not Linux. Requires the context of a runtime.
    ///
    /// # Errors
    /// Returns an error if the system refuses a handler.
    pub fn hangup() -> io::Result<Option<Self>> {
        const SIGHUP_BIT: u64 = 1;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        match ignored {
            Some(ignored) if ignored & SIGHUP_BIT == 0 => Self::reload().map(Some),
            _ => Ok(None),
        }
    }

    /// Returns SIGCONT, which arrives when the process continues after it was stopped, as with Ctrl-Z. Requires the context of a
    /// runtime.
    ///
    /// # Errors
    /// Returns an error if the system refuses a handler.
    pub fn continued() -> io::Result<Option<Self>> {
        signal(SignalKind::from_raw(ToSend::CONT.as_raw())).map(|signal| Some(Self(signal)))
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    /// Dropping the future loses no signal.
    pub async fn recv(&mut self) {
        self.0.recv().await;
    }
}

/// Raises the soft limit of open files to the hard limit. Returns the limit in effect, or `None` if it is
/// unlimited.
pub(crate) fn raise_open_files() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        let current = maximum.map_or(MACOS_OPEN_FILES, |maximum| maximum.min(MACOS_OPEN_FILES));
        // If this fails too, the call below returns the limit in effect.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum });
    }
    getrlimit(Resource::Nofile).current
}

/// Returns true if every user of this machine may read the file.
pub(crate) fn is_readable_by_all(file: &Metadata) -> bool {
    file.mode() & 0o004 != 0
}

/// Returns a number that differs between two files that had the same name: the inode.
pub fn file_id(file: &Metadata) -> u64 {
    file.ino()
}

/// Frees the disk space of the first `len` bytes of a file, which then read as zeros. Its length and position stay.
/// Does nothing if the system or its file system does not support that.
pub fn free_start(file: &File, len: u64) {
    #[cfg(target_os = "linux")]
    fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, len).ok();
    #[cfg(not(target_os = "linux"))]
    let _ = (file, len);
}

/// Returns the processor time that this process has used, or `None` if the system does not report it.
pub fn cpu_time() -> Option<Duration> {
    clock_gettime(ClockId::ProcessCPUTime).try_into().ok()
}

/// Returns an identifier that is the same for all links to a file.
pub fn link_id(metadata: &Metadata) -> Option<(u64, u64)> {
    Some((metadata.dev(), metadata.ino()))
}

/// Makes the process of a command the leader of a new process group, which Ctrl-C of the terminal does not reach.
pub fn in_own_group(command: &mut Command) {
    command.process_group(0);
}

/// Sends SIGTERM, or SIGKILL if `kill`, to all processes of the group of this leader. Does nothing if the group is empty.
pub fn signal_group(leader: u32, kill: bool) {
    let leader = i32::try_from(leader).ok().and_then(Pid::from_raw);
    if let Some(leader) = leader {
        // This fails only if the group is empty.
        kill_process_group(leader, if kill { ToSend::KILL } else { ToSend::TERM }).ok();
    }
}

/// Returns true if the group of this leader has a process that has not ended.
pub fn has_group(leader: u32) -> bool {
    let group = i32::try_from(leader).ok().and_then(Pid::from_raw);
    let has_process = group.is_some_and(|leader| test_kill_process_group(leader).is_ok());
    // On Linux, the group has its ended processes until their parent, such as the init process of a container, waits for them.
    has_process && (!cfg!(target_os = "linux") || runs_in_group(leader))
}

/// Looks for a process of the group in /proc.
fn runs_in_group(leader: u32) -> bool {
    let group = leader.to_string();
    let stats = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = stats.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    let mut states = stats.filter_map(|stat| {
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let (state, _parent, of) = (fields.next()?, fields.next()?, fields.next()?);
        (of == group).then(|| state.to_owned())
    });
    states.any(|state| !["Z", "X"].contains(&state.as_str()))
}

/// Returns true if stdin is a terminal that this process may read: the process is not in the background.
pub fn is_in_foreground() -> bool {
    let stdin = io::stdin();
    stdin.is_terminal() && tcgetpgrp(stdin).is_ok_and(|foreground| foreground == getpgrp())
}

/// Stops the process as Ctrl-Z does. Returns when it continues.
pub fn suspend() {
    if kill_process(getpid(), ToSend::TSTP).is_ok() {
        // Another thread may receive the signal, a moment later.
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until stdin can be read, or for `timeout`. Returns how long to wait for an event of the terminal then, or `None` if
/// nothing can be read.
///
/// # Errors
/// The terminal is closed. A read would then return without data again and again.
pub fn wait_for_stdin(timeout: Duration) -> io::Result<Option<Duration>> {
    if cfg!(target_os = "macos") {
        // Its poll(2) does not support all terminals.
        return Ok(Some(timeout));
    }
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
    match poll(&mut polled, Some(&timeout)) {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    if polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the terminal is closed"));
    }
    Ok(Some(Duration::ZERO))
}
