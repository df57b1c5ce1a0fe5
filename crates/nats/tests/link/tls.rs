use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use async_nats::rustls::ClientConfig;
use fault_proxy_nats::{Credential, LinkError, NatsConnection, NatsOptions};
use fault_proxy_tls::ReloadingTls;
use testkit::{Certificates, NatsServer, nats_servers, require};
use tokio::time::{sleep, timeout};

use crate::{LONG, options, refused};

fn config(certificates: &Certificates, more: &str) -> String {
    format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, {more} }}",
        certificates.server_cert(),
        certificates.server_key(),
        certificates.ca_file(),
    )
}

/// Trusts this file, whose contents may change, and shows this identity.
pub(super) fn tls_config(ca_file: &Path, identity: Option<(&Path, &Path)>) -> ClientConfig {
    let identity = identity.map(|(chain, key)| (chain.to_owned(), key.to_owned()));
    let tls = ReloadingTls { ca_file: Some(ca_file.to_owned()), identity };
    tls.config().expect("the files can be used")
}

fn trusting(url: &str, ca_file: &Path) -> NatsOptions {
    let mut options = options(url, Credential::None);
    options.tls.config = Some(tls_config(ca_file, None));
    options
}

fn identity(certificates: &Certificates) -> Option<(&Path, &Path)> {
    Some((certificates.client_cert(), certificates.client_key()))
}

#[tokio::test]
async fn both_sides_show_certificates() {
    for program in nats_servers() {
        let certificates = Certificates::generate();
        let server = NatsServer::start_with(&program, &config(&certificates, "verify: true"));
        let mut right = trusting(&server.url(), certificates.ca_file());
        right.tls.config = Some(tls_config(certificates.ca_file(), identity(&certificates)));
        assert!(NatsConnection::connect(&right).await.unwrap().is_up());
        let mut by_scheme = right.clone();
        by_scheme.urls = vec![server.url().replace("nats://", "tls://").parse().unwrap()];
        assert!(NatsConnection::connect(&by_scheme).await.unwrap().is_up());

        let mut foreign = right.clone();
        foreign.tls.config = Some(tls_config(certificates.other_ca_file(), identity(&certificates)));
        let mut system = right.clone();
        (system.tls.config, system.tls.required) = (None, true);
        for mistrusting in [foreign, system] {
            let error = refused(&mistrusting, &[]).await;
            assert!(
                matches!(&error, LinkError::Tls { reason, .. } if reason.contains("UnknownIssuer")),
                "{error}"
            );
            assert!(error.to_string().contains(&server.addr().to_string()), "{error}");
        }
        // Its alert may get lost in the reset that follows: then it is nothing that answers.
        let mut nobody = trusting(&server.url(), certificates.ca_file());
        nobody.first_connect_timeout = Duration::ZERO;
        let error = refused(&nobody, &[]).await;
        assert!(matches!(error, LinkError::Tls { .. } | LinkError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn tls_before_the_first_word() {
    let program = nats_servers().pop().expect("there is one");
    let certificates = Certificates::generate();
    let server = NatsServer::start_with(&program, &config(&certificates, "handshake_first: true"));
    let mut options = trusting(&server.url(), certificates.ca_file());
    options.first_connect_timeout = Duration::ZERO;
    // Without the option, it is tried once the server was silent.
    for first in [true, false] {
        options.tls.first = first;
        assert!(NatsConnection::connect(&options).await.unwrap().is_up(), "{first}");
    }
}

#[tokio::test]
async fn a_server_without_tls_hears_no_password() {
    let server = NatsServer::with_config(r#"authorization { user: "ann", password: "sesame" }"#);
    let certificates = Certificates::generate();
    let mut required = options(&server.url(), crate::user("ann", "sesame"));
    assert!(NatsConnection::connect(&required).await.unwrap().is_up());
    required.tls.required = true;
    let mut identified = required.clone();
    identified.tls.required = false;
    identified.tls.config = Some(tls_config(certificates.ca_file(), identity(&certificates)));
    let mut trusting = trusting(&server.url(), certificates.ca_file());
    trusting.credential = required.credential.clone();
    for mut options in [required, identified, trusting] {
        options.first_connect_timeout = Duration::ZERO;
        let error = refused(&options, &["sesame"]).await;
        assert!(matches!(error, LinkError::Tls { .. } | LinkError::Unreachable { .. }), "{error}");
    }
}

/// A certificate that signs itself, as `openssl req -x509` makes it, in these files.
fn certificate_of_itself(cert: &Path, key: &Path) {
    let output = Command::new(require("openssl", "openssl"))
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-out".as_ref(), cert.as_os_str(), "-keyout".as_ref(), key.as_os_str()])
        .output()
        .expect("openssl starts");
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_server_may_show_the_very_certificate_that_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name));
    certificate_of_itself(&cert, &key);
    for more in ["", ", handshake_first: true"] {
        let program = nats_servers().pop().expect("there is one");
        let config = format!("tls {{ cert_file: {cert:?}, key_file: {key:?} {more} }}");
        let server = NatsServer::start_with(&program, &config);
        assert!(NatsConnection::connect(&trusting(&server.url(), &cert)).await.unwrap().is_up());
    }
    let config = format!("tls {{ cert_file: {cert:?}, key_file: {key:?} }}");
    let server = NatsServer::with_config(&config);
    let by_other_name = server.url().replace("127.0.0.1", "localhost");
    let error = refused(&trusting(&by_other_name, &cert), &[]).await;
    assert!(matches!(&error, LinkError::Tls { reason, .. } if reason.contains("localhost")), "{error}");
}

#[tokio::test]
async fn renewed_certificates_are_read_at_the_next_connection() {
    let directory = tempfile::tempdir().unwrap();
    let [ca, server_cert, server_key, cert, key] =
        ["ca.pem", "server.pem", "server.key", "client.pem", "client.key"]
            .map(|name| directory.path().join(name));
    let copy = |certificates: &Certificates| {
        for (from, to) in [
            (certificates.ca_file(), &ca),
            (certificates.server_cert(), &server_cert),
            (certificates.server_key(), &server_key),
            (certificates.client_cert(), &cert),
            (certificates.client_key(), &key),
        ] {
            fs::copy(from, to).expect("the directory is ours");
        }
    };
    copy(&Certificates::generate());
    let config = format!(
        "tls {{ cert_file: {server_cert:?}, key_file: {server_key:?}, ca_file: {ca:?}, verify: true }}"
    );
    let server = NatsServer::with_config(&config);
    let mut options = options(&server.url(), Credential::None);
    options.tls.config = Some(tls_config(&ca, Some((&cert, &key))));
    let link = NatsConnection::connect(&options).await.unwrap();
    let mut status = link.status();

    server.kill();
    timeout(LONG, status.wait_for(|status| !status.is_up)).await.unwrap().unwrap();
    copy(&Certificates::generate());
    // Without a key, the certificate that was read last is shown. Its issuer is not the authority any more.
    fs::remove_file(&key).unwrap();
    let server = restarted(server).await;
    sleep(Duration::from_millis(300)).await;
    assert!(!link.is_up());

    copy(&Certificates::generate());
    let _server = restarted(server).await;
    timeout(LONG, status.wait_for(|status| status.is_up)).await.unwrap().unwrap();
}

async fn restarted(server: NatsServer) -> NatsServer {
    let restarting = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    restarting.await.expect("it does not panic")
}
