//! Certificates that are trusted themselves, and what is said of those that are not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fault_proxy_relay::Connector;
use fault_proxy_tls::{ClientTls, TlsNegotiation};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;

use crate::support::{Upstream, VERSIONS, chain, provider};

/// A certificate as a server shows it, and a file that holds it.
struct Made {
    config: ServerConfig,
    file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Signed by itself, or by `issuer`.
fn made(directory: &TempDir, name: &str, params: CertificateParams, issuer: Option<&Made>) -> Made {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("the system has randomness");
    let certificate = match issuer {
        None => params.self_signed(&key),
        Some(issuer) => params.signed_by(&key, &issuer.issuer),
    };
    let certificate = certificate.expect("the parameters are complete");
    let file = directory.path().join(name);
    fs::write(&file, certificate.pem()).expect("the directory is ours");
    let der = PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS#8");
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&VERSIONS)
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .expect("they belong together");
    Made { config, file, issuer: Issuer::new(params, key) }
}

/// For `localhost` by its subject alone, as PostgreSQL's manual makes it: an authority without alternative names.
fn as_in_the_manual() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn for_names(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).expect("names")
}

/// Returns the result of connecting to the server with a connector that trusts `ca`.
async fn met(server: &Made, ca: &Path, name: Option<&str>) -> Result<(), String> {
    let upstream = Upstream::bind().await;
    let tls = ClientTls {
        ca_file: Some(ca.to_owned()),
        server_name: name.map(str::to_owned),
        ..ClientTls::default()
    };
    let connector = upstream.connector("localhost", &tls, TlsNegotiation::Direct);
    let (ours, _) = tokio::join!(connector.connect(), upstream.accept_tls(server.config.clone()));
    ours.map(drop).map_err(|error| chain(&error))
}

fn assert_says(refused: Result<(), String>, words: &[&str]) {
    let told = refused.expect_err("refused");
    assert!(words.iter().all(|words| told.contains(words)), "{words:?}: {told}");
}

#[tokio::test]
async fn a_certificate_in_the_ca_file_is_trusted_as_the_servers_own() {
    let directory = TempDir::new().expect("a directory");
    let manual = made(&directory, "manual.pem", as_in_the_manual(), None);
    met(&manual, &manual.file, None).await.expect("the subject names localhost");
    let named = made(&directory, "named.pem", for_names(&["localhost"]), None);
    met(&named, &named.file, None).await.expect("an alternative name");
    let authority = made(&directory, "authority.pem", as_in_the_manual(), None);
    let signed = made(&directory, "signed.pem", for_names(&["localhost"]), Some(&authority));
    met(&signed, &signed.file, None).await.expect("without its authority");
    met(&signed, &authority.file, None).await.expect("by its authority");
}

#[tokio::test]
async fn a_strangers_certificate_stays_refused_beside_a_trusted_one() {
    let directory = TempDir::new().expect("a directory");
    let trusted = made(&directory, "trusted.pem", as_in_the_manual(), None);
    // The same names; another key.
    let stranger = made(&directory, "stranger.pem", as_in_the_manual(), None);
    assert_says(met(&stranger, &trusted.file, None).await, &["invalid peer certificate"]);
    let stranger = made(&directory, "stranger.pem", for_names(&["localhost"]), None);
    assert_says(
        met(&stranger, &trusted.file, None).await,
        &["UnknownIssuer", "add the certificate of its issuer to the CA file"],
    );
}

/// The trusted certificate without its key is not enough.
#[tokio::test]
async fn a_server_without_the_key_of_the_trusted_certificate_is_refused() {
    let directory = TempDir::new().expect("a directory");
    let trusted = made(&directory, "trusted.pem", for_names(&["localhost"]), None);
    let mut thief = made(&directory, "thief.pem", for_names(&["localhost"]), None);
    let shown = crate::support::certificates_in(&trusted.file);
    let key = thief.issuer.key().serialize_der();
    let key = provider().key_provider.load_private_key(PrivateKeyDer::try_from(key).expect("PKCS#8"));
    let stolen = rustls::sign::CertifiedKey::new(shown, key.expect("ring knows it"));
    let resolver = rustls::sign::SingleCertAndKey::from(stolen);
    thief.config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&VERSIONS)
        .expect("ring knows them")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    assert_says(met(&thief, &trusted.file, None).await, &["BadSignature"]);
}

