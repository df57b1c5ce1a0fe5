use std::fs;

use clap::Parser;
use tempfile::TempDir;

use super::*;

const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    nats: NatsArgs,
}

fn flags(args: &[&str]) -> NatsArgs {
    Cli::try_parse_from([&["test"], args].concat()).unwrap().nats
}

fn file(json: serde_json::Value) -> NatsArgs {
    serde_json::from_value(json).unwrap()
}

fn credential(args: NatsArgs) -> Option<Credential> {
    args.resolve().unwrap().credential
}

fn refused(args: &[&str]) -> String {
    format!("{:#}", flags(args).resolve().unwrap_err())
}

fn secret(text: &str) -> Secret {
    text.to_owned().into()
}

#[test]
fn the_default_is_a_server_on_this_machine() {
    let settings = NatsArgs::default().resolve().unwrap();
    assert_eq!(settings.urls, ["nats://localhost:4222"]);
    assert_eq!((settings.credential, settings.identity, settings.tls), (None, None, false));
}

#[test]
fn several_urls_are_repeated_or_stand_in_one_text() {
    let urls = flags(&["--nats-url", "nats://a,b:1", "--nats-url", "tls://c"]).resolve().unwrap().urls;
    assert_eq!(urls, ["nats://a", "nats://b:1", "tls://c"]);
    for url in [serde_json::json!("a, b"), serde_json::json!(["a", "b"])] {
        let args = file(serde_json::json!({ "url": url }));
        assert_eq!(args.resolve().unwrap().urls, ["nats://a", "nats://b"]);
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
    let args = flags(&["--nats-url", "a", "--nats-ca", "flag.pem"]);
    let args = args.or(file(serde_json::json!({ "url": "b", "ca": "file.pem", "tls": true })));
    let settings = args.resolve().unwrap();
    assert_eq!((settings.urls, settings.ca), (vec!["nats://a".to_owned()], Some("flag.pem".into())));
    assert!(settings.tls);
}

#[test]
fn a_password_joins_a_files_user_and_a_token_replaces_it() {
    let in_file = || file(serde_json::json!({ "user": "me", "password": "old" }));
    let user = |password| Some(Credential::User { name: "me".to_owned(), password: secret(password) });
    assert_eq!(credential(NatsArgs::default().or(in_file())), user("old"));
    assert_eq!(credential(flags(&["--nats-password", "new"]).or(in_file())), user("new"));
    let token = flags(&["--nats-token", "t"]).or(in_file());
    assert_eq!(credential(token), Some(Credential::Token(secret("t"))));
}

#[test]
fn there_is_one_kind_of_credential() {
    let two = refused(&["--nats-user", "me", "--nats-password", "p", "--nats-creds", "my.creds"]);
    assert!(two.contains("--nats-user and --nats-creds"), "{two}");
    let two = refused(&["--nats-token", "t", "--nats-token-file", "f"]);
    assert!(two.contains("--nats-token and --nats-token-file"), "{two}");
    let two = refused(&["--nats-url", "nats://me:p@a", "--nats-nkey", SEED]);
    assert!(two.contains("--nats-url") && two.contains("--nats-nkey"), "{two}");
    assert!(refused(&["--nats-url", "nats://me:p@a,nats://me:q@b"]).contains("the same user"));
    assert!(refused(&["--nats-user", "me"]).contains("--nats-password"));
    assert!(refused(&["--nats-password", "p"]).contains("--nats-user"));
    assert!(refused(&["--nats-cert", "c.pem"]).contains("--nats-key"));
}

#[test]
fn a_url_can_say_who_asks() {
    let args = flags(&["--nats-url", "nats://me:p@a,nats://me:p@b,c"]);
    let settings = args.resolve().unwrap();
    assert_eq!(settings.urls, ["nats://a", "nats://b", "nats://c"]);
    assert_eq!(settings.credential, Some(Credential::User { name: "me".to_owned(), password: secret("p") }));
}

#[test]
fn secrets_are_read_from_files() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let token = file("token", "t\n");
    assert_eq!(credential(flags(&["--nats-token-file", &token])), Some(Credential::Token(secret("t"))));
    let nkey = file("nkey", &format!("# mine\n{SEED}\n"));
    for text in [&nkey, SEED] {
        assert_eq!(credential(flags(&["--nats-nkey", text])), Some(Credential::Nkey(secret(SEED))));
    }
    assert!(refused(&["--nats-nkey", &token]).contains("holds no user's seed"));
    let slip = refused(&["--nats-nkey", &SEED[1..]]);
    assert!(!slip.contains(&SEED[1..]), "{slip}");
    let missing = refused(&["--nats-creds", "no.creds"]);
    assert!(missing.contains("--nats-creds no.creds"), "{missing}");
}

#[test]
fn no_secret_is_shown() {
    let args = || flags(&["--nats-user", "me", "--nats-password", "s3cr3t", "--nats-url", "nats://a"]);
    assert!(!format!("{:?} {:?}", args(), args().resolve().unwrap()).contains("s3cr3t"));
}
