//! Explains what is wrong with a certificate, and how to create one that works.

use std::error;
use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, Error, InconsistentKeys, OtherError};
use x509_parser::oid_registry;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};
use x509_parser::public_key::PublicKey;

use crate::first_bytes::Protocol;

const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;

/// Property of a certificate that makes it unusable, even if its issuer is trusted.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Flaw(String);

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        CertificateError::Other(OtherError(Arc::new(flaw))).into()
    }
}

/// Looks for the reason of an error that rustls does not describe.
///
/// `others` are the certificates that may have issued it.
pub(crate) fn flaw<'a>(
    certificate: &X509Certificate<'_>,
    others: impl IntoIterator<Item = &'a CertificateDer<'a>>,
    error: &Error,
) -> Option<Flaw> {
    let is_unnamed = matches!(error, Error::InvalidCertificate(CertificateError::Other(_)));
    let is_unknown = matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
    version_flaw(certificate)
        .or_else(|| key_flaw(certificate))
        .or_else(|| signature_flaw(certificate))
        .or_else(|| if is_unnamed { authority_flaw(certificate) } else { None })
        .or_else(|| if is_unnamed || is_unknown { issuer_flaw(certificate, others) } else { None })
        .or_else(|| name_flaw(certificate, error))
}

/// Explains a certificate without subjectAltName, which is not valid for any name.
fn name_flaw(certificate: &X509Certificate<'_>, error: &Error) -> Option<Flaw> {
    let Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, .. }) = error else {
        return None;
    };
    if !matches!(certificate.subject_alternative_name(), Ok(None)) {
        return None;
    }
    let name = expected.to_str();
    let kind = if matches!(expected, ServerName::IpAddress(_)) { "IP" } else { "DNS" };
    // The CA file does not contain the certificate. Otherwise the subject would have been enough.
    let or_trust = if is_subject(certificate, expected) {
        "; or add this very certificate to the CA file, so that the name in its subject counts"
    } else {
        ""
    };
    Some(Flaw(format!(
        "the certificate has no subjectAltName, so it is not valid for `{name}`; issue one with it, for example with openssl x509 \
         -req -extfile FILE, where FILE contains subjectAltName={kind}:{name}{or_trust}"
    )))
}

/// Returns true if the certificate does not have a subjectAltName and this name is the common name of its subject.
pub(crate) fn is_subject(certificate: &X509Certificate<'_>, name: &ServerName<'_>) -> bool {
    matches!(certificate.subject_alternative_name(), Ok(None))
        && certificate
            .subject()
            .iter_common_name()
            .filter_map(|common_name| common_name.as_str().ok())
            .any(|common_name| common_name.eq_ignore_ascii_case(&name.to_str()))
}

fn version_flaw(certificate: &X509Certificate<'_>) -> Option<Flaw> {
    (certificate.version() != X509Version::V3).then(|| {
        Flaw(format!(
            "the certificate is of X.509 version {} and has no extensions; issue one of version 3 with subjectAltName, \
             for example with openssl x509 -req -extfile FILE, where FILE contains subjectAltName=DNS:NAME",
            certificate.version().0 + 1
        ))
    })
}

fn authority_flaw(certificate: &X509Certificate<'_>) -> Option<Flaw> {
    let text = "the certificate is that of an authority (CA:TRUE), which is trusted as a server's own only if the CA file \
                contains this very certificate; add it there, or issue a server certificate with basicConstraints=CA:FALSE";
    certificate.is_ca().then(|| Flaw(text.to_owned()))
}

/// Explains a certificate whose issuer may not issue certificates.
fn issuer_flaw<'a>(
    certificate: &X509Certificate<'_>,
    others: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> Option<Flaw> {
    if certificate.issuer() == certificate.subject() {
        return None;
    }
    let mut others = others.into_iter().filter_map(|other| X509Certificate::from_der(other).ok());
    let (_, issuer) = others.find(|(_, other)| other.subject() == certificate.issuer() && !other.is_ca())?;
    Some(Flaw(format!(
        "its issuer `{}` is not an authority (it does not have basicConstraints=CA:TRUE); have it issued by an authority, or add this very \
         certificate to the CA file",
        issuer.subject()
    )))
}

/// Looks for a key that rustls cannot verify a handshake with.
pub(crate) fn key_flaw(certificate: &X509Certificate<'_>) -> Option<Flaw> {
    const SUPPORTED: &str = "use RSA with 2048 to 8192 bits, ECDSA with P-256 or P-384, or Ed25519";
    let key = certificate.public_key();
    let what = match key.parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < MIN_RSA_BITS => format!(
            "an RSA key of {} bits, which is too weak; make a key of {MIN_RSA_BITS} bits or more, for example \
             with openssl req -newkey rsa:{MIN_RSA_BITS}, and a certificate for it",
            key.key_size()
        ),
        Ok(PublicKey::RSA(key)) if key.key_size() > MAX_RSA_BITS => {
            format!("an RSA key of {} bits, which is not supported; {SUPPORTED}", key.key_size())
        }
        Ok(PublicKey::RSA(_)) => return None,
        Ok(PublicKey::EC(_)) => {
            let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
            let supported = [oid_registry::OID_EC_P256, oid_registry::OID_NIST_EC_P384];
            if curve.as_ref().is_some_and(|curve| supported.contains(curve)) {
                return None;
            }
            let curve = match curve {
                Some(curve) if curve == oid_registry::OID_NIST_EC_P521 => "P-521".to_owned(),
                Some(curve) => curve.to_id_string(),
                None => "no named curve".to_owned(),
            };
            format!("an ECDSA key on {curve}, which is not supported; {SUPPORTED}")
        }
        _ if key.algorithm.algorithm == oid_registry::OID_SIG_ED25519 => return None,
        _ => format!("a key of the type {}, which is not supported; {SUPPORTED}", key.algorithm.algorithm),
    };
    Some(Flaw(format!("the certificate has {what}")))
}

