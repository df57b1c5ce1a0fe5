use std::fs;
use std::path::Path;

use clap::Parser;
use fault_proxy_nats::Credential;
use tempfile::TempDir;
use testkit::Certificates;

use super::*;

const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    nats: Given<NatsArgs>,
}

fn flags_over(args: &[&str], file: NatsArgs) -> NatsArgs {
    let cli = Cli::try_parse_from([&["test"], args].concat()).unwrap();
    NatsArgs::over(&cli.nats, file).unwrap()
}

fn flags(args: &[&str]) -> NatsArgs {
    flags_over(args, NatsArgs::default())
}

fn file(json: serde_json::Value) -> NatsArgs {
    serde_json::from_value(json).unwrap()
}

fn resolved(args: NatsArgs) -> NatsOptions {
    args.resolve("test").unwrap()
}

fn credential(args: NatsArgs) -> Credential {
    resolved(args).credential
}

fn urls(args: NatsArgs) -> Vec<String> {
    resolved(args).urls.iter().map(NatsUrl::to_string).collect()
}

fn refused(args: &[&str]) -> String {
    format!("{:#}", flags(args).resolve("test").unwrap_err())
}

fn user(password: &str) -> Credential {
    Credential::UserPassword { user: "me".to_owned(), password: password.to_owned() }
}

fn token() -> Credential {
    Credential::Token("t".to_owned())
}

/// The path of a file that holds the text.
fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path.into_os_string().into_string().unwrap()
}

#[test]
fn the_default_is_a_server_on_this_machine() {
    assert_eq!(urls(NatsArgs::default()), ["nats://localhost:4222"]);
    let options = resolved(NatsArgs::default());
    assert!(options.credential == Credential::None && options.tls.config.is_none());
    assert_eq!((options.tls.required, &*options.name, &*options.inbox_prefix), (false, "test", "_INBOX"));
}

#[test]
fn several_urls_are_repeated_or_stand_in_one_text() {
    let args = flags(&["--nats-url", "nats://a,b:1", "--nats-url", "tls://c"]);
    assert_eq!(urls(args), ["nats://a", "nats://b:1", "tls://c"]);
    for url in [serde_json::json!("a, b"), serde_json::json!(["a", "b"])] {
        let args = file(serde_json::json!({ "url": url }));
        assert_eq!(urls(args), ["nats://a", "nats://b"]);
    }
}

#[test]
fn a_wrong_url_is_named_by_its_flag_and_not_shown() {
    let args = ["test", "--nats-url", "nats://me:s3cr3t@host:70000"];
    let error = Cli::try_parse_from(args).unwrap_err().to_string();
    assert!(error.contains("--nats-url") && !error.contains("s3cr3t"), "{error}");
}

#[test]
fn flags_come_before_a_file() {
    let file = file(serde_json::json!({ "url": "b", "ca": "file.pem", "tls": true }));
    let args = flags_over(&["--nats-url", "a", "--nats-ca", "flag.pem"], file);
    assert_eq!((args.nats_ca, args.nats_tls), (Some("flag.pem".into()), true));
    assert_eq!(args.nats_url, ["a".parse().unwrap()]);
}

#[test]
fn a_password_joins_a_files_user_and_a_token_replaces_it() {
    let in_file = || file(serde_json::json!({ "user": "me", "password": "old" }));
    assert_eq!(credential(in_file()), user("old"));
    assert_eq!(credential(flags_over(&["--nats-password", "new"], in_file())), user("new"));
    assert_eq!(credential(flags_over(&["--nats-token", "t"], in_file())), token());
}

#[test]
fn a_certificate_replaces_the_pair_of_a_file() {
    let in_file = || file(serde_json::json!({ "cert": "old.pem", "key": "old.key" }));
    assert_eq!(flags_over(&[], in_file()).nats_key, Some("old.key".into()));
    let args = flags_over(&["--nats-cert", "new.pem"], in_file());
    assert_eq!((args.nats_cert, args.nats_key), (Some("new.pem".into()), None));
}

#[test]
fn there_is_one_kind_of_credential() {
    let two = refused(&["--nats-user", "me", "--nats-password", "p", "--nats-creds", "my.creds"]);
    assert!(two.contains("--nats-user and --nats-creds"), "{two}");
    let two = refused(&["--nats-token", "t", "--nats-token-file", "f"]);
    assert!(two.contains("--nats-token and --nats-token-file"), "{two}");
    let two = refused(&["--nats-url", "nats://me:p@a", "--nats-nkey", SEED]);
    assert!(two.contains("--nats-url") && two.contains("--nats-nkey"), "{two}");
    let two = refused(&["--nats-url", "nats://me:p@a,nats://me:q@b"]);
    assert!(two.contains("--nats-url") && two.contains("the same user"), "{two}");
    assert!(refused(&["--nats-user", "me"]).contains("--nats-password"));
    assert!(refused(&["--nats-password", "p"]).contains("--nats-user"));
    assert!(refused(&["--nats-cert", "c.pem"]).contains("--nats-key"));
}

