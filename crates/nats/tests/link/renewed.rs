//! Credentials that are renewed while the link lives.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fault_proxy_nats::{Credential, NatsConnection};
use testkit::{NatsServer, nats_servers};
use tokio::time::{sleep, timeout};

use crate::jwt::Account;
use crate::{LONG, options, user};

/// Comes back when nats-server accepts the credentials that the file then holds.
async fn comes_back(link: &NatsConnection, connects: u64) {
    let mut status = link.status();
    let back = status.wait_for(|status| status.is_up && status.connects > connects);
    timeout(LONG, back).await.expect("the new credentials are shown").expect("the link lives");
}

#[tokio::test]
async fn a_new_creds_file_is_shown() {
    for program in nats_servers() {
        let (old, new) = (Account::new(), Account::new());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("user.creds");
        fs::write(&file, old.creds(None).0).unwrap();
        let credential = Credential::CredsFile(file.clone());
        rotated(&program, &old.config(), &new.config(), credential, &file, &new.creds(None).0).await;
    }
}

/// A server with the old credential, and then one with the new credential at the same address.
async fn rotated(program: &Path, old: &str, new: &str, credential: Credential, file: &Path, secret: &str) {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let config = directory.path().join("auth.conf");
    fs::write(&config, old).expect("the directory is ours");
    // nats-server takes the path as relative to its own configuration, which is in a neighboring directory.
    let name = directory.path().file_name().expect("it has one").to_str().expect("it is text");
    let server = NatsServer::start_with(program, &format!("include \"../{name}/auth.conf\""));
    let mut options = options(&server.url(), credential);
    options.credential_file = Some(file.to_owned());
    let link = NatsConnection::connect(&options).await.expect("the old credential is right");
    fs::write(&config, new).expect("the directory is ours");
    server.kill();
    let server = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    let _server = server.await.expect("it does not panic");
    let mut status = link.status();
    timeout(LONG, status.wait_for(|status| !status.is_up))
        .await
        .expect("the loss is noticed")
        .expect("the link lives");
    // The file is missing for a moment, then incomplete: the link stays up and uses the secret that it has.
    fs::remove_file(file).expect("the directory is ours");
    sleep(Duration::from_millis(300)).await;
    fs::write(file, &secret[..secret.len() / 2]).expect("the directory is ours");
    sleep(Duration::from_millis(300)).await;
    assert!(!link.is_up(), "the old credential is refused");
    fs::write(file, secret).expect("the directory is ours");
    comes_back(&link, 1).await;
}

#[tokio::test]
async fn a_new_password_token_or_seed_is_read_from_its_file() {
    let program = testkit::nats_server();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    let written = |text: &str| fs::write(&file, text).unwrap();

    written("open\n");
    let config = |password| format!("authorization {{ user: ann, password: {password} }}");
    rotated(&program, &config("open"), &config("sesame"), user("ann", "open"), &file, "sesame\n").await;

    written("first");
    let config = |token| format!("authorization {{ token: {token} }}");
    rotated(
        &program,
        &config("first"),
        &config("second"),
        Credential::Token("first".into()),
        &file,
        "second",
    )
    .await;

    let (old, new) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let seed = |pair: &nkeys::KeyPair| pair.seed().unwrap();
    let config =
        |pair: &nkeys::KeyPair| format!("authorization {{ users: [ {{ nkey: {} }} ] }}", pair.public_key());
    written(&seed(&old));
    rotated(&program, &config(&old), &config(&new), Credential::Nkey(seed(&old)), &file, &seed(&new)).await;
}
