//! A command on a terminal.

use std::fs;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use testkit::require;
use vt100::Parser;

use super::PATIENCE;

/// Rows and columns of a terminal.
pub(crate) type Size = (u16, u16);

/// A command of the shell whose stdin, stdout and stderr are a terminal.
pub(crate) struct Terminal {
    script: Child,
    shown: Receiver<Vec<u8>>,
    /// Output since the last keys, without bells.
    pub(crate) all: String,
    screen: Parser,
}

impl Terminal {
    pub(crate) fn start(command: &str) -> Self {
        Self::sized((24, 80), command)
    }

    pub(crate) fn sized((rows, columns): Size, command: &str) -> Self {
        // Ctrl-C must end the command only: with the default action, the shell may end after it with status 130.
        let command = format!("trap : INT; stty rows {rows} cols {columns}; {command}");
        let mut script = Command::new(require("script", "bsdutils"))
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script starts");
        let mut screen = script.stdout.take().expect("it is piped");
        let (told, shown) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len) = screen.read(&mut bytes) {
                if len == 0 || told.send(bytes[..len].to_owned()).is_err() {
                    return;
                }
            }
        });
        Self {
            script,
            shown,
            all: String::new(),
            screen: Parser::new(at_least_1(rows), at_least_1(columns), 0),
        }
    }

    /// Waits until the output has this text.
    pub(crate) fn until(&mut self, needle: &str) {
        self.wait_for(&format!("no {needle:?}"), |terminal| terminal.all.contains(needle));
    }

    /// Waits until the screen has this text.
    pub(crate) fn until_shown(&mut self, needle: &str) {
        self.wait_for(&format!("no {needle:?}"), |terminal| terminal.text().contains(needle));
    }

    /// Waits until the screen no longer has this text.
    pub(crate) fn until_gone(&mut self, needle: &str) {
        self.wait_for(&format!("still {needle:?}"), |terminal| !terminal.text().contains(needle));
    }

    fn wait_for(&mut self, problem: &str, is_there: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_there(self) {
            match self.shown.recv_timeout(PATIENCE) {
                Ok(more) if began.elapsed() < PATIENCE => self.take(&more),
                _ => panic!("{problem} in {}\nscreen:\n{}", self.all, self.text()),
            }
        }
    }

    fn take(&mut self, more: &[u8]) {
        self.screen.process(more);
        // Shells ring the bell in the middle of what they complete.
        self.all += &String::from_utf8_lossy(more).replace('\x07', "");
    }

    /// Returns the text on the screen.
    pub(crate) fn text(&self) -> String {
        self.screen().contents()
    }

    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// Types these keys. Forgets what was shown before.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.all.clear();
        self.script.stdin.as_mut().expect("it is piped").write_all(keys.as_bytes()).expect("script reads");
    }

    /// Changes the size of the terminal.
    pub(crate) fn resize(&mut self, (rows, columns): Size) {
        self.screen.screen_mut().set_size(at_least_1(rows), at_least_1(columns));
        let tty = fs::read_link(format!("/proc/{}/fd/0", self.shell())).expect("it has a stdin");
        let size = ["rows".to_owned(), rows.to_string(), "cols".to_owned(), columns.to_string()];
        let set = Command::new("stty").arg("-F").arg(tty).args(size).status().expect("stty runs");
        assert!(set.success());
    }

    /// Sends a signal to the command.
    pub(crate) fn signal(&self, name: &str) {
        signal_children(name, &self.script.id().to_string());
    }

    /// Sends a signal to the program that the shell runs.
    pub(crate) fn signal_program(&self, name: &str) {
        signal_children(name, &self.shell());
    }

    /// Returns the process of the command.
    fn shell(&self) -> String {
        let children = format!("/proc/{0}/task/{0}/children", self.script.id());
        fs::read_to_string(children).expect("Linux has it").trim().to_owned()
    }

    /// Waits until the command has ended with success.
    pub(crate) fn wait(&mut self) {
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.all);
    }

    /// Waits until the command has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let status = self.script.wait().expect("it ends");
        let rest: Vec<_> = self.shown.iter().collect();
        rest.iter().for_each(|more| self.take(more));
        status
    }
}

fn signal_children(name: &str, parent: &str) {
    let sent = Command::new("pkill").args([&format!("-{name}"), "-P", parent]).status().expect("pkill runs");
    assert!(sent.success());
}

fn at_least_1(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("a terminal has cells")
}

impl Drop for Terminal {
    /// The command loses its terminal.
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
