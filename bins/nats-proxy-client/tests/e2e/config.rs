//! The command lines and files of both programs: what is refused, and how. Nothing here runs either for long.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{client_binary, server_binary};
use tempfile::TempDir;

const CLIENT: &str = "client";
const SERVER: &str = "server";
const BOTH: [&str; 2] = [CLIENT, SERVER];

/// In an empty directory, which is home too.
fn run_in(directory: &Path, program: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let binary = if program == CLIENT { client_binary().to_owned() } else { server_binary() };
    let mut command = Command::new(binary);
    command
        .args(args)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .envs(variables.iter().copied());
    command.output().expect("the binary starts")
}

fn run(program: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
    run_in(TempDir::new().expect("a temporary directory").path(), program, args, variables)
}

/// The complaint of a run that is refused as wrong usage.
fn refusal(ended: Output) -> String {
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    String::from_utf8(ended.stderr).expect("the complaint is UTF-8")
}

#[test]
fn a_misspelt_flag_is_named_with_what_was_meant() {
    for program in BOTH {
        let complaint = refusal(run(program, &["--nats-ulr", "nats://a"], &[]));
        assert!(complaint.contains("'--nats-url'"), "{complaint}");
    }
}

#[test]
fn help_shows_no_secret() {
    let secrets = ["NATS_PASSWORD", "NATS_TOKEN", "NATS_NKEY"].map(|variable| (variable, "s3cr3t"));
    let variables = [&secrets[..], &[("NATS_URL", "nats://me:s3cr3t@host")]].concat();
    for program in BOTH {
        let help = run(program, &["--help"], &variables);
        assert_eq!(help.status.code(), Some(0));
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains("NATS_PASSWORD") && !help.contains("s3cr3t"), "{help}");
    }
}

#[test]
fn a_wrong_value_names_its_flag_or_its_variable() {
    for program in BOTH {
        let of_flag = refusal(run(program, &["--max-outage", "2 parsecs"], &[]));
        assert!(of_flag.contains("--max-outage") && of_flag.contains("write 90s"), "{of_flag}");
        let of_variable = refusal(run(program, &[], &[("LOG_LEVEL", "loud")]));
        assert!(of_variable.contains("variable LOG_LEVEL"), "{of_variable}");
        let of_url = refusal(run(program, &[], &[("NATS_URL", "nats://me:s3cr3t@host:x")]));
        assert!(of_url.contains("from NATS_URL") && !of_url.contains("s3cr3t"), "{of_url}");
    }
}

#[test]
fn a_flag_comes_before_a_variable() {
    for program in BOTH {
        // What is refused is the credential, which is looked at later than the log.
        let args = ["--log-level", "warn", "--nats-user", "me"];
        let complaint = refusal(run(program, &args, &[("LOG_LEVEL", "loud")]));
        assert!(complaint.contains("--nats-user requires --nats-password"), "{complaint}");
    }
}

#[test]
fn a_variable_counts_as_its_flag_and_an_empty_one_as_none() {
    for program in BOTH {
        let variables = [("NATS_USER", "me"), ("NATS_URL", "")];
        let complaint = refusal(run(program, &["--nats-token", "s3cr3t"], &variables));
        assert!(complaint.contains("--nats-user and --nats-token"), "{complaint}");
        assert!(!complaint.contains("s3cr3t"), "{complaint}");
    }
}

#[test]
fn a_file_of_credentials_or_certificates_that_cannot_be_used_is_wrong_usage() {
    for program in BOTH {
        for (flag, problem) in [("--nats-ca", "cannot read"), ("--nats-creds", "cannot use")] {
            let complaint = refusal(run(program, &[flag, "missing.pem"], &[]));
            assert!(complaint.contains(&format!("{flag}: {problem} missing.pem: ")), "{complaint}");
        }
    }
}

#[test]
fn a_file_that_is_found_or_given_is_read() {
    for program in BOTH {
        let directory = TempDir::new().unwrap();
        let name = format!(".nats-proxy-{program}.yaml");
        fs::write(directory.path().join(&name), format!("{program}:\n  listen_adr: ':1'\n")).unwrap();
        let found = refusal(run_in(directory.path(), program, &[], &[]));
        let wanted = format!("{program}.listen_adr in ./{name}: unknown key; did you mean `listen_addr`?");
        assert!(found.contains(&wanted), "{found}");

        fs::write(directory.path().join("given.toml"), "[log]\nlevel = 'loud'\n").unwrap();
        let given = refusal(run_in(directory.path(), program, &["--config", "given.toml"], &[]));
        assert!(given.contains("log.level in given.toml: "), "{given}");

        let missing = refusal(run(program, &["--config", "missing.toml"], &[]));
        assert!(missing.contains("--config missing.toml"), "{missing}");
    }
}

#[test]
fn a_file_is_also_found_at_home() {
    for program in BOTH {
        let (home, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let file = home.path().join(format!(".nats-proxy-{program}.json"));
        fs::write(file, r#"{"nats": {"user": "me"}}"#).unwrap();
        let home = home.path().to_str().unwrap();
        let complaint = refusal(run_in(elsewhere.path(), program, &[], &[("HOME", home)]));
        assert!(complaint.contains("--nats-user requires"), "{complaint}");
    }
}

#[test]
fn a_forward_is_shown_with_the_place_that_is_wrong_and_the_way_out() {
    let complaint = refusal(run(CLIENT, &["--forward", "9090=example.com"], &[]));
    assert!(complaint.contains("9090=example.com\n       ^^^^^^^^^^^\nhint: "), "{complaint}");
    let tls = refusal(run(CLIENT, &["--forward", "9090=tls://example.com"], &[]));
    assert!(tls.contains("connects without TLS") && tls.contains("write HOST:PORT alone"), "{tls}");
    let remote = refusal(run(CLIENT, &[], &[("REMOTE_ADDR", "redis")]));
    assert!(remote.contains("missing port") && remote.contains("variable REMOTE_ADDR"), "{remote}");
}

#[test]
fn a_service_is_a_host_and_a_port() {
    let complaint = refusal(run(SERVER, &["--service", "db=https://db"], &[]));
    assert!(complaint.contains("--service") && complaint.contains("connects without TLS"), "{complaint}");
}
