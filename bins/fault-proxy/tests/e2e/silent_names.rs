//! Names whose name server does not answer, in a separate network namespace.

use std::fs;
use std::path::Path;

use crate::support::{ANY_CONTROL_PORT, BINARY, PATIENCE, utf8};
use tempfile::TempDir;
use testkit::{Daemon, Signal, free_port};

/// A lookup ends after 150 s, much later than these tests.
const RESOLVER: &str = "nameserver 192.0.2.1\noptions timeout:30 attempts:5\n";

/// Queries to the name server stay on the loopback interface.
const IN_ITS_NETWORK: &str = "ip link set lo up && ip addr add 192.0.2.2/24 dev lo && ip route replace 192.0.2.1 dev lo && \
     mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";

/// The binary where no name server answers.
fn spawn(directory: &TempDir, args: &[&str]) -> Daemon {
    let resolver = directory.path().join("resolv.conf");
    fs::write(&resolver, RESOLVER).expect("the directory is ours");
    let launcher =
        ["--map-root-user", "--net", "--mount", "sh", "-c", IN_ITS_NETWORK, utf8(&resolver), BINARY];
    Daemon::spawn(Path::new("unshare"), &[&launcher[..], args].concat(), &[ANY_CONTROL_PORT])
}

#[test]
fn a_look_up_does_not_delay_the_end_of_a_run() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("c.toml");
    let first = format!("[[proxies]]\nproxy = '{}=127.0.0.1:9'\n", free_port());
    fs::write(&file, &first).unwrap();
    let run = spawn(&directory, &["run", "--config", utf8(&file)]);
    run.wait_for_line("listening on");
    let silent = format!("[[proxies]]\nproxy = 'silent.example:{}=127.0.0.1:9'\n", free_port());
    fs::write(&file, first + &silent).unwrap();
    run.signal(Signal::HUP);
    // The reload has given up then, and the lookup has not.
    run.wait_for_line("did not resolve within 5s");
    run.signal(Signal::TERM);
    assert_eq!(run.wait(PATIENCE).code(), Some(0), "{}", run.stderr());
}

#[test]
fn a_look_up_does_not_delay_the_end_of_a_check() {
    let directory = TempDir::new().unwrap();
    let upstream = format!("{}=silent.example:80", free_port());
    let listen = format!("silent.example:{}=127.0.0.1:9", free_port());
    for (mapping, problem) in [(upstream, "FAILED"), (listen, "did not resolve within 5s")] {
        let check = spawn(&directory, &["check", "--control", "off", "--proxy", &mapping]);
        assert_eq!(check.wait(PATIENCE).code(), Some(1), "{}", check.stderr());
        assert!(check.stdout().contains(problem), "{}", check.stdout());
    }
}

#[test]
fn a_look_up_of_the_control_address_ends_with_an_error_that_names_the_flag() {
    let directory = TempDir::new().unwrap();
    let mapping = format!("{}=127.0.0.1:9", free_port());
    for command in ["run", "check"] {
        let program = spawn(&directory, &[command, "--control", "silent.example:0", "--proxy", &mapping]);
        assert_eq!(program.wait(PATIENCE).code(), Some(2), "{}", program.stderr());
        let problem = "--control silent.example:0: the name did not resolve within 5s; use an IP address";
        assert!(program.stderr().contains(problem), "{}", program.stderr());
    }
}
