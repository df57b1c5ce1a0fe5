//! The downstream leg where TLS begins with the first byte.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};

use fault_proxy_relay::{Handshake, HandshakeProgress};
use fault_proxy_tls::{ServerTls, TlsHandshake, TlsNegotiation};
use proptest::prelude::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use testkit::Certificates;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{Duration, Instant, sleep};

use crate::support::{
    VERSIONS, accepted, ask, broken, certificates_in, client_config, handshake, open_tls, provider, read_all,
    tcp_pair,
};

#[tokio::test]
async fn tls_from_the_first_byte_is_taken_through_a_pipe_of_eight_bytes() {
    let certificates = Certificates::generate();
    for opening in [TlsNegotiation::Direct, TlsNegotiation::Postgres, TlsNegotiation::PostgresDirect] {
        for version in VERSIONS {
            let leg = handshake(&certificates, opening);
            let (ours, theirs) = duplex(8);
            let listener = async {
                let mut ours = accepted(&leg, Box::new(ours)).await.expect("TLS");
                let heard = read_all(&mut ours).await.expect("no abort");
                ours.shutdown().await.expect("open");
                heard
            };
            let client = async {
                let theirs = open_tls(theirs, client_config(&certificates, version)).await.expect("TLS");
                let shown = theirs.get_ref().1.peer_certificates().expect("TLS");
                assert_eq!(shown, certificates_in(certificates.server_cert()));
                ask(theirs, b"a question").await
            };
            let (heard, told) = tokio::join!(listener, client);
            assert_eq!((heard, told), (b"a question".to_vec(), Vec::new()));
        }
    }
}

#[tokio::test]
async fn a_client_that_trusts_somebody_else_is_an_error() {
    let (certificates, others) = (Certificates::generate(), Certificates::generate());
    let leg = handshake(&certificates, TlsNegotiation::Direct);
    let (ours, theirs) = duplex(4096);
    let (ours, theirs) =
        tokio::join!(accepted(&leg, Box::new(ours)), open_tls(theirs, client_config(&others, VERSIONS[1])));
    theirs.expect_err("not to be trusted");
    let error = ours.expect_err("the client hung up");
    assert!(error.to_string().contains("received fatal alert"), "{error}");
}

#[tokio::test]
async fn a_protocol_we_do_not_speak_is_refused() {
    let certificates = Certificates::generate();
    for (opening, welcome) in [
        (TlsNegotiation::Direct, true),
        (TlsNegotiation::Postgres, false),
        (TlsNegotiation::PostgresDirect, false),
    ] {
        let leg = handshake(&certificates, opening);
        let mut config = client_config(&certificates, VERSIONS[1]);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (ours, theirs) = duplex(4096);
        let (ours, theirs) = tokio::join!(accepted(&leg, Box::new(ours)), open_tls(theirs, config));
        assert_eq!((ours.is_ok(), theirs.is_ok()), (welcome, welcome), "{opening:?}");
    }
}

#[tokio::test]
async fn a_client_that_closes_instead_of_speaking_is_an_error() {
    let certificates = Certificates::generate();
    for opening in [TlsNegotiation::Direct, TlsNegotiation::Postgres] {
        let leg = handshake(&certificates, opening);
        let (ours, mut theirs) = duplex(4096);
        theirs.shutdown().await.unwrap();
        accepted(&leg, Box::new(ours)).await.expect_err("nobody there");
    }
}

#[tokio::test]
async fn a_client_that_resets_within_its_hello_is_an_error() {
    let certificates = Certificates::generate();
    for opening in [TlsNegotiation::Direct, TlsNegotiation::Postgres] {
        let leg = handshake(&certificates, opening);
        let (ours, mut theirs) = tcp_pair().await;
        let client = async {
            theirs.write_all(&[0x16, 3, 1, 2, 0, 1]).await.expect("open");
            theirs.set_zero_linger().expect("a socket");
            drop(theirs);
        };
        let (ours, ()) = tokio::join!(accepted(&leg, Box::new(ours)), client);
        assert_eq!(ours.expect_err("nobody there").kind(), ErrorKind::ConnectionReset);
    }
}