fn signature_flaw(certificate: &X509Certificate<'_>) -> Option<Flaw> {
    let hash = match certificate.signature_algorithm.algorithm.to_id_string().as_str() {
        // sha1WithRSAEncryption, ecdsa-with-SHA1
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => "SHA-1",
        // md5WithRSAEncryption
        "1.2.840.113549.1.1.4" => "MD5",
        _ => return None,
    };
    Some(Flaw(format!(
        "the certificate is signed with {hash}, which can be forged; have it signed with SHA-256, for example with openssl x509 -req -sha256"
    )))
}

/// Explains why rustls cannot use a certificate that the proxy itself presents.
pub(crate) fn for_own_certificate(chain: &[CertificateDer<'_>], error: Error) -> crate::Error {
    if matches!(error, Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) {
        return crate::Error::KeyMismatch;
    }
    let parsed = chain.first().and_then(|certificate| X509Certificate::from_der(certificate).ok());
    let flaw =
        parsed.and_then(|(_, certificate)| version_flaw(&certificate).or_else(|| key_flaw(&certificate)));
    flaw.map_or(crate::Error::Config(error), |Flaw(text)| crate::Error::Flawed(text))
}

/// Explains the first bytes of a client that does not speak TLS. Returns `None` if they can be TLS.
///
/// The text does not contain the bytes, because they can be a password.
pub(crate) fn not_tls_client(bytes: &[u8]) -> Option<io::Error> {
    let text = match Protocol::detect(bytes)? {
        Protocol::Http => {
            "the client spoke HTTP, not TLS: use https:// in the client, or configure this listener without TLS"
        }
        Protocol::Postgres => {
            "the client spoke PostgreSQL, which requests TLS with a message of PostgreSQL: use psql:// or psqls:// for the upstream"
        }
        Protocol::Other => {
            "the client did not speak TLS: enable TLS in the client, or configure this listener without TLS"
        }
    };
    Some(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// Explains the first bytes of an upstream that does not speak TLS. Returns `None` if they can be TLS.
pub(crate) fn not_tls_upstream(bytes: &[u8]) -> Option<io::Error> {
    let text = match Protocol::detect(bytes)? {
        Protocol::Http => {
            "the upstream spoke HTTP, not TLS: use http:// for it, or the port where it expects https://"
                .to_owned()
        }
        Protocol::Postgres | Protocol::Other => format!(
            "the upstream did not speak TLS (its first bytes are `{}`): use a scheme without TLS for it, such as tcp://, or \
             the port where it expects TLS",
            bytes.escape_ascii()
        ),
    };
    Some(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// A failed handshake, with advice if there is any.
#[derive(Debug)]
pub(crate) struct Refusal {
    source: Error,
    advice: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Error::InvalidCertificate(CertificateError::Other(OtherError(flaw))) if flaw.is::<Flaw>() => {
                write!(f, "invalid peer certificate: {flaw}")
            }
            source => write!(f, "{source}; {}", self.advice),
        }
    }
}

impl error::Error for Refusal {}

/// Adds advice to an error of a handshake.
pub(crate) fn with_advice(error: io::Error) -> io::Error {
    let Some(source) = error.get_ref().and_then(|error| error.downcast_ref::<Error>()) else { return error };
    let advice = match source {
        Error::InvalidCertificate(invalid) => match invalid {
            CertificateError::UnknownIssuer => {
                "add the certificate of its issuer to the CA file, or the certificate itself if it is the server's own"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "issue a certificate whose subjectAltName has this name, or verify a name that it has"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "issue a new certificate, unless the clock of this machine is wrong"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "check the clocks of this machine and of the machine that issued the certificate"
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "issue a certificate with extendedKeyUsage=serverAuth"
            }
            CertificateError::BadSignature => "a certificate of the chain was not signed by its issuer's key",
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                "a certificate of the chain is signed in a way that is not supported; sign it with SHA-256 and an RSA key of 2048 bits or more, or with ECDSA on P-256 or P-384"
            }
            CertificateError::Other(OtherError(flaw)) if flaw.is::<Flaw>() => "",
            _ => return error,
        },
        Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "the server supports neither TLS 1.3 nor TLS 1.2 with forward secrecy, or its certificate has a key that is not supported: \
             use RSA with 2048 bits or more, ECDSA with P-256 or P-384, or Ed25519"
        }
        _ => return error,
    };
    io::Error::new(error.kind(), Refusal { source: source.clone(), advice })
}
