//! What the program tells of its own command line.

use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_nats-proxy-server");

/// What the program tells.
fn tells(args: &[&str]) -> String {
    let output = Command::new(BINARY).args(args).output().expect("it starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn health_is_that_of_its_http_endpoint() {
    let unhealthy = Command::new(BINARY).args(["health", "127.0.0.1:1"]).output().expect("it starts");
    assert_eq!(unhealthy.status.code(), Some(1));
    let told = String::from_utf8_lossy(&unhealthy.stderr).into_owned();
    assert!(told.starts_with("nats-proxy-server: no response from http://127.0.0.1:1/readyz"), "{told}");
}

#[test]
fn it_tells_its_own_command_line() {
    assert!(tells(&["completions", "fish"]).contains("--command nats-proxy-server"));
    let mut asked = Command::new(BINARY);
    asked.env("PROXY_COMPLETION_SHELL", "fish").args(["--", "nats-proxy-server", "--drain-t"]);
    let candidates = String::from_utf8(asked.output().expect("it starts").stdout).expect("text");
    assert!(candidates.starts_with("--drain-timeout\t"), "{candidates}");
    let page = tells(&["man"]);
    assert!(page.contains(".TH nats-proxy-server 1") && page.contains("drain\\-timeout"), "{page}");
    let directory = tempfile::tempdir().expect("a directory");
    tells(&["man", "--dir", directory.path().to_str().expect("a path in UTF-8")]);
    assert!(
        directory.path().join("nats-proxy-server.1").is_file()
            && directory.path().join("nats-proxy-server-man.1").is_file()
    );
    assert!(tells(&["--help"]).starts_with("Connects to TCP services"));
}
