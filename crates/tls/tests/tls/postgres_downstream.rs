//! The downstream leg with TLS for PostgreSQL's clients.

use std::io::ErrorKind;

use fault_proxy_tls::TlsNegotiation;
use testkit::Certificates;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::Instant;

use crate::support::{
    VERSIONS, accepted, ask, client_config, handshake, in_time, open_tls, read_all, tcp_pair,
};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// A StartupMessage of protocol 3.0 by the user `me`.
const STARTUP: &[u8] = b"\0\0\0\x11\0\x03\0\0user\0me\0\0";

#[tokio::test]
async fn every_request_is_answered_and_then_tls_begins() {
    let certificates = Certificates::generate();
    let leg = handshake(&certificates, TlsNegotiation::Postgres);
    for requests in [&[(SSL_REQUEST, b'S')][..], &[(GSSENC_REQUEST, b'N'), (SSL_REQUEST, b'S')]] {
        for version in VERSIONS {
            let (ours, mut theirs) = duplex(8);
            let client = async {
                for (request, answer) in requests {
                    theirs.write_all(request).await.expect("open");
                    assert_eq!(in_time("the answer", theirs.read_u8()).await.expect("open"), *answer);
                }
                let theirs = open_tls(theirs, client_config(&certificates, version)).await.expect("TLS");
                ask(theirs, STARTUP).await
            };
            let server = async {
                let mut ours = accepted(&leg, Box::new(ours)).await.expect("TLS");
                let heard = read_all(&mut ours).await.expect("no abort");
                ours.shutdown().await.expect("open");
                heard
            };
            let (heard, told) = tokio::join!(server, client);
            assert_eq!((heard.as_slice(), told.as_slice()), (STARTUP, &b""[..]));
        }
    }
}

#[tokio::test]
async fn a_client_hello_instead_of_a_request_is_welcome_with_the_protocol() {
    let certificates = Certificates::generate();
    let leg = handshake(&certificates, TlsNegotiation::Postgres);
    for after_gss in [false, true] {
        let (ours, mut theirs) = duplex(1024);
        let mut config = client_config(&certificates, VERSIONS[1]);
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        let client = async {
            if after_gss {
                theirs.write_all(&GSSENC_REQUEST).await.expect("open");
                assert_eq!(in_time("the answer", theirs.read_u8()).await.expect("open"), b'N');
            }
            open_tls(theirs, config).await.expect("TLS")
        };
        let (ours, theirs) = tokio::join!(accepted(&leg, Box::new(ours)), client);
        ours.expect("TLS");
        assert_eq!(theirs.get_ref().1.alpn_protocol(), Some(&b"postgresql"[..]));
    }
}

#[tokio::test]
async fn where_tls_begins_at_once_a_request_is_no_way_in() {
    let certificates = Certificates::generate();
    for opening in [TlsNegotiation::Direct, TlsNegotiation::PostgresDirect] {
        let leg = handshake(&certificates, opening);
        let (ours, mut theirs) = duplex(64);
        theirs.write_all(&SSL_REQUEST).await.unwrap();
        accepted(&leg, Box::new(ours)).await.expect_err("no TLS");
        let told = read_all(&mut theirs).await.unwrap();
        assert_eq!(told[0], 0x15, "an alert: {told:?}");
    }
}

/// The fields of an ErrorResponse that is all of `bytes`: "Message Formats", "Error and Notice Message Fields".
fn error_response(bytes: &[u8]) -> Vec<(char, String)> {
    assert_eq!(bytes[0], b'E');
    let length = u32::from_be_bytes(bytes[1..5].try_into().expect("four bytes"));
    assert_eq!(length as usize, bytes.len() - 1);
    let fields = bytes[5..].strip_suffix(b"\0\0").expect("the last field, and the end of fields");
    fields
        .split(|&byte| byte == 0)
        .map(|field| (char::from(field[0]), String::from_utf8(field[1..].to_vec()).expect("ASCII")))
        .collect()
}

