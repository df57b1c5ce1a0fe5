//! The live view of a run whose stderr is a terminal.

mod support;

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use support::{BINARY, PATIENCE, Proxy, patient, round_trip, utf8};
use testkit::{FarEnd, free_port, require};

/// `fault-proxy run` on a terminal.
struct Terminal {
    script: Child,
    shown: Receiver<String>,
    /// What it has shown, as it was written.
    all: String,
}

impl Terminal {
    fn run(args: &str) -> Self {
        let command = format!("exec {BINARY} run {args}");
        let mut script = Command::new(require("script", "bsdutils"))
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::null())
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

    fn until(&mut self, needle: &str) {
        let began = Instant::now();
        while !self.all.contains(needle) {
            match self.shown.recv_timeout(PATIENCE) {
                Ok(more) if began.elapsed() < PATIENCE => self.all += &more,
                _ => panic!("no {needle:?} in {}", self.all),
            }
        }
    }

    /// Ends the run, which shows its table.
    fn end(&mut self) {
        let pid = self.script.id().to_string();
        let ended = Command::new("pkill").args(["-INT", "-P", &pid]).status().expect("pkill runs");
        assert!(ended.success());
        self.until("aborted   errors");
        assert!(self.script.wait().expect("it ends").success());
        self.all.extend(self.shown.iter());
    }
}

#[test]
fn a_terminal_shows_sessions_rates_and_faults_until_the_end() {
    let echo = FarEnd::echo();
    let port = free_port();
    let mapping = format!("{port}={}", echo.addr());
    let mut terminal = Terminal::run(&format!(
        "--control off --proxy {mapping} --with-latency --latency-mean 1ms --latency-sched start:1h"
    ));
    terminal.until("listening on");
    let client = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"));
    round_trip(&client, b"hello").unwrap();
    terminal.until("1 sessions open, 1 so far");
    terminal.until(&format!("{mapping}  1 open  up "));
    terminal.until("off latency: latency normal 1 ms");
    terminal.until(" on in 59m ");
    drop(client);
    terminal.until("session ended");
    terminal.end();
}

#[test]
fn a_pipe_gets_plain_lines() {
    let echo = FarEnd::echo();
    let proxy = Proxy::to(echo.addr());
    round_trip(&proxy.connect(), b"hello").unwrap();
    proxy.wait_for_line("session ended");
    assert!(
        !proxy.stderr().contains('\u{1b}') && !proxy.stderr().contains("sessions open"),
        "{}",
        proxy.stderr()
    );
}

#[test]
fn names_cannot_control_the_view() {
    let config = tempfile::NamedTempFile::new().unwrap();
    let proxy =
        r#"[{"name": "evil\u001b]0;\u0007\ntwo", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}]"#;
    fs::write(config.path(), proxy).unwrap();
    let mut terminal = Terminal::run(&format!("--control off --toxiproxy-config {}", utf8(config.path())));
    terminal.until("  0 open  up ");
    terminal.end();
    assert!(terminal.all.contains("evil\\u{1b}]0;\\u{7}\\ntwo  0 open"), "{}", terminal.all);
    assert!(!terminal.all.contains("\u{1b}]0;"), "{}", terminal.all);
}

#[test]
fn a_stdout_that_takes_nothing_is_no_panic() {
    let echo = FarEnd::echo();
    let mapping = format!("{}={}", free_port(), echo.addr());
    let commands = [
        &["run", "--control", "off", "--duration", "1s", "--proxy", &mapping, "--with-refuse"][..],
        &["check", "--control", "off", "--proxy", &mapping],
        &["demo", "--duration", "1s"],
        &["completions", "bash"],
        &["man"],
    ];
    for args in commands {
        let ended = |stdout: Stdio| {
            let output = Command::new(BINARY).args(args).stdout(stdout).output().expect("it starts");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (reader, closed) = io::pipe().expect("a pipe");
        drop(reader);
        let (code, told) = ended(closed.into());
        assert!(code == Some(0) && !told.contains("fault-proxy: "), "{args:?}: {code:?} {told}");
        let (code, told) = ended(File::create("/dev/full").expect("Linux has it").into());
        assert!(
            code == Some(1) && told.contains("fault-proxy: cannot write to stdout: No space left"),
            "{args:?}: {code:?} {told}"
        );
    }
}
