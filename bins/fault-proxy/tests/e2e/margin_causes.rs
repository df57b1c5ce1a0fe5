//! `fault-proxy margin`: runs that fail or pass for another reason than the fault.

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::TcpServer;

use crate::margin::{BYTES, COUNT, measure, read};
use crate::support::utf8;

/// Adds a line to a file, and sets `n` to the number of the run.
fn count_runs(directory: &TempDir) -> String {
    let runs = directory.path().join("runs");
    format!("echo >> {0}; n=$(wc -l < {0})", utf8(&runs))
}

#[test]
fn a_command_that_fails_without_the_fault_has_no_limit() {
    let server = TcpServer::echo();
    let breaks = |part: &str| format!("{part}; if [ $n -gt 1 ]; then echo no disk; exit 5; fi");
    let connects = "exec 3<>/dev/tcp/$FAULT_PROXY_HOST/$FAULT_PROXY_PORT";
    for (before, repeat, headline) in [
        ("true", "1", "fails at 1 B without connecting to a proxy (1 of 1)"),
        (connects, "2", "fails at 1 B although `limit-data` did not act (2 of 2)"),
    ] {
        let directory = TempDir::new().expect("a directory");
        let [report, junit] = ["r.json", "j.xml"].map(|name| directory.path().join(name));
        let files = ["--report", utf8(&report), "--junit", utf8(&junit), "--repeat", repeat];
        // The easy end takes the first runs.
        let script =
            format!("{}; n=$((n - {repeat} + 1)); {}; {COUNT}", count_runs(&directory), breaks(before));
        let least = ["--at-least", "500"];
        let ended = measure(server.addr().port(), &[&BYTES[..], &files, &least].concat(), &script);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stdout.starts_with(&format!("{headline}\nNothing was measured.")), "{ended:?}");
        assert!(ended.stderr.contains("`limit-data` did not act, so the run does not count"), "{ended:?}");
        assert!(ended.stderr.contains("output of a run that failed at 1 B:\nno disk\n"), "{ended:?}");
        let (margin, cases) = read(&report, &junit);
        let condition = "limit-data.bytes at least 500 B";
        assert_eq!(cases, format!("cache | {condition} | {condition}: {headline}\n"));
        assert_eq!(
            (&margin["outcome"], &margin["summary"]),
            (&json!("fails_without_fault"), &json!(headline))
        );
        assert_eq!((&margin["passes_up_to"], &margin["limit"]), (&Value::Null, &Value::Null));
        let at = &margin["values"][1];
        assert_eq!((&at["passed"], &at["failed"], &at["acted"]), (&json!(0), &json!(0), &json!(0)));
        assert_eq!(at["failed_without_fault"].to_string(), repeat);
        assert_eq!(at["failure"], json!({"status": "exit code 5", "output": "no disk"}));
    }
}

#[test]
fn a_single_failure_without_the_fault_does_not_move_the_limit() {
    let server = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    // The runs of the two ends come first.
    let script = format!("{}; test $n -ne 7 || exit 5; {COUNT}; test $got -ge 500", count_runs(&directory));
    let ended = measure(server.addr().port(), &BYTES, &script);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("passes up to 500 B, fails from 490 B (3 of 3)\n"), "{ended:?}");
    let note = "1 run failed although `limit-data` did not act. Such runs do not count.\n";
    assert!(ended.stdout.contains(note), "{ended:?}");
}

#[test]
fn a_command_that_stops_using_the_proxy_does_not_pass() {
    let server = TcpServer::echo();
    let directory = TempDir::new().expect("a directory");
    let [report, junit] = ["r.json", "j.xml"].map(|name| directory.path().join(name));
    let options = [
        "--vary",
        "latency.mean=1ms..1s",
        "--repeat",
        "1",
        "--report",
        utf8(&report),
        "--junit",
        utf8(&junit),
    ];
    // The fault acts in the first run. Further runs use what that run has kept.
    let script = format!("{}; test $n -gt 1 || {{ {COUNT}; }}", count_runs(&directory));
    let ended = measure(server.addr().port(), &options, &script);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.starts_with("`latency` did not act at 1 s: "), "{ended:?}");
    let (margin, _) = read(&report, &junit);
    assert_eq!((&margin["outcome"], &margin["values"][0]["acted"]), (&json!("fault_idle"), &json!(1)));
}

#[test]
fn a_client_that_does_not_wait_for_a_slow_open_has_a_limit() {
    let server = TcpServer::echo();
    let options = ["--vary", "slow-open.delay=0..60s", "--resolution", "30s", "--repeat", "1"];
    let client = "exec 3<>/dev/tcp/$FAULT_PROXY_HOST/$FAULT_PROXY_PORT; echo x >&3; read -t 3 -n 1 <&3";
    let ended = measure(server.addr().port(), &options, client);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("passes up to 0 ms, fails from 30 s (1 of 1)\n"), "{ended:?}");
}