#[tokio::test]
async fn a_client_in_clear_is_told_to_use_tls() {
    let leg = handshake(&Certificates::generate(), TlsNegotiation::Postgres);
    for begin in [&[][..], &GSSENC_REQUEST] {
        let (ours, theirs) = duplex(16);
        let (mut theirs, mut to_ours) = tokio::io::split(theirs);
        let send = async {
            to_ours.write_all(begin).await.expect("open");
            // The pipe may close before it has taken all.
            to_ours.write_all(STARTUP).await.ok();
        };
        let (ours, (), told) = tokio::join!(accepted(&leg, Box::new(ours)), send, read_all(&mut theirs));
        let error = ours.expect_err("in clear");
        assert_eq!(error.to_string(), "the client does not request TLS, and this listener expects it");
        let told = told.expect("closed");
        let response = told.strip_prefix(if begin.is_empty() { &b""[..] } else { b"N" }).expect("the answer");
        let fields = error_response(response);
        for field in [('S', "FATAL"), ('V', "FATAL"), ('C', "28000")] {
            assert!(fields.iter().any(|(kind, text)| (*kind, text.as_str()) == field), "{fields:?}");
        }
        let message = fields.iter().find(|(kind, _)| *kind == 'M').expect("a message");
        assert!(message.1.contains("sslmode=require"), "{message:?}");
    }
}

/// Closing a socket with bytes unread resets it: what we said must be there to be read all the same.
#[tokio::test]
async fn a_client_in_clear_over_tcp_reads_the_error_before_the_connection_ends() {
    let leg = handshake(&Certificates::generate(), TlsNegotiation::Postgres);
    let (ours, mut theirs) = tcp_pair().await;
    theirs.write_all(STARTUP).await.unwrap();
    accepted(&leg, Box::new(ours)).await.expect_err("in clear");
    let mut header = [0; 5];
    in_time("the error", theirs.read_exact(&mut header)).await.expect("the error comes first");
    let mut rest = vec![0; u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize - 4];
    in_time("the error", theirs.read_exact(&mut rest)).await.expect("the error comes whole");
    assert_eq!(error_response(&[&header[..], &rest].concat())[0].1, "FATAL");
    let end = in_time("the end", theirs.read(&mut [0; 1])).await;
    assert!(matches!(&end, Ok(0)) || end.as_ref().is_err_and(|it| it.kind() == ErrorKind::ConnectionReset));
}

/// CVE-2021-23214: what a man in the middle sends ahead in clear must not pass for the client's words.
#[tokio::test]
async fn bytes_in_clear_behind_the_request_fail_the_handshake() {
    let certificates = Certificates::generate();
    let leg = handshake(&certificates, TlsNegotiation::Postgres);
    let (ours, mut theirs) = duplex(4096);
    let client = async {
        theirs.write_all(&[&SSL_REQUEST, STARTUP].concat()).await.expect("open");
        assert_eq!(in_time("the answer", theirs.read_u8()).await.expect("open"), b'S');
        open_tls(theirs, client_config(&certificates, VERSIONS[1])).await
    };
    let (ours, theirs) = tokio::join!(accepted(&leg, Box::new(ours)), client);
    ours.expect_err("no TLS");
    theirs.expect_err("no TLS");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_half_way_is_turned_away_after_a_minute() {
    let leg = handshake(&Certificates::generate(), TlsNegotiation::Postgres);
    // Within a request, after one, and within the ClientHello behind it.
    let hello = [&SSL_REQUEST[..], &[0x16, 3, 1]].concat();
    for sent in [&SSL_REQUEST[..5], &GSSENC_REQUEST, &SSL_REQUEST, &hello] {
        let (ours, mut theirs) = duplex(64);
        theirs.write_all(sent).await.unwrap();
        let begun = Instant::now();
        let error = accepted(&leg, Box::new(ours)).await.expect_err("silence");
        assert_eq!((error.kind(), begun.elapsed().as_secs()), (ErrorKind::TimedOut, 10));
    }
}
