//! The live view of a run whose stderr is a terminal.

mod support;

use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use support::{BINARY, PATIENCE, Proxy, patient, round_trip};
use testkit::{FarEnd, free_port, require};

#[test]
fn a_terminal_shows_sessions_rates_and_faults_until_the_end() {
    let echo = FarEnd::echo();
    let port = free_port();
    let mapping = format!("{port}={}", echo.addr());
    let command = format!(
        "exec {BINARY} run --control off --proxy {mapping} --with-latency --latency-mean 1ms --latency-sched start:1h"
    );
    let mut terminal = Command::new(require("script", "bsdutils"))
        .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    let mut screen = terminal.stdout.take().expect("it is piped");
    let (told, shown) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(len) = screen.read(&mut bytes) {
            if len == 0 || told.send(String::from_utf8_lossy(&bytes[..len]).into_owned()).is_err() {
                return;
            }
        }
    });
    let mut all = String::new();
    let mut until = |needle: &str| {
        let began = Instant::now();
        while !all.contains(needle) {
            match shown.recv_timeout(PATIENCE) {
                Ok(more) if began.elapsed() < PATIENCE => all += &more,
                _ => panic!("no {needle:?} in {all}"),
            }
        }
    };
    until("listening on");
    let client = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens"));
    round_trip(&client, b"hello").unwrap();
    until("1 sessions open, 1 so far");
    until(&format!("{mapping}  1 open  up "));
    until("off latency: latency normal 1 ms");
    until(" on in 59m ");
    drop(client);
    until("session ended");
    let pid = terminal.id().to_string();
    let ended = Command::new("pkill").args(["-INT", "-P", &pid]).status().expect("pkill runs");
    assert!(ended.success());
    until("aborted   errors");
    assert!(terminal.wait().expect("it ends").success());
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
