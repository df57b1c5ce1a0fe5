//! The command line: refused arguments and their messages, and the commands other than `run`.

use std::fs;

use crate::support::{run, utf8};
use tempfile::TempDir;
use testkit::{Certificates, TcpServer, free_port};

/// The complaint of a command that is refused as wrong usage.
fn refusal(args: &[&str]) -> String {
    let ended = run(args);
    assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
    assert_eq!(ended.stdout, "", "{args:?}");
    ended.stderr
}

#[test]
fn a_bad_mapping_is_shown_with_the_place_that_is_wrong_and_a_hint() {
    for command in ["run", "check"] {
        let complaint = refusal(&[command, "--proxy", "9090=example.com"]);
        let diagnosis = "missing port\n  9090=example.com\n       ^^^^^^^^^^^\nhint: a host without a scheme \
                         needs a port: 9090=example.com:PORT\n";
        assert!(complaint.contains(diagnosis), "{complaint}");
    }
}

#[test]
fn flags_that_are_misspelt_or_missing_are_named() {
    let misspelt = refusal(&["run", "--proxy", "9090=a:1", "--drain-timout", "1s"]);
    assert!(misspelt.contains("'--drain-timeout'"), "{misspelt}");
    let keyless = refusal(&["run", "--proxy", "9090=a:1", "--tls-cert", "cert.pem"]);
    assert!(keyless.contains("--tls-key"), "{keyless}");
    let timeless = refusal(&["run", "--proxy", "9090=a:1", "--duration", "2 parsecs"]);
    assert!(timeless.contains("--duration") && timeless.contains("write 90s"), "{timeless}");
    let unlimited = refusal(&["run", "--proxy", "9090=a:1", "--max-sessions", "0"]);
    assert!(unlimited.contains("--max-sessions"), "{unlimited}");
}

#[test]
fn tls_files_that_cannot_be_used_are_named() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        utf8(&path).to_owned()
    };
    let (words, missing) = (file("no.pem", "no certificate\n"), directory.path().join("missing.pem"));
    let missing = utf8(&missing);
    let certificates = Certificates::generate();
    let cert = utf8(certificates.server_cert());
    let other_key = utf8(certificates.client_key());

    let refusal_of = |options: &[&str]| refusal(&[&["run", "--proxy", "9090=tls://a"], options].concat());
    let no_certificate = format!("{words} does not contain a certificate");
    for (options, reason) in [
        (&["--upstream-ca", missing][..], missing),
        (&["--upstream-ca", &words], &no_certificate),
        (&["--upstream-cert", &words, "--upstream-key", other_key], &no_certificate),
        (&["--tls-cert", missing, "--tls-key", other_key], missing),
        (&["--tls-cert", &words, "--tls-key", other_key], &no_certificate),
        (&["--tls-cert", cert, "--tls-key", &words], &words),
        (&["--tls-cert", cert, "--tls-key", other_key], "--tls-cert and --tls-key"),
        (&[&format!("--tls-self-signed={missing}/copy.pem")], missing),
        (&["--upstream-sni", "not a name"], "`not a name`"),
    ] {
        let complaint = refusal_of(options);
        assert!(complaint.contains(reason), "{options:?}: {complaint}");
    }
}

#[test]
fn check_connects_to_every_upstream_and_prints_what_would_run() {
    let far_end = TcpServer::echo();
    let alive = format!("{}={}", free_port(), far_end.addr());
    let ended = run(&["check", "--proxy", &alive]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let listen = format!("127.0.0.1:{}", alive.split('=').next().unwrap());
    for part in [&alive, &listen, &format!("{}, connected in ", far_end.addr())] {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }

    let dead = format!("{}=127.0.0.1:{}", free_port(), free_port());
    let ended = run(&["check", "--proxy", &alive, "--proxy", &dead]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let row = ended.stdout.lines().find(|line| line.contains(&dead)).expect("a row of the dead one");
    assert!(row.contains("FAILED: cannot connect to"), "{row}");
    assert!(ended.stdout.contains(", connected in "), "the other one is checked too: {}", ended.stdout);
    assert!(ended.stderr.contains("1 of 2 mappings would not work"), "{}", ended.stderr);
}

#[test]
fn the_demo_shows_round_trips_with_and_without_latency_and_ends() {
    let ended = run(&["demo", "--duration", "5"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let round_trip = ended.stdout.lines().find(|line| line.starts_with("#1 ")).expect("a round trip");
    assert!(round_trip.contains("through the proxy") && round_trip.contains("directly"), "{round_trip}");
    assert!(ended.stdout.contains("fault-proxy run --proxy "), "{}", ended.stdout);
    let slow = ended.stdout.lines().find(|line| line.starts_with("#5 ")).expect("a late round trip");
    let millis = slow.split_whitespace().nth(4).and_then(|millis| millis.parse::<f64>().ok());
    assert!(millis.is_some_and(|millis| millis >= 100.0), "{slow}");
    assert!(ended.stderr.contains("client=finished upstream=finished"), "{}", ended.stderr);
}

#[test]
fn manual_pages_are_of_all_commands() {
    let page = run(&["man"]);
    assert!(page.stdout.contains(".TH fault-proxy 1"), "{}", page.stdout);
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run(&["man", "--dir", utf8(directory.path())]).code, Some(0));
    for name in ["fault-proxy", "fault-proxy-run", "fault-proxy-ctl-fault-add"] {
        let page = std::fs::read_to_string(directory.path().join(name).with_extension("1")).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
    }
}

#[test]
fn health_says_where_it_asks() {
    let wrong = run(&["health", "foo"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("expected the HOST:PORT of a running program"), "{wrong:?}");
    let help = run(&["health", "--help"]).stdout;
    assert!(help.contains("[default: 127.0.0.1:8474]") && help.contains("[env: FAULT_CONTROL="), "{help}");
}

#[test]
fn help_and_version_are_no_errors() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0), "{help:?}");
    for command in ["run", "check", "demo", "completions"] {
        let listed = help.stdout.lines().any(|line| line.trim_start().starts_with(command));
        assert!(listed, "{command} is not in {}", help.stdout);
    }
    let version = run(&["--version"]);
    assert_eq!(
        (version.code, version.stdout.trim_end()),
        (Some(0), concat!("fault-proxy ", env!("CARGO_PKG_VERSION")))
    );
}
