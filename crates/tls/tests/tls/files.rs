//! Configurations that cannot be used, and what is said of them.

use std::fs;
use std::path::{Path, PathBuf};

use fault_proxy_relay::TcpConnector;
use fault_proxy_tls::{ClientTls, Error, ServerTls, TlsConnector, TlsHandshake, TlsNegotiation};
use rcgen::{CertificateParams, KeyPair};
use testkit::Certificates;

use crate::support::{certificates_in, chain, key_in};

/// Certificates, and files that do not contain any.
struct Files {
    certificates: Certificates,
    absent: PathBuf,
    empty: PathBuf,
    broken: PathBuf,
}

impl Files {
    fn new() -> Self {
        let certificates = Certificates::generate();
        let file = |name: &str, content: &str| {
            let path = certificates.ca_file().with_file_name(name);
            fs::write(&path, content).expect("the directory is ours");
            path
        };
        Self {
            absent: certificates.ca_file().with_file_name("absent.pem"),
            empty: file("empty.pem", ""),
            broken: file(
                "broken.pem",
                "-----BEGIN CERTIFICATE-----\n*** no base64 ***\n-----END CERTIFICATE-----\n",
            ),
            certificates,
        }
    }

    /// Returns paths that cannot be read as a file. Not even root can read a directory.
    fn unreadable(&self) -> [&Path; 3] {
        let directory = self.empty.parent().expect("a file is in a directory");
        [&self.absent, &self.broken, directory]
    }
}

fn connector(tls: &ClientTls) -> Result<TlsConnector, Error> {
    TlsConnector::new(TcpConnector::new("localhost", 1), tls, TlsNegotiation::Direct)
}

#[track_caller]
fn assert_cannot_read(result: Result<impl Sized, Error>, path: &Path) {
    let Err(error) = result else { panic!("{} was used", path.display()) };
    assert!(matches!(&error, Error::Pem { path: told, .. } if told == path), "{error:?}");
    let told = chain(&error);
    let (what, why) = told.split_once(": ").expect("the reason is told too");
    assert_eq!(what, format!("cannot read {}", path.display()));
    assert!(!why.is_empty());
}

#[track_caller]
fn assert_unusable(result: Result<impl Sized, Error>, path: &Path, words: &str) {
    let Err(error) = result else { panic!("{} was used", path.display()) };
    assert!(matches!(&error, Error::Unusable { path: told, .. } if told == path), "{error:?}");
    let told = error.to_string();
    assert!(told.starts_with(&path.display().to_string()) && told.contains(words), "{words}: {told}");
}

#[test]
fn a_ca_file_that_is_none_is_named() {
    let files = Files::new();
    let with_ca =
        |path: &Path| connector(&ClientTls { ca_file: Some(path.to_owned()), ..ClientTls::default() });
    for path in files.unreadable() {
        assert_cannot_read(with_ca(path), path);
    }
    assert_unusable(with_ca(&files.empty), &files.empty, "a certificate that can be used: it is empty");
    let key = files.certificates.client_key();
    assert_unusable(with_ca(key), key, "it contains a private key");
}

#[test]
fn a_client_certificate_or_key_that_is_none_is_named() {
    let files = Files::new();
    let with_identity = |chain: &Path, key: &Path| {
        let identity = Some((chain.to_owned(), key.to_owned()));
        connector(&ClientTls { identity, insecure: true, ..ClientTls::default() })
    };
    let (good_chain, good_key) = (files.certificates.client_cert(), files.certificates.client_key());
    for path in files.unreadable() {
        assert_cannot_read(with_identity(path, good_key), path);
        assert_cannot_read(with_identity(good_chain, path), path);
    }
    assert_unusable(with_identity(&files.empty, good_key), &files.empty, "it is empty");
    assert_unusable(
        with_identity(good_chain, &files.empty),
        &files.empty,
        "a private key that can be used: it is empty",
    );
    assert!(with_identity(good_chain, good_key).is_ok());
}

#[test]
fn a_server_certificate_or_key_that_is_none_is_named() {
    let files = Files::new();
    let (good_chain, good_key) = (files.certificates.server_cert(), files.certificates.server_key());
    for path in files.unreadable() {
        assert_cannot_read(ServerTls::from_files(path, good_key), path);
        assert_cannot_read(ServerTls::from_files(good_chain, path), path);
    }
    assert_unusable(ServerTls::from_files(&files.empty, good_key), &files.empty, "it is empty");
    assert_unusable(ServerTls::from_files(good_chain, &files.empty), &files.empty, "it is empty");
}