#[tokio::test]
async fn a_trusted_certificate_must_be_valid_now_for_the_name_and_for_servers() {
    let directory = TempDir::new().expect("a directory");
    let [mut expired, mut early, mut for_clients] = [const { as_in_the_manual }; 3].map(|params| params());
    expired.not_after = date_time_ymd(2001, 1, 1);
    early.not_before = date_time_ymd(2999, 1, 1);
    early.not_after = date_time_ymd(3000, 1, 1);
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    for (params, words) in [
        (expired, &["certificate expired", "issue a new certificate"]),
        (early, &["not valid yet", "check the clocks"]),
        (for_clients, &["InvalidPurpose", "serverAuth"]),
    ] {
        let server = made(&directory, "odd.pem", params, None);
        assert_says(met(&server, &server.file, None).await, words);
    }
    let server = made(&directory, "manual.pem", as_in_the_manual(), None);
    assert_says(met(&server, &server.file, Some("db.example")).await, &["db.example", "subjectAltName"]);
    // If there are alternative names, the subject does not count.
    let mut params = for_names(&["db.example"]);
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let server = made(&directory, "named.pem", params, None);
    let told = met(&server, &server.file, None).await;
    assert_says(told, &["not valid for name \"localhost\"", "db.example", "verify a name that it has"]);
}

#[tokio::test]
async fn refusals_say_what_is_wrong_and_how_to_make_it_right() {
    let directory = TempDir::new().expect("a directory");
    let authority = made(&directory, "authority.pem", as_in_the_manual(), None);
    let mut of_authority = as_in_the_manual();
    of_authority.distinguished_name.push(DnType::CommonName, "another authority");
    let mut expired = for_names(&["localhost"]);
    expired.not_after = date_time_ymd(2001, 1, 1);
    for (params, words) in [
        (expired, &["certificate expired", "issue a new certificate"][..]),
        (for_names(&["a.example", "b.example"]), &["a.example", "b.example", "verify a name that it has"]),
        (of_authority, &["CA:TRUE", "basicConstraints=CA:FALSE"]),
    ] {
        let server = made(&directory, "odd.pem", params, Some(&authority));
        assert_says(met(&server, &authority.file, None).await, words);
    }
}

#[tokio::test]
async fn a_certificate_without_alternative_names_is_explained() {
    let directory = TempDir::new().expect("a directory");
    let authority = made(&directory, "authority.pem", as_in_the_manual(), None);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let server = made(&directory, "nameless.pem", params, Some(&authority));
    let told = met(&server, &authority.file, None).await;
    assert_says(
        told,
        &["no subjectAltName", "subjectAltName=DNS:localhost", "add this very certificate to the CA file"],
    );
    let told = met(&server, &authority.file, Some("127.0.0.1")).await.expect_err("refused");
    assert!(told.contains("subjectAltName=IP:127.0.0.1") && !told.contains("CA file"), "{told}");
    met(&server, &server.file, None)
        .await
        .expect("the subject counts where the certificate itself is trusted");
}

/// The holder of one server's key cannot pose as other servers of the run.
#[tokio::test]
async fn a_servers_own_certificate_vouches_for_no_other() {
    let directory = TempDir::new().expect("a directory");
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa] {
        let mut params = for_names(&["other.example"]);
        params.is_ca = is_ca;
        let own = made(&directory, "own.pem", params, None);
        let minted = made(&directory, "minted.pem", for_names(&["localhost"]), Some(&own));
        assert!(met(&minted, &own.file, None).await.is_err());
    }
}

#[tokio::test]
async fn a_certificate_that_another_server_has_issued_is_explained() {
    let directory = TempDir::new().expect("a directory");
    let mut params = for_names(&["localhost"]);
    params.distinguished_name.push(DnType::CommonName, "a server");
    let server = made(&directory, "server.pem", params, None);
    let issued = made(&directory, "issued.pem", for_names(&["localhost"]), Some(&server));
    let refused = met(&issued, &server.file, None).await;
    assert_says(refused, &["a server` is not an authority", "add this very certificate"]);
    met(&issued, &issued.file, None).await.expect("trusted itself");
}
