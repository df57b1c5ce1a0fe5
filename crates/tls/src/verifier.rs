//! Verifies upstreams by a chain to a trusted authority, or by a trusted server certificate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use crate::{provider, refusal};

/// Certificates that a [`Verifier`] trusts.
#[derive(Debug)]
pub(crate) struct Trust {
    chains: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Trusts the authorities in `roots`, and servers that present one of the certificates in `trusted`.
    pub(crate) fn new(
        roots: RootCertStore,
        trusted: Vec<CertificateDer<'static>>,
    ) -> Result<Self, crate::Error> {
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        // Fails without authorities, which the caller has ruled out.
        let chains = chains.map_err(|_| crate::Error::NoRoots)?;
        Ok(Self { chains, trusted })
    }
}

/// The verifier of rustls, with two differences: a certificate that is trusted itself does not need a chain, and the
/// error for a refused certificate explains what is wrong with it.
pub(crate) struct Verifier {
    trust: Box<dyn Fn() -> Arc<Trust> + Send + Sync>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Returns a verifier that calls `trust` at each handshake.
    pub(crate) fn new(trust: impl Fn() -> Arc<Trust> + Send + Sync + 'static) -> Self {
        Self { trust: Box::new(trust), algorithms: provider().signature_verification_algorithms }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trust { chains, trusted } = &*(self.trust)();
        let by_chain = chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Ok((_, certificate)) = X509Certificate::from_der(end_entity) else { return by_chain };
        let verified = match by_chain {
            Err(_) if trusted.contains(end_entity) => {
                verify_trusted(end_entity, &certificate, server_name, now)
            }
            by_chain => by_chain,
        };
        match verified {
            // A key that no handshake can be verified with would fail later, with a less helpful error.
            Ok(verified) => refusal::key_flaw(&certificate).map_or(Ok(verified), |flaw| Err(flaw.into())),
            Err(error @ Error::InvalidCertificate(_)) => {
                let others = intermediates.iter().chain(trusted);
                Err(refusal::flaw(&certificate, others, &error).map_or(error, Error::from))
            }
            Err(error) => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Checks the time, purpose and name of a certificate that is trusted itself. The name may be in the subject, as in the
/// certificate of PostgreSQL's manual.
fn verify_trusted(
    end_entity: &CertificateDer<'_>,
    certificate: &X509Certificate<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let parsed = ParsedCertificate::try_from(end_entity)?;
    let time = |time: &ASN1Time| {
        UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or_default()))
    };
    let validity = certificate.validity();
    let (not_before, not_after) = (time(&validity.not_before), time(&validity.not_after));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    let usage = certificate.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
    if usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    match verify_server_name(&parsed, server_name) {
        Err(_) if refusal::is_subject(certificate, server_name) => {}
        verified => verified?,
    }
    Ok(ServerCertVerified::assertion())
}