/// Opens TLS as `name` to a listener with a self-signed certificate.
async fn trusts_self_signed(address: IpAddr, name: &'static str) -> bool {
    let (tls, pem) = ServerTls::self_signed(address).expect("the system has randomness");
    let leg = TlsHandshake::new(&tls, TlsNegotiation::Direct).expect("made to fit");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a certificate");
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let (ours, theirs) = duplex(4096);
    let name = ServerName::try_from(name).expect("a name");
    let (ours, theirs) = tokio::join!(accepted(&leg, Box::new(ours)), connector.connect(name, theirs));
    assert_eq!(ours.is_ok(), theirs.is_ok());
    theirs.is_ok()
}

#[tokio::test]
async fn a_certificate_of_our_own_making_names_loopback_and_the_address() {
    let address = IpAddr::from([192, 0, 2, 7]);
    for name in ["localhost", "127.0.0.1", "::1", "192.0.2.7"] {
        assert!(trusts_self_signed(address, name).await, "{name}");
    }
    for other in ["192.0.2.8", "example.org"] {
        assert!(!trusts_self_signed(address, other).await, "{other}");
    }
    for address in [Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()] {
        assert!(trusts_self_signed(address, "127.0.0.1").await);
        assert!(!trusts_self_signed(address, "0.0.0.0").await);
    }
}

