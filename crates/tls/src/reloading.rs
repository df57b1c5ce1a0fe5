//! A client's TLS configuration whose files are read again at each handshake.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use tracing::warn;

use crate::verifier::{Trust, Verifier};
use crate::{Error, client, pem, provider, refusal};

/// Files of TLS for a library that takes a rustls configuration once and connects with it repeatedly. By default, it
/// trusts the roots of the system and does not send a client certificate.
#[derive(Debug, Clone, Default)]
pub struct ReloadingTls {
    /// A PEM file of certificates to trust instead of the roots of the system. A server that presents one of them as
    /// its own is trusted too, if the certificate is valid now and for the name.
    pub ca_file: Option<PathBuf>,
    /// Client certificate: PEM files of the chain and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl ReloadingTls {
    /// Returns a configuration that reads the files again at each handshake. While they cannot be used, it logs a
    /// warning and uses the last usable contents.
    ///
    /// # Errors
    /// Returns an error if a file cannot be used now, or if neither a CA file nor the system provides trusted roots.
    pub fn config(&self) -> Result<ClientConfig, Error> {
        let Self { ca_file, identity } = self.clone();
        let trust = Latest::new(move || trust(ca_file.as_deref()))?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::new(move || trust.get())));
        let mut config = match identity {
            Some((chain, key)) => {
                builder.with_client_cert_resolver(Arc::new(Latest::new(move || certified(&chain, &key))?))
            }
            None => builder.with_no_client_auth(),
        };
        // A resumed session would use the files as they were.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

fn trust(ca_file: Option<&Path>) -> Result<Trust, Error> {
    let roots = if ca_file.is_some() { RootCertStore::empty() } else { client::system_roots() };
    client::trust(roots, ca_file)
}

fn certified(chain: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let (certificates, key) = (pem::certificates(chain)?, pem::key(key)?);
    CertifiedKey::from_der(certificates.clone(), key, &provider())
        .map_err(|error| refusal::for_own_certificate(&certificates, error))
}

/// Last usable contents of files that are read again at each use.
struct Latest<T> {
    read: Box<dyn Fn() -> Result<T, Error> + Send + Sync>,
    last: Mutex<Arc<T>>,
}

impl<T> Latest<T> {
    fn new(read: impl Fn() -> Result<T, Error> + Send + Sync + 'static) -> Result<Self, Error> {
        let last = Mutex::new(Arc::new(read()?));
        Ok(Self { read: Box::new(read), last })
    }

    /// Reads the files, or returns their last usable contents.
    fn get(&self) -> Arc<T> {
        match (self.read)() {
            Ok(read) => *self.last.lock() = Arc::new(read),
            Err(error) => {
                let error = fault_proxy_relay::error_chain(&error);
                warn!(error, "TLS files not read again, using what was read last");
            }
        }
        Arc::clone(&self.last.lock())
    }
}

impl<T> fmt::Debug for Latest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latest").finish_non_exhaustive()
    }
}

impl ResolvesClientCert for Latest<CertifiedKey> {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
