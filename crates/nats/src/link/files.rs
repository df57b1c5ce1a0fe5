//! The certificates and keys of an identity, checked before the first connection: async-nats names none in its errors.

use std::path::Path;

use async_nats::rustls::crypto::ring;
use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::rustls::{ClientConfig, RootCertStore};

use super::{LinkError, Tls};

/// Files are read here, and by async-nats at every connect.
pub(super) fn check(tls: &Tls) -> Result<(), LinkError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &tls.ca_file {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| unusable(path, error))?;
        }
    }
    if let Some((chain, key)) = &tls.identity {
        let certificates = certificates(chain)?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error))?;
        ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(chain, error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates, secret)
            .map_err(|error| unusable(key, format!("as the key of {}: {error}", chain.display())))?;
    }
    Ok(())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LinkError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(path, error))?;
    if certificates.is_empty() { Err(unusable(path, "it holds no certificate")) } else { Ok(certificates) }
}

fn unusable(path: &Path, reason: impl ToString) -> LinkError {
    LinkError::File { path: path.to_owned(), reason: reason.to_string() }
}
