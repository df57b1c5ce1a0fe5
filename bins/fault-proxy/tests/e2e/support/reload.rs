//! A configuration file that a test changes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::api::Api;
use crate::support::{patient, utf8};

/// In which the file is looked at more than once.
pub(crate) const SOME_LOOKS: Duration = Duration::from_millis(2500);

pub(crate) struct Config {
    _directory: TempDir,
    pub(crate) file: PathBuf,
}

impl Config {
    pub(crate) fn new(text: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let config = Self { file: directory.path().join("fault-proxy.toml"), _directory: directory };
        config.write(text);
        config
    }

    pub(crate) fn write(&self, text: &str) {
        fs::write(&self.file, text).expect("it is ours");
    }

    /// Creates a pipe next to the file. Its first reader receives `text`.
    pub(crate) fn pipe(&self, name: &str, text: String) -> PathBuf {
        let pipe = self.file.with_file_name(name);
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        let there = pipe.clone();
        thread::spawn(move || fs::write(there, text));
        pipe
    }

    pub(crate) fn run(&self) -> Api {
        Api::with(&["--config", utf8(&self.file)])
    }
}

pub(crate) fn connect(port: u16) -> TcpStream {
    patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"))
}

pub(crate) fn entry(port: u16, upstream: SocketAddr, faults: &str) -> String {
    format!("[[proxies]]\nproxy = '{port}={upstream}'\n{faults}\n")
}

pub(crate) fn named(name: &str, port: u16, upstream: SocketAddr) -> String {
    format!("[[proxies]]\nname = '{name}'\nproxy = '{port}={upstream}'\n")
}

pub(crate) fn take(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free")
}

/// Log message about a file that changes nothing.
pub(crate) const REFUSED: &str = "configuration reload failed; keeping the current configuration";

pub(crate) fn reloads(api: &Api) -> usize {
    api.stderr().matches("configuration reloaded").count()
}
