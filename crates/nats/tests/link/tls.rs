use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy_nats::{Credential, Link, LinkError, NatsOptions};
use testkit::{Certificates, NatsServer, nats_servers};

use crate::{options, refused};

fn config(certificates: &Certificates, more: &str) -> String {
    format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, {more} }}",
        certificates.server_cert(),
        certificates.server_key(),
        certificates.ca_file(),
    )
}

fn trusting(url: &str, ca_file: &Path) -> NatsOptions {
    let mut options = options(url, Credential::None);
    options.tls.ca_file = Some(ca_file.to_owned());
    options
}

fn identity(certificates: &Certificates) -> Option<(PathBuf, PathBuf)> {
    Some((certificates.client_cert().to_owned(), certificates.client_key().to_owned()))
}

#[tokio::test]
async fn both_sides_show_certificates() {
    for program in nats_servers() {
        let certificates = Certificates::generate();
        let server = NatsServer::start_with(&program, &config(&certificates, "verify: true"));
        let mut right = trusting(&server.url(), certificates.ca_file());
        right.tls.identity = identity(&certificates);
        assert!(Link::connect(&right).await.unwrap().is_up());
        let mut by_scheme = right.clone();
        by_scheme.urls = vec![server.url().replace("nats://", "tls://").parse().unwrap()];
        assert!(Link::connect(&by_scheme).await.unwrap().is_up());

        let mut foreign = right.clone();
        foreign.tls.ca_file = Some(certificates.other_ca_file().to_owned());
        let mut system = right.clone();
        system.tls.ca_file = None;
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
        nobody.first_connect_within = Duration::ZERO;
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
    options.first_connect_within = Duration::ZERO;
    // Without the option, it is tried once the server was silent.
    for first in [true, false] {
        options.tls.first = first;
        assert!(Link::connect(&options).await.unwrap().is_up(), "{first}");
    }
}

#[tokio::test]
async fn a_server_without_tls_hears_no_password() {
    let server = NatsServer::with_config(r#"authorization { user: "ann", password: "sesame" }"#);
    let certificates = Certificates::generate();
    let mut required = options(&server.url(), crate::user("ann", "sesame"));
    assert!(Link::connect(&required).await.unwrap().is_up());
    required.tls.required = true;
    let mut identified = required.clone();
    identified.tls.required = false;
    identified.tls.identity = identity(&certificates);
    let mut trusting = trusting(&server.url(), certificates.ca_file());
    trusting.credential = required.credential.clone();
    for mut options in [required, identified, trusting] {
        options.first_connect_within = Duration::ZERO;
        let error = refused(&options, &["sesame"]).await;
        assert!(matches!(error, LinkError::Tls { .. } | LinkError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let certificates = Certificates::generate();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let missing = directory.path().join("missing.pem");
    let empty = file("empty.pem", "no PEM in here\n");
    let garbage = file("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let cut = file("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let with_ca = |path: &PathBuf| trusting("nats://127.0.0.1:1", path);
    let with_identity = |chain: &Path, key: &Path| {
        let mut options = options("nats://127.0.0.1:1", Credential::None);
        options.tls.identity = Some((chain.to_owned(), key.to_owned()));
        options
    };
    let (chain, key) = (certificates.client_cert(), certificates.client_key());
    for (options, named) in [
        (with_ca(&missing), &*missing),
        (with_ca(&empty), &empty),
        (with_ca(&garbage), &garbage),
        (with_ca(&cut), &cut),
        (with_identity(&missing, key), &missing),
        (with_identity(&empty, key), &empty),
        (with_identity(chain, &missing), &missing),
        (with_identity(chain, &empty), &empty),
        (with_identity(chain, certificates.server_key()), certificates.server_key()),
    ] {
        let error = refused(&options, &[]).await;
        assert!(matches!(&error, LinkError::File { path, .. } if path == named), "{error}");
        assert!(error.to_string().contains(named.to_str().unwrap()), "{error}");
    }
}
