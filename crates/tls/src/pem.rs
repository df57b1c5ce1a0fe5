//! Certificates and keys from PEM files.

use std::fs;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Error;

/// Version of a PKCS#12 archive, at the start of its outer sequence (RFC 7292, section 4).
const PKCS12_VERSION: [u8; 3] = [2, 1, 3];

/// Purpose of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Certificate,
    Key,
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let (failed, text) = read(path)?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(failed)?;
    if certificates.is_empty() { Err(unusable(path, &text, Use::Certificate)) } else { Ok(certificates) }
}

pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let (failed, text) = read(path)?;
    // In the format of PKCS#8, and in that of OpenSSL before version 1.0.0.
    if contains(&text, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains(&text, "Proc-Type: 4,ENCRYPTED") {
        return Err(Error::EncryptedKey(path.to_owned()));
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Err(pem::Error::NoItemsFound) => Err(unusable(path, &text, Use::Key)),
        key => key.map_err(failed),
    }
}

fn read(path: &Path) -> Result<(impl Fn(pem::Error) -> Error, Vec<u8>), Error> {
    let failed = |source| Error::Pem { path: path.to_owned(), source };
    let text = fs::read(path).map_err(|error| failed(pem::Error::Io(error)))?;
    Ok((failed, text))
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

fn unusable(path: &Path, text: &[u8], wanted: Use) -> Error {
    let expected = match wanted {
        Use::Certificate => "certificate",
        Use::Key => "private key",
    };
    Error::Unusable { path: path.to_owned(), expected, found: explain(path, text, wanted) }
}

/// Returns what a file contains instead of a certificate or key, and what to do.
fn explain(path: &Path, text: &[u8], wanted: Use) -> String {
    let file = path.display();
    let swapped = "check that the files of certificate and key are not swapped";
    let request = |form: &str, option: &str| match wanted {
        Use::Certificate => format!(
            "it contains a certificate signing request{form}; have an authority sign it, or sign it yourself with \
             openssl x509 -req{option} -in {file} -signkey KEY -extfile FILE -out CERT, where FILE contains subjectAltName=DNS:NAME"
        ),
        Use::Key => format!(
            "it contains a certificate signing request{form}; use the private key that was made with the request"
        ),
    };
    let begins = |label: &str| contains(text, &format!("-----BEGIN {label}-----"));
    if text.trim_ascii().is_empty() {
        return "it is empty".to_owned();
    }
    if begins("CERTIFICATE REQUEST") || begins("NEW CERTIFICATE REQUEST") {
        return request("", "");
    }
    if begins("OPENSSH PRIVATE KEY") && wanted == Use::Key {
        return format!(
            "it contains a key in the format of OpenSSH; convert a copy of it with ssh-keygen -p -m PEM -f {file}"
        );
    }
    if contains(text, "PRIVATE KEY-----") {
        return format!("it contains a private key; {swapped}");
    }
    if begins("TRUSTED CERTIFICATE") && wanted == Use::Certificate {
        return format!(
            "it contains a certificate in the format of OpenSSL; convert it with openssl x509 -in {file} -out CERT"
        );
    }
    if begins("CERTIFICATE") {
        return format!("it contains a certificate; {swapped}");
    }
    if begins("PUBLIC KEY") {
        return "it contains a public key; use the private key and the certificate that belong to it"
            .to_owned();
    }
    if is_pkcs12(text) {
        let options = if wanted == Use::Key { "-nocerts -nodes -out KEY" } else { "-nokeys -out CERT" };
        return format!(
            "it is a PKCS#12 archive; extract the PEM file with openssl pkcs12 -in {file} {options}"
        );
    }
    let is_certificate = X509Certificate::from_der(text).is_ok();
    match (wanted, PrivateKeyDer::try_from(text).is_ok()) {
        (Use::Certificate, _) if is_certificate => format!(
            "it contains a certificate in DER, not PEM; convert it with openssl x509 -inform der -in {file} -out CERT"
        ),
        (Use::Key, true) => format!(
            "it contains a private key in DER, not PEM; convert it with openssl pkey -inform der -in {file} -out KEY"
        ),
        (Use::Key, _) if is_certificate => format!("it contains a certificate in DER; {swapped}"),
        (Use::Certificate, true) => format!("it contains a private key in DER; {swapped}"),
        _ if X509CertificationRequest::from_der(text).is_ok() => request(" in DER", " -inform der"),
        (Use::Certificate, _) => "it is not a PEM file with -----BEGIN CERTIFICATE-----".to_owned(),
        (Use::Key, _) => "it is not a PEM file with -----BEGIN PRIVATE KEY-----".to_owned(),
    }
}

/// Returns true for a DER sequence that starts with the version of PKCS#12.
fn is_pkcs12(bytes: &[u8]) -> bool {
    let content = match bytes {
        [0x30, length, content @ ..] if *length & 0x80 == 0 => content,
        [0x30, length, rest @ ..] => rest.get(usize::from(*length & 0x7f)..).unwrap_or_default(),
        _ => return false,
    };
    content.starts_with(&PKCS12_VERSION)
}
