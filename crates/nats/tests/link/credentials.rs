use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fault_proxy_nats::{Credential, LinkError, NatsConnection, NatsOptions};
use nkeys::KeyPair;
use testkit::{NatsServer, TcpServer, nats_servers};

use crate::jwt::{Account, now};
use crate::{connect, options, refused, user};

/// One that works, then those that do not; with what must not be shown of the latter.
async fn one_of(server: &NatsServer, right: Credential, wrong: &[(Credential, &str)]) {
    let link = connect(server, right).await.expect("the credential is right");
    assert!(link.is_up());
    assert_eq!(link.status().borrow().connects, 1);
    for (credential, secret) in wrong {
        let error = refused(&options(&server.url(), credential.clone()), &[secret]).await;
        assert!(matches!(error, LinkError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(&server.url()), "{error}");
    }
}

#[tokio::test]
async fn user_and_password() {
    for program in nats_servers() {
        let server =
            NatsServer::start_with(&program, r#"authorization { user: "ann", password: "open sesame" }"#);
        let wrong = [
            (user("ann", "zutritt"), "zutritt"),
            (user("bob", "open sesame"), "sesame"),
            (Credential::None, "-"),
        ];
        one_of(&server, user("ann", "open sesame"), &wrong).await;
    }
}

#[tokio::test]
async fn token() {
    let server = NatsServer::with_config(r#"authorization { token: "s3cr3t" }"#);
    one_of(&server, Credential::Token("s3cr3t".into()), &[(Credential::Token("gue55".into()), "gue55")])
        .await;
}

#[tokio::test]
async fn nkey() {
    for program in nats_servers() {
        let (ours, foreign) = (KeyPair::new_user(), KeyPair::new_user());
        let config = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", ours.public_key());
        let server = NatsServer::start_with(&program, &config);
        let foreign = foreign.seed().unwrap();
        let wrong = [
            (Credential::Nkey(foreign.clone()), &*foreign),
            (Credential::Nkey("SUNOSEED".into()), "SUNOSEED"),
        ];
        one_of(&server, Credential::Nkey(ours.seed().unwrap()), &wrong).await;
    }
}

#[tokio::test]
async fn creds_file() {
    for program in nats_servers() {
        let (account, foreign) = (Account::new(), Account::new());
        let server = NatsServer::start_with(&program, &account.config());
        let directory = tempfile::tempdir().unwrap();
        let file =
            |name: &str, (creds, seed): (String, String)| (written(directory.path(), name, &creds), seed);
        let (right, _) = file("right.creds", account.creds(None));
        let (expired, expired_seed) = file("expired.creds", account.creds(Some(now() - 60)));
        let (foreign, foreign_seed) = file("foreign.creds", foreign.creds(None));
        let wrong = [
            (Credential::CredsFile(expired), &*expired_seed),
            (Credential::CredsFile(foreign), &*foreign_seed),
        ];
        one_of(&server, Credential::CredsFile(right), &wrong).await;
    }
}

#[tokio::test]
async fn a_creds_file_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, seed) = Account::new().creds(None);
    let cut = whole.replace("------END USER NKEY SEED------", "");
    let not_a_seed = whole.replace(&seed, "SUAAAAAAA");
    for path in [
        directory.path().join("missing.creds"),
        written(directory.path(), "empty.creds", ""),
        written(directory.path(), "cut.creds", &cut),
        written(directory.path(), "wrong.creds", &not_a_seed),
    ] {
        let options = options("nats://127.0.0.1:1", Credential::CredsFile(path.clone()));
        let error = refused(&options, &[&seed]).await;
        assert!(matches!(&error, LinkError::File { path: named, .. } if *named == path), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

fn written(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("the directory is ours");
    path
}

#[tokio::test]
async fn credentials_in_the_url() {
    let server = NatsServer::with_config(r#"authorization { user: "ann", password: "p@ss/word" }"#);
    let with = |credentials: &str| server.url().replace("nats://", &format!("nats://{credentials}@"));
    NatsConnection::connect(&options(&with("ann:p%40ss%2Fword"), Credential::None)).await.unwrap();
    NatsConnection::connect(&options(&with("ann:p%40ss%2Fword"), user("ann", "p@ss/word"))).await.unwrap();
    for (url, credential) in [
        (with("ann:swordfish"), Credential::None),
        (with("swordfish"), Credential::None),
        (with("ann:swordfish"), user("ann", "p@ss/word")),
    ] {
        let error = refused(&options(&url, credential), &["swordfish", "p@ss"]).await;
        assert!(!matches!(error, LinkError::Unreachable { .. }), "{error}");
    }
    let server = NatsServer::with_config(r#"authorization { token: "t:k" }"#);
    let url = server.url().replace("nats://", "nats://t%3Ak@");
    NatsConnection::connect(&options(&url, Credential::None)).await.unwrap();
}

#[tokio::test]
async fn nothing_that_answers_is_named_without_its_password() {
    let address = format!("127.0.0.1:{}", testkit::free_port());
    let mut options = options(&format!("nats://ann:swordfish@{address}"), Credential::None);
    options.first_connect_timeout = Duration::ZERO;
    let error = refused(&options, &["swordfish"]).await;
    assert!(matches!(error, LinkError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&format!("nats://{address}")), "{error}");
    assert!(error.to_string().contains("start nats-server"), "{error}");
}

#[tokio::test]
async fn what_another_server_sends_is_one_line_of_the_error() {
    let mail = TcpServer::start(|mut stream| stream.write_all(b"220 \x1b[31mready\r\n").expect("it is open"));
    let mut options = options(&format!("nats://{}", mail.addr()), Credential::None);
    options.first_connect_timeout = Duration::ZERO;
    let error = refused(&options, &[]).await.to_string();
    assert!(error.contains(r"220 \u{1b}[31mready\r\n") && !error.contains(char::is_control), "{error:?}");
}

#[tokio::test]
async fn the_name_of_a_server_is_one_line() {
    let server = NatsServer::with_config(r#"server_name: "two\nlines""#);
    let link = connect(&server, Credential::None).await.expect("nats-server runs");
    assert!(link.server().starts_with(r"two\nlines, version 2"), "{:?}", link.server());
}

#[tokio::test]
async fn options_that_make_no_sense() {
    assert!(matches!(refused(&NatsOptions::new([], "test"), &[]).await, LinkError::NoUrl));
    let mut options = options("localhost", Credential::None);
    options.inbox_prefix = "replies.*".into();
    assert!(matches!(refused(&options, &[]).await, LinkError::InboxPrefix(_)));
}
