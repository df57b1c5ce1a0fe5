//! Console events, limits and file attributes of Windows.

use std::fs::{File, Metadata};
use std::future::pending;
use std::io::{self, IsTerminal};
use std::os::windows::fs::MetadataExt;
use std::os::windows::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use tokio::select;
use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

/// Ctrl-C and Ctrl-Break.
#[derive(Debug)]
pub(crate) struct EndSignals {
    interrupt: CtrlC,
    terminate: CtrlBreak,
}

impl EndSignals {
    /// Requires the context of a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()? })
    }

    /// Like [`new`](Self::new): Windows does not have SIGHUP.
    pub(crate) fn with_hangup() -> io::Result<Self> {
        Self::new()
    }

    /// Waits for the next signal and returns its name.
    pub(crate) async fn recv(&mut self) -> &'static str {
        select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "Ctrl-Break",
        }
    }
}

/// A signal with which a user requests something from the running program. Windows does not have such
/// signals, so it never arrives.
#[derive(Debug)]
pub struct RequestSignal(());

impl RequestSignal {
    /// Creates the signal that requests a report. It never arrives.
    ///
    /// # Errors
    /// Does not fail.
    pub fn report() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Creates the signal that requests a reload. It never arrives.
    ///
    /// # Errors
    /// Does not fail.
    pub fn reload() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Returns `None`, because this system has no such signal.
    ///
    /// # Errors
    /// Does not fail.
    pub fn hangup() -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// Returns `None`, because this system has no such signal.
    ///
    /// # Errors
    /// Does not fail.
    pub fn continued() -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// Never returns.
    pub async fn recv(&mut self) {
        pending().await
    }
}

/// Returns `None`, because sockets do not have a limit.
pub(crate) fn raise_open_files() -> Option<u64> {
    None
}

/// Returns false, because the attributes of a file do not contain its permissions.
pub(crate) fn is_readable_by_all(_file: &Metadata) -> bool {
    false
}

/// Returns a number that differs between two files that had the same name: the time of creation.
pub fn file_id(file: &Metadata) -> u64 {
    file.creation_time()
}

/// Returns `None`, because the processor time is not read on this system.
pub fn cpu_time() -> Option<Duration> {
    None
}

/// Returns `None`, because this system does not report whether two links refer to the same file.
pub fn link_id(_metadata: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Does nothing: this system does not free a part of a file.
pub fn free_start(_file: &File, _len: u64) {}

/// Makes the process of a command the leader of a new process group, which Ctrl-C of the console does not reach.
pub fn in_own_group(command: &mut Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Does nothing: this system does not end the processes of a group together.
pub fn signal_group(_leader: u32, _kill: bool) {}

/// Returns false: this system does not find the processes of a group.
pub fn has_group(_leader: u32) -> bool {
    false
}

/// Returns true if stdin is a terminal.
pub fn is_in_foreground() -> bool {
    io::stdin().is_terminal()
}

/// Does nothing: processes cannot be stopped.
pub fn suspend() {}

/// Returns `timeout`: how long to wait for an event of the terminal.
///
/// # Errors
/// Does not fail.
pub fn wait_for_stdin(timeout: Duration) -> io::Result<Option<Duration>> {
    Ok(Some(timeout))
}
