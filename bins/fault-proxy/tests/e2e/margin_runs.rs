//! `fault-proxy margin`: runs of the command, their output and their ends.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Daemon, Signal, TcpServer, free_port, require};

use crate::margin::{BYTES, COUNT, LONG, measure, read as measured};
use crate::support::{BINARY, PATIENCE, eventually, run, utf8};

#[test]
fn a_run_has_a_time_limit() {
    let server = TcpServer::echo();
    let options = ["--vary", "latency.mean=0..1s", "--repeat", "1", "--timeout", "1s"];
    let started = Instant::now();
    let ended = measure(server.addr().port(), &options, "sleep 300 & wait");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("not done after 1s, the limit of --timeout"), "{ended:?}");
    assert!(started.elapsed() < Duration::from_secs(200), "the command was ended");
}

#[test]
fn output_without_an_end_does_not_fill_the_disk() {
    let server = TcpServer::echo();
    let options = ["--vary", "latency.mean=0..1s", "--repeat", "1", "--timeout", "60s"];
    // Waits until the 100 MB take less than 10 MB, in blocks of 512 bytes.
    let script = "exec 3>&1; yes | head -c 100000000; \
                  until [ $(stat -L -c %b /proc/$$/fd/3) -lt 20000 ]; do sleep .1; done; \
                  echo the last line; exit 7";
    let ended = measure(server.addr().port(), &options, script);
    assert!(ended.stderr.contains("exit code 7"), "{ended:?}");
    assert!(ended.stderr.ends_with("\ny\ny\nthe last line\n"), "{ended:?}");
}

#[test]
fn a_signal_leaves_no_process_behind() {
    let directory = TempDir::new().expect("a directory");
    let pids = directory.path().join("pids");
    let script = format!("trap '' TERM; sleep 300 & echo $$ $! > {}; wait; wait", utf8(&pids));
    let mapping = format!("{}=127.0.0.1:1", free_port());
    let bash = require("bash", "bash");
    let [report, junit] = ["r.json", "j.xml"].map(|name| directory.path().join(name));
    let files = ["--report", utf8(&report), "--junit", utf8(&junit)];
    let options = ["margin", "--proxy", &mapping, "--vary", "latency.mean=0..1s"];
    let args = [&options[..], &files, &["--", utf8(&bash), "-c", &script]].concat();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        fs::write(&pids, "").expect("it is ours");
        let margin = Daemon::spawn(Path::new(BINARY), &args, &[]);
        let read = || fs::read_to_string(&pids).expect("it is there");
        eventually("the command runs", || read().ends_with('\n'));
        margin.signal(signal);
        assert_eq!(margin.wait(PATIENCE).code(), Some(1), "{}", margin.stderr());
        assert!(
            margin.stderr().contains("the command was ended, and nothing was measured"),
            "{}",
            margin.stderr()
        );
        eventually("its processes have ended", || read().split_whitespace().all(has_ended));
        let (margin, cases) = measured(&report, &junit);
        assert_eq!((&margin["outcome"], &margin["passes_up_to"]), (&json!("aborted"), &Value::Null));
        let summary = margin["summary"].as_str().expect("a text");
        assert!(summary.ends_with(": the command was ended, and nothing was measured"), "{summary}");
        assert!(cases.ends_with(&format!("latency.mean: {summary}\n")), "{cases}");
    }
}

/// The proxies are stopped too, so the command fails, with and without the fault.
#[test]
fn a_run_during_which_the_measurement_was_stopped_is_repeated() {
    let server = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let started = directory.path().join("started");
    let script = format!("mkdir {} && exec sleep 300; {COUNT}; [ $got -ge 500 ]", utf8(&started));
    let mapping = format!("{}=127.0.0.1:{}", free_port(), server.addr().port());
    let bash = require("bash", "bash");
    let options = ["margin", "--proxy", &mapping, "--timeout", "120s"];
    let args = [&options[..], &BYTES, &["--", utf8(&bash), "-c", &script]].concat();
    let margin = Daemon::spawn(Path::new(BINARY), &args, &[]);
    eventually("the command runs", || started.exists());
    margin.signal(Signal::STOP);
    margin.signal(Signal::CONT);
    assert_eq!(margin.wait(LONG).code(), Some(0), "{}", margin.stderr());
    assert!(margin.stderr().contains("1 KB: stopped; the run is repeated\n"), "{}", margin.stderr());
    assert!(margin.stdout().starts_with("passes up to 500 B"), "{}", margin.stdout());
}

/// Returns true if a process does not run any more.
fn has_ended(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X']))
}

#[test]
fn a_command_that_cannot_be_started_leaves_valid_reports() {
    let directory = TempDir::new().expect("a directory");
    let [report, junit] = ["r.json", "j.xml"].map(|name| directory.path().join(name));
    let files = ["--report", utf8(&report), "--junit", utf8(&junit)];
    let mapping = format!("{}=127.0.0.1:1", free_port());
    let options = ["margin", "--proxy", &mapping, "--vary", "latency.mean=0..1s"];
    let ended = run(&[&options[..], &files, &["--", "/absent/command"]].concat());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    let (margin, cases) = measured(&report, &junit);
    let summary = margin["summary"].as_str().expect("a text");
    assert_eq!(margin["outcome"], "aborted");
    assert!(summary.starts_with("cannot start the command `/absent/command`: "), "{summary}");
    assert!(ended.stderr.contains(summary) && cases.contains(summary), "{cases}\n{ended:?}");
}

#[test]
fn a_limit_that_is_too_low_has_its_exit_code_although_no_file_can_be_written() {
    let server = TcpServer::echo();
    let files = ["--at-least", "100B", "--report", "/dev/full", "--junit", "/dev/full"];
    let options = [&BYTES[..], &files].concat();
    let ended = measure(server.addr().port(), &options, &format!("{COUNT}; [ $got -ge 500 ]"));
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        ended.stderr.contains("fault-proxy: not as expected: limit-data.bytes at least 100 B: "),
        "{ended:?}"
    );
    for file in ["--report", "--junit"] {
        let expected = format!("\nfault-proxy: {file} /dev/full: No space left on device");
        assert!(ended.stderr.contains(&expected), "{expected}: {ended:?}");
    }
}

#[test]
fn processes_that_outlive_their_run_are_ended() {
    let server = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let pids = directory.path().join("pids");
    // One more in the first run ignores SIGTERM.
    let stubborn =
        format!("[ -e {0} ] || {{ (trap '' TERM; exec sleep 301) & echo $! >> {0}; }}", utf8(&pids));
    let script = format!("{stubborn}; sleep 300 & echo $! >> {}; {COUNT}; [ $got -ge 500 ]", utf8(&pids));
    let ended = measure(server.addr().port(), &BYTES, &script);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let pids = fs::read_to_string(&pids).expect("runs write it");
    assert!(pids.lines().count() > 5, "{pids}");
    eventually("all have ended", || pids.split_whitespace().all(has_ended));
}