#[test]
fn a_url_can_say_who_asks() {
    let args = flags(&["--nats-url", "nats://me:p@a,nats://me:p@b,c"]);
    assert!(args.nats_url.iter().take(2).all(|url| *url.credential() == user("p")));
    assert_eq!(urls(args), ["nats://a", "nats://b", "nats://c"]);
}

#[test]
fn secrets_are_read_from_files() {
    let directory = TempDir::new().unwrap();
    let token_file = written(directory.path(), "token", "t\n");
    assert_eq!(credential(flags(&["--nats-token-file", &token_file])), token());
    let nkey = written(directory.path(), "nkey", &format!("# mine\n{SEED}\n"));
    for text in [&nkey, SEED] {
        assert_eq!(credential(flags(&["--nats-nkey", text])), Credential::Nkey(SEED.to_owned()));
    }
    assert!(refused(&["--nats-nkey", &token_file]).contains("does not contain a user's seed"));
    let slip = refused(&["--nats-nkey", &SEED[1..]]);
    assert!(!slip.contains(&SEED[1..]), "{slip}");
    let missing = refused(&["--nats-token-file", "no.token"]);
    assert!(missing.contains("--nats-token-file no.token"), "{missing}");
}

#[test]
fn what_cannot_be_used_is_found_at_once_and_named_with_its_flag() {
    let directory = TempDir::new().unwrap();
    let empty = written(directory.path(), "empty.pem", "");
    for (args, flag, value) in [
        (&["--nats-ca", "no.pem"][..], "--nats-ca: ", "no.pem"),
        (&["--nats-ca", &empty], "--nats-ca: ", "empty.pem"),
        (&["--nats-cert", "no.pem", "--nats-key", "other.pem"], "--nats-cert: ", "no.pem"),
        (&["--nats-creds", "no.creds"], "--nats-creds: ", "no.creds"),
        (&["--nats-inbox-prefix", "replies.*"], "--nats-inbox-prefix: ", "replies.*"),
        (&["--max-message-size", "383"], "--max-message-size: ", "384"),
    ] {
        let refused = refused(args);
        assert!(refused.starts_with(flag) && refused.contains(value), "{refused}");
    }
}

#[test]
fn files_of_tls_with_something_else_are_explained() {
    let (directory, certificates) = (TempDir::new().unwrap(), Certificates::generate());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let file = |label: &str| {
        let pem = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        written(directory.path(), &format!("{label}.pem"), &pem)
    };
    let [ca, cert, key] =
        [certificates.ca_file(), certificates.client_cert(), certificates.client_key()].map(text);
    let other_key = text(certificates.server_key());
    let binary = directory.path().join("file.der");
    fs::write(&binary, [0x30, 0x82, 0x01, 0x00]).unwrap();
    let binary = text(&binary);
    assert!(
        resolved(flags(&["--nats-ca", &ca, "--nats-cert", &cert, "--nats-key", &key])).tls.config.is_some()
    );
    for (args, flag, explanation) in [
        (vec!["--nats-ca", &*key], "--nats-ca: ", "it contains a private key"),
        (vec!["--nats-ca", &*file("CERTIFICATE REQUEST")], "--nats-ca: ", "certificate signing request"),
        (vec!["--nats-ca", &*file("CERTIFICATE")], "--nats-ca: ", "certificate"),
        (vec!["--nats-ca", &*binary], "--nats-ca: ", "file.der does not contain a certificate"),
        (vec!["--nats-cert", &*key, "--nats-key", &*cert], "--nats-cert: ", "swapped"),
        (vec!["--nats-cert", &*cert, "--nats-key", &*cert], "--nats-key: ", "it contains a certificate"),
        (vec!["--nats-cert", &*cert, "--nats-key", &*other_key], "--nats-cert: ", "does not belong"),
        (
            vec!["--nats-ca", &*ca, "--nats-cert", &*cert, "--nats-key", &*file("ENCRYPTED PRIVATE KEY")],
            "--nats-key: ",
            "openssl pkey",
        ),
    ] {
        let refused = refused(&args);
        assert!(refused.starts_with(flag) && refused.contains(explanation), "{args:?}: {refused}");
    }
}

#[test]
fn no_secret_is_shown() {
    let args = || flags(&["--nats-user", "me", "--nats-password", "s3cr3t", "--nats-url", "nats://a"]);
    assert!(!format!("{:?} {:?}", args(), resolved(args())).contains("s3cr3t"));
}
