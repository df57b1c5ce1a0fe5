//! A configuration file, and an upstream for it.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use testkit::{Daemon, TcpServer, free_port};

use crate::support::{BINARY, Ended, PATIENCE, utf8};

/// An upstream, and a directory to hold files about it.
pub(crate) struct Setup {
    pub(crate) far_end: TcpServer,
    pub(crate) directory: TempDir,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            far_end: TcpServer::echo(),
            directory: TempDir::new().expect("the temporary directory is writable"),
        }
    }

    /// `check` with a file of this text and name.
    pub(crate) fn check(
        &self,
        name: &str,
        text: &str,
        variables: &[(&str, &str)],
        options: &[&str],
    ) -> Ended {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("the directory is ours");
        let args = [&["check", "--config", utf8(&path)], options].concat();
        let daemon = Daemon::spawn(Path::new(BINARY), &args, variables);
        let code = daemon.wait(PATIENCE).code();
        Ended { code, stdout: daemon.stdout(), stderr: daemon.stderr() }
    }

    pub(crate) fn resolved(&self, text: &str, variables: &[(&str, &str)], options: &[&str]) -> String {
        let ended = self.check("fault.toml", text, variables, options);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    }

    pub(crate) fn proxy(&self) -> String {
        proxy(self.far_end.addr())
    }
}

pub(crate) fn proxy(upstream: SocketAddr) -> String {
    format!("{}={upstream}", free_port())
}

#[track_caller]
pub(crate) fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}
