//! The certificate that is presented to downstreams.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Error, TlsNegotiation, pem, provider, refusal};

/// A certificate chain and its key.
#[derive(Debug)]
pub struct ServerTls {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ServerTls {
    /// Reads both from PEM files.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or does not contain a certificate or key.
    pub fn from_files(chain: &Path, key: &Path) -> Result<Self, Error> {
        Ok(Self { chain: pem::certificates(chain)?, key: pem::key(key)? })
    }

    /// Generates a self-signed certificate for `localhost`, the loopback addresses and `address`. Also returns it as
    /// PEM, for clients to trust.
    ///
    /// # Errors
    /// Returns an error if the system cannot provide random numbers.
    pub fn self_signed(address: IpAddr) -> Result<(Self, String), Error> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        if !address.is_unspecified() && !address.is_loopback() {
            names.push(address.to_string());
        }
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("rcgen writes PKCS#8");
        Ok((Self { chain: vec![cert.der().clone()], key }, cert.pem()))
    }

    pub(crate) fn config(&self, negotiation: TlsNegotiation) -> Result<Arc<ServerConfig>, Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| refusal::for_own_certificate(&self.chain, error))?;
        config.alpn_protocols = negotiation.alpn();
        Ok(Arc::new(config))
    }
}
