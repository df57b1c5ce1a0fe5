//! A program and its output, with a shell as the program.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    panic::catch_unwind,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use testkit::{Daemon, Signal};

const LONG: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Daemon {
    Daemon::spawn(Path::new("/bin/sh"), &["-c", script], &[("GREETING", "hello")])
}

fn message_of(failing: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *catch_unwind(failing).expect_err("it should have panicked").downcast().expect("a formatted message")
}

#[test]
fn both_streams_are_collected() {
    let daemon = shell("echo $GREETING out; echo listening on 1.2.3.4:5 >&2; printf unfinished; exit 7");
    assert_eq!(daemon.wait_for_line("listening"), "listening on 1.2.3.4:5");
    assert_eq!(daemon.wait(LONG).code(), Some(7));
    assert_eq!(daemon.stdout(), "hello out\nunfinished\n");
    assert_eq!(daemon.stderr(), "listening on 1.2.3.4:5\n");
    let mut lines = daemon.lines();
    lines.sort();
    assert_eq!(lines, ["hello out", "listening on 1.2.3.4:5", "unfinished"]);
}

#[test]
fn a_signal_reaches_it() {
    let daemon = shell("trap 'echo asked to stop; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    daemon.wait_for_line("ready");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LONG).success());
    assert_eq!(daemon.stdout(), "ready\nasked to stop\n");
    daemon.signal(Signal::TERM);
}

#[test]
fn its_pid_is_its_own() {
    let daemon = shell("echo pid $$; exec sleep 1000");
    assert_eq!(daemon.wait_for_line("pid"), format!("pid {}", daemon.pid()));
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.wait(LONG).signal(), Some(9));
}

#[test]
fn a_line_that_cannot_come_any_more_fails_with_the_output() {
    let message = message_of(|| _ = shell("echo something else; echo went wrong >&2").wait_for_line("ready"));
    assert_eq!(
        message,
        "/bin/sh printed no line with \"ready\".\nstdout:\nsomething else\n\nstderr:\nwent wrong\n"
    );
}

#[test]
fn one_that_does_not_end_fails_with_the_output() {
    let message = message_of(|| {
        let daemon = shell("echo ready; exec sleep 1000");
        daemon.wait_for_line("ready");
        daemon.wait(Duration::from_millis(1));
    });
    assert_eq!(message, "/bin/sh has not ended after 1ms.\nstdout:\nready\n\nstderr:\n");
}

/// Returns true if a process runs. A zombie does not run.
fn runs(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn dropping_it_kills_what_it_started() {
    for (end, has_ended) in [("wait", false), ("exit", true)] {
        let daemon = shell(&format!("sleep 1000 > /dev/null 2>&1 & echo started $!; {end}"));
        let line = daemon.wait_for_line("started");
        let (_, child) = line.split_once(' ').expect("its process id");
        if has_ended {
            daemon.wait(LONG);
        }
        assert!(runs(child), "{line}");
        drop(daemon);
        let deadline = Instant::now() + LONG;
        while runs(child) {
            assert!(Instant::now() < deadline, "{end}: process {child} still runs");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn dropping_it_kills_it() {
    let daemon = shell("echo ready; exec sleep 1000");
    daemon.wait_for_line("ready");
    let process = format!("/proc/{}", daemon.pid());
    drop(daemon);
    assert!(!Path::new(&process).exists());
}
