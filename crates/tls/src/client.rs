//! Settings of TLS to the upstream: trusted certificates and the client certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, Der, TrustAnchor};
use rustls::{ClientConfig, RootCertStore};
use tracing::warn;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

use crate::insecure::AcceptAny;
use crate::sessions::Sessions;
use crate::verifier::{Trust, Verifier};
use crate::{Error, TlsNegotiation, pem, provider, refusal};

/// Settings of TLS to the upstream. The default trusts the roots of the system and does not send a client certificate.
#[derive(Debug, Clone, Default)]
pub struct ClientTls {
    /// PEM file of certificates to trust in addition to the roots of the system. They may be certificates of
    /// authorities or of servers. A server certificate must also be valid now and for the name.
    pub ca_file: Option<PathBuf>,
    /// The client certificate to send: PEM files of the chain and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that is requested (SNI) and verified, instead of the host that is connected to.
    pub server_name: Option<String>,
    /// Accepts any certificate and does not verify signatures. The connection is encrypted, but the server is not
    /// authenticated.
    pub insecure: bool,
}

impl ClientTls {
    /// Reads the files and returns the configuration.
    pub(crate) fn config(&self, negotiation: TlsNegotiation) -> Result<Arc<ClientConfig>, Error> {
        let builder =
            ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let builder = if self.insecure {
            warn!(
                "upstream certificates are NOT verified: anyone on the way can read and change the traffic"
            );
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny))
        } else {
            let trust = Arc::new(trust(system_roots(), self.ca_file.as_deref())?);
            let verifier = Verifier::new(move || Arc::clone(&trust));
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        };
        let mut config = match &self.identity {
            Some((chain, key)) => {
                let (certificates, key) = (pem::certificates(chain)?, pem::key(key)?);
                builder
                    .with_client_auth_cert(certificates.clone(), key)
                    .map_err(|error| refusal::for_own_certificate(&certificates, error))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = negotiation.alpn();
        // Not shared with other settings, which may trust other certificates.
        config.resumption = Resumption::store(Arc::new(Sessions::default()));
        Ok(Arc::new(config))
    }
}

pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Trusts these roots and the certificates in the file.
pub(crate) fn trust(mut roots: RootCertStore, ca_file: Option<&Path>) -> Result<Trust, Error> {
    let trusted = ca_file.map(pem::certificates).transpose()?.unwrap_or_default();
    // webpki does not check that a trust anchor may sign certificates: the certificate of a server would vouch for any
    // name.
    for certificate in trusted.iter().filter(|certificate| may_sign(certificate)) {
        roots.add(certificate.clone())?;
    }
    if roots.is_empty() && !trusted.is_empty() {
        // rustls requires an anchor. Without a key, this one does not verify any certificate.
        roots.roots.push(TrustAnchor {
            subject: Der::from_slice(&[]),
            subject_public_key_info: Der::from_slice(&[]),
            name_constraints: None,
        });
    }
    if roots.is_empty() { Err(Error::NoRoots) } else { Trust::new(roots, trusted) }
}

/// Returns true for certificates of authorities, including those of X.509 version 1, which do not have the field for
/// it. Also returns true for data that is not a certificate, so that adding it fails.
fn may_sign(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return true };
    match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        Ok(None) => certificate.version() == X509Version::V1,
        Err(_) => false,
    }
}
