//! An empty control API token neither protects the API nor authorizes clients.

use std::fs;
use std::path::Path;

use crate::support::{BINARY, PATIENCE, utf8};
use tempfile::TempDir;
use testkit::{Daemon, Signal, free_port};

const EMPTY_VARIABLE: (&str, &str) = ("FAULT_CONTROL_TOKEN", "");

/// Returns the exit code and stderr of a run with one proxy.
fn ended(control: &str, options: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let proxy = format!("{}=127.0.0.1:9", free_port());
    let args = [&["run", "--control", control, "--proxy", &proxy, "--duration", "1s"], options].concat();
    let run = Daemon::spawn(Path::new(BINARY), &args, variables);
    (run.wait(PATIENCE).code(), run.stderr())
}

#[test]
fn an_empty_flag_is_refused() {
    for control in ["0.0.0.0:0", "127.0.0.1:0"] {
        for token in ["", " "] {
            let (code, stderr) = ended(control, &["--control-token", token], &[]);
            assert_eq!(code, Some(2), "{stderr}");
            assert!(stderr.contains("--control-token is empty"), "{stderr}");
        }
    }
}

#[test]
fn an_empty_variable_is_refused_where_a_token_is_needed() {
    let (code, stderr) = ended("0.0.0.0:0", &[], &[EMPTY_VARIABLE]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("FAULT_CONTROL_TOKEN, which must not be empty"), "{stderr}");
    let run = Daemon::spawn(Path::new(BINARY), &["run", "--control", "127.0.0.1:0"], &[EMPTY_VARIABLE]);
    run.wait_for_line("control API on http://");
    run.signal(Signal::TERM);
    assert_eq!(run.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_token_in_the_file_is_refused_by_its_name() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("c.toml");
    fs::write(&file, "control-token = ''\n").unwrap();
    let (code, stderr) = ended("127.0.0.1:0", &["--config", utf8(&file)], &[]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("control-token"), "{stderr}");
}