#[test]
fn what_a_file_contains_in_place_of_a_certificate_or_key_is_named() {
    let files = Files::new();
    let (chain, key) = (files.certificates.server_cert(), files.certificates.server_key());
    let (certificate_der, key_der) = (certificates_in(chain).remove(0), key_in(key));
    let pair = KeyPair::generate().expect("the system has randomness");
    let request = CertificateParams::default().serialize_request(&pair).expect("complete parameters");
    let swapped = "are not swapped";
    let pem = |label: &str| format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n");
    let (openssh, trusted) = (pem("OPENSSH PRIVATE KEY"), pem("TRUSTED CERTIFICATE"));
    let archive = [0x30, 0x82, 1, 1, 2, 1, 3, 0x30];
    let request_pem = request.pem().expect("PEM");
    for (content, as_certificate, as_key) in [
        (&fs::read(key).expect("PEM")[..], swapped, None),
        (&fs::read(chain).expect("PEM"), "", Some(swapped)),
        (
            request_pem.as_bytes(),
            "a certificate signing request; have an authority sign it, or sign it yourself with openssl x509 -req -in ",
            Some("a certificate signing request; use the private key that was made with the request"),
        ),
        (
            request.der(),
            "request in DER; have an authority sign it",
            Some("request in DER; use the private key"),
        ),
        (&certificate_der, "in DER, not PEM; convert it with openssl x509 -inform der -in ", Some(swapped)),
        (
            key_der.secret_der(),
            "are not swapped",
            Some("in DER, not PEM; convert it with openssl pkey -inform der -in "),
        ),
        (&archive, "openssl pkcs12 -in ", Some("openssl pkcs12 -in ")),
        (pair.public_key_pem().as_bytes(), "a public key", Some("a public key")),
        (openssh.as_bytes(), swapped, Some("ssh-keygen -p -m PEM -f ")),
        (trusted.as_bytes(), "in the format of OpenSSL; convert it with openssl x509 -in ", None),
        (b" \n", "it is empty", Some("it is empty")),
        (
            b"words",
            "not a PEM file with -----BEGIN CERTIFICATE",
            Some("not a PEM file with -----BEGIN PRIVATE KEY"),
        ),
    ] {
        let path = chain.with_file_name("odd");
        fs::write(&path, content).expect("the directory is ours");
        if !as_certificate.is_empty() {
            assert_unusable(ServerTls::from_files(&path, key), &path, as_certificate);
        }
        if let Some(words) = as_key {
            assert_unusable(ServerTls::from_files(chain, &path), &path, words);
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let certificates = Certificates::generate();
    let (chain, key) = (certificates.server_cert(), certificates.client_key());
    let tls = ServerTls::from_files(chain, key).expect("each is well-formed");
    assert!(matches!(TlsHandshake::new(&tls, TlsNegotiation::Direct), Err(Error::KeyMismatch)));
    let identity = Some((chain.to_owned(), key.to_owned()));
    let tls = ClientTls { identity, insecure: true, ..ClientTls::default() };
    assert!(matches!(connector(&tls), Err(Error::KeyMismatch)));
}

#[test]
fn an_encrypted_key_is_said_to_be() {
    let certificates = Certificates::generate();
    for text in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
    ] {
        let key = certificates.ca_file().with_file_name("encrypted.key");
        fs::write(&key, text).expect("the directory is ours");
        let error = ServerTls::from_files(certificates.server_cert(), &key).expect_err("encrypted");
        assert!(matches!(&error, Error::EncryptedKey(told) if *told == key), "{error:?}");
        let told = error.to_string();
        assert!(told.contains("encrypted private key") && told.contains("openssl pkey -in"), "{told}");
    }
}

#[test]
fn what_is_no_name_is_refused_and_told() {
    for name in ["", ".", "two words", "-dash.example", "a..b", "127.0.0.1:443"] {
        let tls = ClientTls { server_name: Some(name.to_owned()), insecure: true, ..ClientTls::default() };
        let error = connector(&tls).expect_err(name);
        assert!(matches!(error, Error::ServerName(_)), "{error:?}");
    }
    let tcp = TcpConnector::new("two words", 1);
    let error = TlsConnector::new(tcp, &ClientTls::default(), TlsNegotiation::Direct).unwrap_err();
    assert_eq!(error.to_string(), "`two words` is neither a DNS name nor an IP address");
}
