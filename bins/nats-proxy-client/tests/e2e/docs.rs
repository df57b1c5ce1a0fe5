//! Help and man page of the program.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_nats-proxy-client");

/// What the program tells.
fn tells(args: &[&str]) -> String {
    let output = Command::new(BINARY).args(args).output().expect("it starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn health_is_asked_where_the_variable_puts_it() {
    let unhealthy = |variable: &str| {
        let output = Command::new(BINARY).arg("health").env("HEALTH_ADDR", variable).output();
        let output = output.expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{variable}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = unhealthy(":1");
    assert!(told.starts_with("nats-proxy-client: no response from http://127.0.0.1:1/readyz"), "{told}");
    let told = unhealthy("off");
    assert!(told.contains("the HTTP endpoint of the program is off"), "{told}");
}

#[test]
fn health_without_an_address_is_an_error() {
    let output = Command::new(BINARY).arg("health").env_remove("HEALTH_ADDR").output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("off by default: `health` requires its address") && told.contains("HEALTH_ADDR"),
        "{told}"
    );
}

#[test]
fn it_tells_its_own_command_line() {
    assert!(tells(&["completions", "fish"]).contains("--command nats-proxy-client"));
    let mut asked = Command::new(BINARY);
    asked.env("PROXY_COMPLETION_SHELL", "fish").args(["--", "nats-proxy-client", "--drain-t"]);
    let candidates = String::from_utf8(asked.output().expect("it starts").stdout).expect("text");
    assert!(candidates.starts_with("--drain-timeout\t"), "{candidates}");
    let page = tells(&["man"]);
    assert!(page.contains(".TH nats-proxy-client 1") && page.contains("drain\\-timeout"), "{page}");
    let directory = tempfile::tempdir().expect("a directory");
    tells(&["man", "--dir", directory.path().to_str().expect("a path in UTF-8")]);
    assert!(
        directory.path().join("nats-proxy-client.1").is_file()
            && directory.path().join("nats-proxy-client-man.1").is_file()
    );
    assert!(tells(&["--help"]).starts_with("Carries TCP connections"));
    let help = tells(&["health", "--help"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("[env: HEALTH_ADDR=]") && !help.contains("[default:"), "{help}");
    assert!(tells(&["check", "--help"]).contains("--nats-inbox-prefix"));
}

#[test]
fn a_stderr_that_takes_nothing_is_no_panic() {
    for (args, code) in [(&["--config", "nonexistent.toml"][..], 2), (&["health", "127.0.0.1:1"], 1)] {
        let (reader, closed) = io::pipe().expect("a pipe");
        drop(reader);
        for stderr in [Stdio::from(closed), File::create("/dev/full").expect("Linux has it").into()] {
            let ended = Command::new(BINARY).args(args).stderr(stderr).status().expect("it starts");
            assert_eq!(ended.code(), Some(code), "{args:?}");
        }
    }
}

#[test]
fn a_log_does_not_overwrite_the_file_of_the_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("nats.toml");
    let text = "[log]\nlevel = 'info'\n";
    std::fs::write(&file, text).expect("the directory is ours");
    let server = Path::new(BINARY).with_file_name("nats-proxy-server");
    for program in [Path::new(BINARY), &server] {
        let output = Command::new(program).arg("--config").arg(&file).arg("--log-file").arg(&file).output();
        let output = output.expect("it starts");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains("--config and --log-file have the same file"), "{complaint}");
    }
    assert_eq!(std::fs::read_to_string(&file).expect("it exists"), text);
}

#[test]
fn a_variable_has_the_name_of_its_flag_and_an_unknown_one_is_warned_of() {
    let failed = |variables: &[(&str, &str)]| {
        let mut command = Command::new(BINARY);
        let output = command.args(["--nats-ca", "no.pem"]).envs(variables.iter().copied()).output();
        let output = output.expect("it starts");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let wrong = failed(&[("NATS_PROXY_MAX_OUTAGE", "soon")]);
    assert!(wrong.contains("variable NATS_PROXY_MAX_OUTAGE"), "{wrong}");
    let unknown =
        failed(&[("NATS_PROXY_MAX_OUTAG", "3s"), ("NATS_PROXY_NATS_URL", "a"), ("FAULT_SEAD", "1")]);
    for warning in [
        "NATS_PROXY_MAX_OUTAG is unknown; did you mean `NATS_PROXY_MAX_OUTAGE`?",
        "NATS_PROXY_NATS_URL is unknown; did you mean `NATS_URL`?",
        "FAULT_SEAD is unknown; did you mean `FAULT_SEED`?",
        "--nats-ca",
    ] {
        assert!(unknown.contains(warning), "no {warning:?} in {unknown}");
    }
    let json = failed(&[("NATS_PROXY_MAX_OUTAG", "3s"), ("LOG_FORMAT", "json")]);
    let lines: Vec<_> = json.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with('{') && line.ends_with('}')), "{json}");
    for (line, fields) in [
        (lines.first(), r#""variable":"NATS_PROXY_MAX_OUTAG","meant":"NATS_PROXY_MAX_OUTAGE""#),
        (lines.last(), r#""message":"nats-proxy-client failed","error":""#),
    ] {
        assert!(line.is_some_and(|line| line.contains(fields)), "no {fields:?} in {json}");
    }
}
