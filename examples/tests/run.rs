//! Runs every example, as a reader would.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the path of an example. Cargo builds a package's examples before its tests, next to the directory of the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let target = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    target.join("examples").join(name)
}

/// What it prints.
fn run(name: &str) -> String {
    run_with(name, &[])
}

fn run_with(name: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(example(name));
    let output = command.envs(variables.iter().copied()).output().expect("built with the tests");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn embed_relay_says_what_it_relayed() {
    assert_eq!(run("embed_relay"), "5 bytes there, 14 back\n");
}

#[test]
fn faults_around_a_connector_come_and_go() {
    let printed = run("faults_around_a_connector");
    assert_eq!(printed.lines().count(), 4, "{printed}");
    assert!(printed.contains("another client:   Connection reset"), "{printed}");
}

#[test]
fn faults_in_a_test_decide_whether_a_request_is_in_time() {
    let printed = run("faults_in_a_test");
    assert!(printed.contains("answered after 60"), "{printed}");
    assert!(printed.contains("given up after 1"), "{printed}");
}

#[test]
fn nats_tunnel_reaches_a_service_without_a_port() {
    let nats = testkit::NatsServer::start();
    assert_eq!(run_with("nats_tunnel", &[("NATS_URL", &nats.url())]), "hello over NATS\n");
}

#[test]
fn tls_upstream_is_reached_and_verified() {
    assert_eq!(run("tls_upstream"), "hello over TLS\n");
}

#[test]
fn guard_in_a_test_switches_a_fault_on_and_off() {
    // built with the tests of the whole workspace
    let program = example("../fault-proxy");
    let printed =
        run_with("guard_in_a_test", &[("FAULT_PROXY_BIN", program.to_str().expect("a path in UTF-8"))]);
    assert!(printed.starts_with("with 200 ms of latency: 2") && printed.contains("\nwithout: "), "{printed}");
}
