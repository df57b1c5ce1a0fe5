//! The guard of a server, and its messages if something is missing.

use std::{
    fs,
    panic::catch_unwind,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use testkit::{ServerProcess, Stop, require};

const SHELL: &str = "/bin/sh";

fn shell(script: &str, stop: Stop) -> ServerProcess {
    let directory = TempDir::new().expect("the temporary directory is writable");
    ServerProcess::spawn(directory, Path::new(SHELL), &["-c", script], stop)
}

/// Runs a script and waits until it prints `started`.
fn started(script: &str, stop: Stop) -> ServerProcess {
    let mut server = shell(script, stop);
    let output = server.directory().join("output.log");
    server.wait_until(|| fs::read_to_string(&output).is_ok_and(|text| text == "started\n"));
    server
}

/// Returns true if a process runs. A zombie does not run.
fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('Z')))
}

fn wait_for_end(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while runs(pid) {
        assert!(Instant::now() < deadline, "process {pid} still runs");
        thread::sleep(Duration::from_millis(10));
    }
}

fn message_of(failing: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *catch_unwind(failing).expect_err("it should have panicked").downcast().expect("a formatted message")
}

#[test]
fn an_installed_program_is_found() {
    assert!(require("sh", "dash").ends_with("sh"));
}

#[test]
fn a_missing_program_names_its_package() {
    let message = message_of(|| _ = require("no-such-server", "no-such-package"));
    assert_eq!(
        message,
        "no-such-server is not installed: apt-get install no-such-package (or run `cargo xtask test`)"
    );
}

#[test]
fn dropping_the_guard_ends_the_whole_family_and_its_directory() {
    let server = started("sleep 1000 & sleep 1000 & echo started; wait", Stop::Kill);
    let directory = server.directory().to_owned();
    let pids = server.pids();
    assert_eq!(pids.len(), 3);
    drop(server);
    pids.into_iter().for_each(wait_for_end);
    assert!(!directory.exists());
}

#[test]
fn a_server_that_ignores_its_stop_signal_is_killed() {
    let server = started("trap '' TERM; echo started; while :; do sleep 1; done", Stop::Terminate);
    let pids = server.pids();
    drop(server);
    pids.into_iter().for_each(wait_for_end);
}

#[test]
fn a_server_ends_with_the_thread_that_started_it() {
    let server = thread::spawn(|| started("echo started; exec sleep 1000", Stop::Kill)).join().unwrap();
    wait_for_end(server.pids()[0]);
}

#[test]
fn a_server_that_does_not_start_shows_what_it_printed() {
    let message = message_of(|| shell("echo no such option >&2; exit 3", Stop::Kill).wait_until(|| false));
    assert!(message.starts_with("/bin/sh ended (exit status: 3) before it was ready."), "{message}");
    assert!(message.ends_with("no such option\n"), "{message}");
}
