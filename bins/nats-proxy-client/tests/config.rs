//! The command line and the file: what is refused, and how. Nothing here runs the client for long.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// In an empty directory, which is home too.
fn run_in(directory: &Path, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nats-proxy-client"));
    command
        .args(args)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .envs(variables.iter().copied());
    command.output().expect("the binary starts")
}

fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    run_in(TempDir::new().expect("a temporary directory").path(), args, variables)
}

/// The complaint of a run that is refused as wrong usage.
fn refusal(ended: Output) -> String {
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    String::from_utf8(ended.stderr).expect("the complaint is UTF-8")
}

#[test]
fn a_misspelt_flag_is_named_with_what_was_meant() {
    let complaint = refusal(run(&["--nats-ulr", "nats://a"], &[]));
    assert!(complaint.contains("'--nats-url'"), "{complaint}");
}

#[test]
fn help_shows_no_secret() {
    let secrets = ["NATS_PASSWORD", "NATS_TOKEN", "NATS_NKEY"].map(|variable| (variable, "s3cr3t"));
    let url = ("NATS_URL", "nats://me:s3cr3t@host");
    let help = run(&["--help"], &[&secrets[..], &[url]].concat());
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("NATS_PASSWORD") && !help.contains("s3cr3t"), "{help}");
}

#[test]
fn a_wrong_value_names_its_flag_or_its_variable() {
    let of_flag = refusal(run(&["--max-outage", "2 parsecs"], &[]));
    assert!(of_flag.contains("--max-outage") && of_flag.contains("write 90s"), "{of_flag}");
    let of_variable = refusal(run(&[], &[("LOG_LEVEL", "loud")]));
    assert!(of_variable.contains("variable LOG_LEVEL"), "{of_variable}");
    let of_url = refusal(run(&[], &[("NATS_URL", "nats://me:s3cr3t@host:x")]));
    assert!(of_url.contains("from NATS_URL") && !of_url.contains("s3cr3t"), "{of_url}");
}

#[test]
fn a_flag_comes_before_a_variable() {
    // What is refused is the credential, which is looked at last.
    let complaint = refusal(run(&["--log-level", "warn", "--nats-user", "me"], &[("LOG_LEVEL", "loud")]));
    assert!(complaint.contains("--nats-user needs --nats-password"), "{complaint}");
}

#[test]
fn a_variable_counts_as_its_flag_and_an_empty_one_as_none() {
    let complaint = refusal(run(&["--nats-token", "s3cr3t"], &[("NATS_USER", "me"), ("NATS_URL", "")]));
    assert!(
        complaint.contains("--nats-user and --nats-token") && !complaint.contains("s3cr3t"),
        "{complaint}"
    );
}

#[test]
fn a_file_that_is_found_or_given_is_read() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(".nats-proxy-client.yaml"), "client:\n  listen_adr: ':1'\n").unwrap();
    let found = refusal(run_in(directory.path(), &[], &[]));
    let wanted = "client.listen_adr in ./.nats-proxy-client.yaml: unknown key; did you mean `listen_addr`?";
    assert!(found.contains(wanted), "{found}");

    fs::write(directory.path().join("given.toml"), "[log]\nlevel = 'loud'\n").unwrap();
    let given = refusal(run_in(directory.path(), &["--config", "given.toml"], &[]));
    assert!(given.contains("log.level in given.toml: "), "{given}");

    let missing = refusal(run(&["--config", "missing.toml"], &[]));
    assert!(missing.contains("--config missing.toml"), "{missing}");
}

#[test]
fn a_file_is_also_found_at_home() {
    let (home, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(home.path().join(".nats-proxy-client.json"), r#"{"nats": {"user": "me"}}"#).unwrap();
    let home = home.path().to_str().unwrap();
    let complaint = refusal(run_in(elsewhere.path(), &[], &[("HOME", home)]));
    assert!(complaint.contains("--nats-user needs"), "{complaint}");
}

#[test]
fn a_forward_is_shown_with_the_place_that_is_wrong_and_the_way_out() {
    let complaint = refusal(run(&["--forward", "9090=example.com"], &[]));
    assert!(complaint.contains("9090=example.com\n       ^^^^^^^^^^^\nhint: "), "{complaint}");
    let tls = refusal(run(&["--forward", "9090=tls://example.com"], &[]));
    assert!(tls.contains("dials in clear") && tls.contains("write HOST:PORT alone"), "{tls}");
    let remote = refusal(run(&[], &[("REMOTE_ADDR", "redis")]));
    assert!(remote.contains("missing port") && remote.contains("variable REMOTE_ADDR"), "{remote}");
}
