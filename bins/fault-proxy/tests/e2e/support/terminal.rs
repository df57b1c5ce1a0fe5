//! A command on a terminal.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use testkit::require;

use super::PATIENCE;

/// A command of the shell whose stdin, stdout and stderr are a terminal.
pub(crate) struct Terminal {
    script: Child,
    shown: Receiver<String>,
    /// Output since the last keys, without bells.
    pub(crate) all: String,
}

impl Terminal {
    pub(crate) fn start(command: &str) -> Self {
        let mut script = Command::new(require("script", "bsdutils"))
            .args(["--quiet", "--return", "--flush", "--command", command, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script starts");
        let mut screen = script.stdout.take().expect("it is piped");
        let (told, shown) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len) = screen.read(&mut bytes) {
                if len == 0 || told.send(String::from_utf8_lossy(&bytes[..len]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { script, shown, all: String::new() }
    }

    pub(crate) fn until(&mut self, needle: &str) {
        let began = Instant::now();
        while !self.all.contains(needle) {
            match self.shown.recv_timeout(PATIENCE) {
                // Shells ring the bell in the middle of what they complete.
                Ok(more) if began.elapsed() < PATIENCE => self.all += &more.replace('\x07', ""),
                _ => panic!("no {needle:?} in {}", self.all),
            }
        }
    }

    /// Types these keys. Forgets what was shown before.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.all.clear();
        self.script.stdin.as_mut().expect("it is piped").write_all(keys.as_bytes()).expect("script reads");
    }

    /// Sends a signal to the command.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.script.id().to_string();
        let sent =
            Command::new("pkill").args([&format!("-{name}"), "-P", &pid]).status().expect("pkill runs");
        assert!(sent.success());
    }

    /// Waits until the command has ended with success.
    pub(crate) fn wait(&mut self) {
        assert!(self.script.wait().expect("it ends").success());
        self.all.extend(self.shown.iter());
    }
}

impl Drop for Terminal {
    /// The command loses its terminal.
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
