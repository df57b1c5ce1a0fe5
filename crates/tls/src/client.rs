//! Whom the upstream leg trusts, and as whom it comes.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tracing::warn;

use crate::insecure::AcceptAny;
use crate::{Error, Opening, pem, provider};

/// How upstreams are verified. The default trusts the system's roots and shows no client certificate.
#[derive(Debug, Clone, Default)]
pub struct ClientTls {
    /// Trusted besides the system's roots: a PEM file of CA certificates.
    pub ca_file: Option<PathBuf>,
    /// The client certificate to show: PEM files of the chain and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name asked for (SNI) and verified, instead of the host that is connected to.
    pub server_name: Option<String>,
    /// Accept any certificate. Encrypts, and proves nothing about who answers.
    pub insecure: bool,
}

impl ClientTls {
    /// Reads the files.
    pub(crate) fn config(&self, opening: Opening) -> Result<Arc<ClientConfig>, Error> {
        let builder =
            ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let builder = if self.insecure {
            warn!(
                "upstream certificates are NOT verified: anyone on the way can read and change the traffic"
            );
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny::new(provider())))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let mut config = match &self.identity {
            Some((chain, key)) => builder.with_client_auth_cert(pem::certificates(chain)?, pem::key(key)?)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = opening.alpn();
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &self.ca_file {
            for certificate in pem::certificates(path)? {
                roots.add(certificate)?;
            }
        }
        if roots.is_empty() { Err(Error::NoRoots) } else { Ok(roots) }
    }
}
