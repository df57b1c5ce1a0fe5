//! Certificates for one test run.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A new certificate authority, a certificate for a server and one for a client that it signed, and a second
/// authority that signed neither. They are PEM files in a directory that is removed when this value is
/// dropped.
#[derive(Debug)]
pub struct Certificates {
    ca: PathBuf,
    server_cert: PathBuf,
    server_key: PathBuf,
    client_cert: PathBuf,
    client_key: PathBuf,
    other_ca: PathBuf,
    _directory: TempDir,
}

impl Certificates {
    /// Generates certificates. The server's certificate is valid for `localhost`, 127.0.0.1 and ::1.
    pub fn generate() -> Self {
        Self::for_names(&["localhost", "127.0.0.1", "::1"])
    }

    /// Generates certificates. The server's certificate is valid for these host names and IP addresses.
    pub fn for_names(names: &[&str]) -> Self {
        let directory = TempDir::new().expect("the temporary directory is writable");
        let file = |name: &str, pem: &str| write_private(directory.path().join(name), pem);
        let (issuer, ca) = authority("testkit CA");
        let (_, other_ca) = authority("testkit other CA");
        let (server_cert, server_key) =
            signed(&issuer, "testkit server", names, ExtendedKeyUsagePurpose::ServerAuth);
        let (client_cert, client_key) =
            signed(&issuer, "testkit client", &[], ExtendedKeyUsagePurpose::ClientAuth);
        Self {
            ca: file("ca.pem", &ca),
            server_cert: file("server.pem", &server_cert),
            server_key: file("server.key", &server_key),
            client_cert: file("client.pem", &client_cert),
            client_key: file("client.key", &client_key),
            other_ca: file("other-ca.pem", &other_ca),
            _directory: directory,
        }
    }

    /// Returns the file of the authority that signed the certificates of the server and the client.
    pub fn ca_file(&self) -> &Path {
        &self.ca
    }

    /// Returns the file of the server's certificate.
    pub fn server_cert(&self) -> &Path {
        &self.server_cert
    }

    /// Returns the file of the server's private key.
    pub fn server_key(&self) -> &Path {
        &self.server_key
    }

    /// Returns the file of the client's certificate.
    pub fn client_cert(&self) -> &Path {
        &self.client_cert
    }

    /// Returns the file of the client's private key.
    pub fn client_key(&self) -> &Path {
        &self.client_key
    }

    /// Returns the file of an authority that signed neither certificate.
    pub fn other_ca_file(&self) -> &Path {
        &self.other_ca
    }
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let mut params = parameters(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("the system has randomness");
    let certificate = params.self_signed(&key).expect("the parameters are complete");
    (Issuer::new(params, key), certificate.pem())
}

/// Returns a certificate and its key, both as PEM.
fn signed(
    issuer: &Issuer<'static, KeyPair>,
    name: &str,
    alternative_names: &[&str],
    usage: ExtendedKeyUsagePurpose,
) -> (String, String) {
    let mut params = parameters(name, alternative_names);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().expect("the system has randomness");
    let certificate = params.signed_by(&key, issuer).expect("the parameters are complete");
    (certificate.pem(), key.serialize_pem())
}

fn parameters(name: &str, alternative_names: &[&str]) -> CertificateParams {
    let names: Vec<String> = alternative_names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names)
        .unwrap_or_else(|error| panic!("{alternative_names:?} are not names for a certificate: {error}"));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Writes a file that only its owner can read, because PostgreSQL's client refuses other keys.
fn write_private(path: PathBuf, text: &str) -> PathBuf {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    path
}
