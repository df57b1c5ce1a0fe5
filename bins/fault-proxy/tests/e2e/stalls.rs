//! The end of a run whose files and pipes do not accept data.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::support::{ANY_CONTROL_PORT, BINARY, PATIENCE, eventually, patient, round_trip, utf8};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testkit::pipes::{fill, full_pipe, unread_fifo};
use testkit::{Daemon, TcpServer, free_port};

/// Killed when dropped.
struct Run(Child);

impl Run {
    /// Starts a run with a mapping to `far_end`, and waits until it listens.
    fn start(far_end: &TcpServer, options: &[&str], stdout: Stdio, stderr: Stdio) -> (Self, SocketAddr) {
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mapping = format!("{}={}", addr.port(), far_end.addr());
        let mut command = Command::new(BINARY);
        command.args(["run", "--no-ui", "--proxy", &mapping]).args(options).envs([ANY_CONTROL_PORT]);
        let run = Self(command.stdout(stdout).stderr(stderr).spawn().expect("it runs"));
        eventually("it listens", || TcpStream::connect(addr).is_ok());
        (run, addr)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("an unreaped child takes signals");
    }

    /// Sends SIGTERM, and SIGINT once the run drains.
    fn signal_twice(&self, addr: SocketAddr) {
        self.signal(Signal::TERM);
        eventually("it drains", || TcpStream::connect(addr).is_err());
        self.signal(Signal::INT);
    }

    fn ended(&mut self) -> ExitStatus {
        eventually("it ends", || self.0.try_wait().expect("the child is ours").is_some());
        self.0.wait().expect("the child is ours")
    }

    fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.0.stderr.take().expect("stderr is piped").read_to_string(&mut text).expect("it is text");
        text
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Either fails only if it has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Sends bytes until nothing comes back any more, so that every thread of the run waits for its journal.
fn until_stalled(addr: SocketAddr) -> TcpStream {
    let client = patient(TcpStream::connect(addr).expect("it listens"));
    client.set_read_timeout(Some(Duration::from_secs(3))).expect("it can");
    loop {
        match round_trip(&client, &[b'x'; 4096]) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return client;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

const SLICED: [&str; 3] = ["--with-slicer", "--slicer-size", "1B"];

#[test]
fn a_journal_that_takes_nothing_does_not_survive_a_second_signal() {
    let far_end = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let (journal, _reader) = unread_fifo(directory.path());
    let options = [&SLICED[..], &["--journal", utf8(&journal), "--drain-timeout", "1h"]].concat();
    let (mut run, addr) = Run::start(&far_end, &options, Stdio::null(), Stdio::piped());
    let mut client = until_stalled(addr);
    run.signal(Signal::TERM);
    run.signal(Signal::INT);
    assert_eq!(run.ended().code(), Some(1));
    let stderr = run.stderr();
    assert!(stderr.contains("the journal is incomplete: the file did not accept "), "{stderr}");
    // a session that is cut off never looks like one that was closed
    let ended = client.read_to_end(&mut Vec::new()).expect_err("it is reset");
    assert_eq!(ended.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_journal_that_takes_nothing_does_not_survive_the_drain_timeout() {
    let far_end = TcpServer::echo();
    for end in [&["--duration", "15s"][..], &[]] {
        let directory = TempDir::new().expect("a directory");
        let (journal, _reader) = unread_fifo(directory.path());
        let options = [&SLICED[..], &["--journal", utf8(&journal), "--drain-timeout", "1s"], end].concat();
        let (mut run, addr) = Run::start(&far_end, &options, Stdio::null(), Stdio::piped());
        let _client = until_stalled(addr);
        if end.is_empty() {
            run.signal(Signal::TERM);
        }
        assert_eq!(run.ended().code(), Some(1));
        let stderr = run.stderr();
        assert!(stderr.contains("the journal is incomplete: the file did not accept "), "{stderr}");
    }
}

#[test]
fn a_stdout_that_takes_nothing_does_not_survive_a_second_signal() {
    let far_end = TcpServer::echo();
    let (_reader, stdout) = full_pipe();
    let (mut run, addr) = Run::start(&far_end, &[], stdout.into(), Stdio::piped());
    run.signal_twice(addr);
    assert_eq!(run.ended().code(), Some(1));
    let stderr = run.stderr();
    assert!(stderr.contains("fault-proxy: ended while its report was being written"), "{stderr}");
}

#[test]
fn a_stderr_that_takes_nothing_does_not_survive_a_second_signal() {
    let far_end = TcpServer::echo();
    // the expectation is not met, which must be reported on stderr
    let expect = ["--with-latency", "--latency-mean", "1ms", "--expect", "latency.sessions>=1000"];
    let (_reader, stderr) = full_pipe();
    let (mut run, addr) = Run::start(&far_end, &expect, Stdio::null(), stderr.into());
    run.signal_twice(addr);
    assert_eq!(run.ended().code(), Some(3));
}

#[test]
fn a_log_file_that_takes_nothing_is_told_of_and_holds_up_nothing() {
    let far_end = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let (log, _reader) = unread_fifo(directory.path());
    fill(&File::options().write(true).open(&log).expect("it opens"));
    let log = utf8(&log);
    let (mut run, addr) = Run::start(&far_end, &["--log-file", log], Stdio::null(), Stdio::piped());
    round_trip(&patient(TcpStream::connect(addr).expect("it listens")), b"served").expect("it answers");
    run.signal(Signal::TERM);
    assert_eq!(run.ended().code(), Some(0));
    let stderr = run.stderr();
    assert!(stderr.contains(&format!("--log-file {log}: the last lines are not written")), "{stderr}");
}

/// Spawns a run with this option whose file is a named pipe.
fn spawned(far_end: &TcpServer, option: &str, pipe: &str) -> Daemon {
    let mapping = format!("{}={}", free_port(), far_end.addr());
    Daemon::spawn(
        Path::new(BINARY),
        &["run", "--no-ui", "--proxy", &mapping, option, pipe],
        &[ANY_CONTROL_PORT],
    )
}

#[test]
fn a_start_that_waits_for_a_pipe_says_so_and_ends_at_a_signal() {
    let far_end = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let (pipe, reader) = unread_fifo(directory.path());
    fill(&File::options().write(true).open(&pipe).expect("it opens"));
    let pipe = utf8(&pipe);
    let ended = |option| {
        let run = spawned(&far_end, option, pipe);
        run.wait_for_line(&format!("{option} {pipe} is blocked"));
        run.signal(Signal::INT);
        (run.wait(PATIENCE).code(), run.stderr())
    };
    let (code, stderr) = ended("--journal");
    assert!(code == Some(1) && stderr.contains("canceled while the file was blocked"), "{stderr}");
    drop(reader);
    let (code, stderr) = ended("--journal");
    assert!(code == Some(1) && stderr.contains("canceled while the file was blocked"), "{stderr}");
    // The log is opened before signals are handled.
    assert_eq!(ended("--log-file").0, None);
}

#[test]
fn a_start_that_waited_for_a_pipe_goes_on_with_its_reader() {
    let far_end = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let (pipe, reader) = unread_fifo(directory.path());
    drop(reader);
    let run = spawned(&far_end, "--journal", utf8(&pipe));
    run.wait_for_line("is blocked");
    let _reader = File::open(&pipe).expect("it has a writer");
    run.wait_for_line("listening on");
    run.signal(Signal::INT);
    assert_eq!(run.wait(PATIENCE).code(), Some(0), "{}", run.stderr());
}