/// The beginning of a ClientHello of 512 bytes.
const HALF_A_HELLO: [u8; 11] = [0x16, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_turned_away_after_ten_seconds() {
    let certificates = Certificates::generate();
    let legs = [TlsNegotiation::Direct, TlsNegotiation::Postgres, TlsNegotiation::PostgresDirect];
    let mut legs = legs.map(|opening| handshake(&certificates, opening)).to_vec();
    legs.push(handshake(&certificates, TlsNegotiation::Direct).with_protocols_of_upstream());
    for leg in legs {
        for sent in [&[][..], &HALF_A_HELLO] {
            let (ours, mut theirs) = duplex(64);
            theirs.write_all(sent).await.expect("room");
            let begun = Instant::now();
            let error = accepted(&leg, Box::new(ours)).await.expect_err("silence");
            assert_eq!(begun.elapsed().as_secs(), 10);
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (ErrorKind::TimedOut, "no TLS handshake within 10s")
            );
            assert_eq!(theirs.read(&mut [0; 1]).await.expect("closed"), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_trickles_gets_no_more_time() {
    let certificates = Certificates::generate();
    let leg = handshake(&certificates, TlsNegotiation::Direct);
    for leg in [leg.clone(), leg.with_protocols_of_upstream()] {
        let (ours, mut theirs) = duplex(64);
        let trickle = async {
            let mut next = HALF_A_HELLO.into_iter().chain(std::iter::repeat(7));
            while theirs.write_u8(next.next().expect("endless")).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        };
        let begun = Instant::now();
        let (error, ()) = tokio::join!(accepted(&leg, Box::new(ours)), trickle);
        assert_eq!(error.expect_err("too slow").kind(), ErrorKind::TimedOut);
        assert!((10..=11).contains(&begun.elapsed().as_secs()));
    }
}

/// A client's first message, which offers HTTP/2.
fn hello_with_protocol(certificates: &Certificates) -> Vec<u8> {
    let mut config = client_config(certificates, VERSIONS[1]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(config.into(), name).expect("a complete configuration");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a vector takes all");
    hello
}

#[tokio::test]
async fn a_client_that_waits_for_its_protocol_can_be_seen_to_reset() {
    let certificates = Certificates::generate();
    let leg = handshake(&certificates, TlsNegotiation::Direct).with_protocols_of_upstream();
    let (ours, mut theirs) = tcp_pair().await;
    theirs.write_all(&hello_with_protocol(&certificates)).await.expect("room");
    let HandshakeProgress::OffersProtocols(mut stream, _) =
        leg.accept(Box::new(ours)).await.expect("a hello")
    else {
        panic!("it offers h2")
    };
    assert!(stream.take_error().is_none());
    theirs.set_zero_linger().expect("a socket");
    drop(theirs);
    assert_eq!(broken(&mut stream).await.kind(), ErrorKind::ConnectionReset);
}

/// What its upstream takes is not the client's time; what it took for its hello is.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_after_its_hello_has_what_is_left_of_its_time() {
    let certificates = Certificates::generate();
    let leg = handshake(&certificates, TlsNegotiation::Direct).with_protocols_of_upstream();
    let hello = hello_with_protocol(&certificates);
    let (ours, mut theirs) = duplex(4096);
    let speak = async {
        sleep(Duration::from_secs(4)).await;
        theirs.write_all(&hello).await.expect("room");
    };
    let (progress, ()) = tokio::join!(leg.accept(Box::new(ours)), speak);
    let HandshakeProgress::OffersProtocols(stream, offer) = progress.expect("a hello") else {
        panic!("it offers h2")
    };
    assert_eq!(offer.protocols, [b"h2"]);
    sleep(Duration::from_secs(100)).await;
    let begun = Instant::now();
    let error = (offer.complete)(stream, Ok(Some(b"h2".to_vec()))).await.expect_err("silence");
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (ErrorKind::TimedOut, 6));
}

#[tokio::test]
async fn the_protocol_that_a_client_speaks_instead_of_tls_is_named() {
    let certificates = Certificates::generate();
    let leg = handshake(&certificates, TlsNegotiation::Direct);
    for leg in [leg.clone(), leg.with_protocols_of_upstream()] {
        for (sent, words) in [
            (
                &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
                "the client spoke HTTP, not TLS: use https://",
            ),
            (
                &[0, 0, 0, 8, 4, 210, 22, 47],
                "the client spoke PostgreSQL, which requests TLS with a message of PostgreSQL",
            ),
            (b"*1\r\n$4\r\nPING\r\n", "the client did not speak TLS: enable TLS in the client"),
        ] {
            for pipe in [5, 64] {
                let (ours, theirs) = duplex(pipe);
                let (mut theirs, mut to_ours) = tokio::io::split(theirs);
                let send = async { to_ours.write_all(sent).await.ok() };
                let all = async { tokio::join!(accepted(&leg, Box::new(ours)), send, read_all(&mut theirs)) };
                let error = all.await.0.expect_err("no TLS");
                assert!(
                    error.kind() == ErrorKind::InvalidData && error.to_string().starts_with(words),
                    "{error}"
                );
            }
        }
    }
}

fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let any = prop::collection::vec(any::<u8>(), 1..600);
    let record = (20_u8..25, any.clone()).prop_map(|(kind, payload)| {
        let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
        [&[kind, 3, 3][..], &length, &payload].concat()
    });
    prop_oneof![any, record]
}

proptest! {
    #[test]
    fn garbage_instead_of_tls_is_an_error_and_the_end(garbage in garbage(), pipe in 1_usize..700) {
        thread_local! {
            static LEGS: [TlsHandshake; 3] = {
                let certificates = Certificates::generate();
                [TlsNegotiation::Direct, TlsNegotiation::Postgres, TlsNegotiation::PostgresDirect].map(|it| handshake(&certificates, it))
            };
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        for leg in LEGS.with(Clone::clone) {
            let (ours, theirs) = duplex(pipe);
            let (mut theirs, mut to_ours) = tokio::io::split(theirs);
            let send = async {
                // The receiver may stop reading early.
                to_ours.write_all(&garbage).await.ok();
                to_ours.shutdown().await.ok();
            };
            let all = async { tokio::join!(accepted(&leg, Box::new(ours)), send, read_all(&mut theirs)) };
            let (ours, (), end) = runtime.block_on(all);
            prop_assert!(ours.is_err());
            prop_assert!(end.is_ok());
        }
    }
}
