//! Pipes that do not accept data, to test that programs end nevertheless.

use rustix::io::ioctl_fionbio;
use std::{
    fs::File,
    io::{self, PipeReader, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::require;

/// Returns a full pipe. A writer blocks while its reader is kept.
pub fn full_pipe() -> (PipeReader, File) {
    let (reader, writer) = io::pipe().expect("descriptors are free");
    let writer = File::from(OwnedFd::from(writer));
    fill(&writer);
    (reader, writer)
}

/// Creates a named pipe in this directory. Returns its path, and a file that keeps it open and never reads.
pub fn unread_fifo(directory: &Path) -> (PathBuf, File) {
    let path = directory.join("fifo");
    let made = Command::new(require("mkfifo", "coreutils")).arg(&path).status().expect("mkfifo runs");
    assert!(made.success(), "mkfifo {}", path.display());
    let reader = File::options().read(true).write(true).open(&path).expect("a named pipe opens");
    (path, reader)
}

/// Fills a pipe until it does not accept another byte.
pub fn fill(mut pipe: &File) {
    ioctl_fionbio(pipe, true).expect("a pipe need not block");
    for size in [4096, 1] {
        while pipe.write(&vec![b'\n'; size]).is_ok() {}
    }
    ioctl_fionbio(pipe, false).expect("a pipe may block");
}
