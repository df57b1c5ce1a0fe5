//! The downstream leg of PostgreSQL in clear.

use std::io::ErrorKind;

use fault_proxy_relay::BoxStream;
use fault_proxy_tls::PostgresClear;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::{accepted, broken, in_time, read_all, tcp_pair};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// Sends `sent` through a pipe and half-closes; what is relayed of it, and what the client is answered.
async fn opened(sent: &[u8], pipe: usize) -> (Vec<u8>, Vec<u8>) {
    let (ours, theirs) = duplex(pipe);
    let (mut answers, mut to_ours) = split(theirs);
    let client = async {
        to_ours.write_all(sent).await.expect("all is read");
        to_ours.shutdown().await.expect("open");
    };
    let relayed = async {
        let mut ours = accepted(&PostgresClear, Box::new(ours)).await.expect("all is welcome");
        read_all(&mut ours).await.expect("no abort")
    };
    let (relayed, (), answers) = tokio::join!(relayed, client, read_all(&mut answers));
    (relayed, answers.expect("closed"))
}

#[tokio::test]
async fn a_client_that_prefers_encryption_is_refused_twice_and_goes_on_in_clear() {
    let (ours, mut theirs) = duplex(8);
    let client = async {
        for request in [GSSENC_REQUEST, SSL_REQUEST] {
            theirs.write_all(&request).await.expect("open");
            assert_eq!(in_time("the answer", theirs.read_u8()).await.expect("open"), b'N');
        }
        theirs.write_all(b"\0\0\0\x11\0\x03\0\0user\0me\0\0").await.expect("open");
        assert_eq!(in_time("the reply", theirs.read_u8()).await.expect("open"), b'R');
    };
    let server = async {
        let mut ours = accepted(&PostgresClear, Box::new(ours)).await.expect("welcome");
        let mut startup = [0; 17];
        in_time("the startup message", ours.read_exact(&mut startup)).await.expect("open");
        assert_eq!(&startup, b"\0\0\0\x11\0\x03\0\0user\0me\0\0");
        ours.write_all(b"R").await.expect("open");
        ours.flush().await.expect("open");
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn the_end_in_the_middle_of_what_might_be_a_request_is_handed_on() {
    for length in 0..8 {
        let begun = &SSL_REQUEST[..length];
        assert_eq!(opened(begun, 64).await, (begun.to_vec(), Vec::new()));
        let after_one = [&GSSENC_REQUEST, begun].concat();
        assert_eq!(opened(&after_one, 64).await, (begun.to_vec(), b"N".to_vec()));
    }
}

#[tokio::test]
async fn a_request_that_turns_into_something_else_is_handed_on() {
    for at in 0..8 {
        let mut sent = SSL_REQUEST;
        sent[at] ^= 0x80;
        assert_eq!(opened(&sent, 64).await, (sent.to_vec(), Vec::new()));
    }
}

#[tokio::test]
async fn a_request_behind_the_startup_message_is_the_upstreams() {
    let sent = [&b"\0\0\0\x08\0\x03\0\0"[..], &SSL_REQUEST].concat();
    assert_eq!(opened(&sent, 64).await, (sent, Vec::new()));
}

/// Data that may follow the requests, including data that starts like a request.
fn rest() -> impl Strategy<Value = Vec<u8>> {
    let anything = vec(any::<u8>(), 0..40);
    let nearly = (0_usize..8, any::<bool>(), vec(any::<u8>(), 0..12)).prop_map(|(length, gss, tail)| {
        let request = if gss { GSSENC_REQUEST } else { SSL_REQUEST };
        [&request[..length], &tail].concat()
    });
    prop_oneof![anything, nearly]
}

proptest! {
    #[test]
    fn every_byte_behind_the_requests_is_relayed_however_they_arrive(
        requests in vec(prop_oneof![Just(SSL_REQUEST), Just(GSSENC_REQUEST)], 0..4),
        rest in rest(),
        pipe in 1_usize..20,
    ) {
        prop_assume!(!rest.starts_with(&SSL_REQUEST) && !rest.starts_with(&GSSENC_REQUEST));
        let sent = [requests.concat(), rest.clone()].concat();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (relayed, answers) = runtime.block_on(opened(&sent, pipe));
        prop_assert_eq!(relayed, rest);
        prop_assert_eq!(answers, vec![b'N'; requests.len()]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_open_is_turned_away_after_a_minute() {
    for sent in [&[][..], &SSL_REQUEST[..7], &GSSENC_REQUEST] {
        let (ours, mut theirs) = duplex(64);
        theirs.write_all(sent).await.unwrap();
        let begun = Instant::now();
        let error = accepted(&PostgresClear, Box::new(ours)).await.expect_err("silence");
        assert_eq!(begun.elapsed().as_secs(), 10);
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::TimedOut, "no startup message within 10s")
        );
    }
}

/// A client's socket, and the relay's stream after the client sent `first`.
async fn opened_over_tcp(first: &[u8]) -> (TcpStream, BoxStream) {
    let (ours, mut theirs) = tcp_pair().await;
    theirs.write_all(first).await.expect("open");
    let ours = accepted(&PostgresClear, Box::new(ours)).await.expect("welcome");
    (theirs, ours)
}

#[tokio::test]
async fn the_socket_is_lent_only_when_what_was_read_ahead_is_delivered() {
    let (theirs, mut ours) = opened_over_tcp(b"\0\0\0\x0b\0\x03\0\0me\0").await;
    let mut half = [0; 4];
    assert!(ours.as_tcp().is_none());
    ours.read_exact(&mut half).await.unwrap();
    assert_eq!(half, [0, 0, 0, 11]);
    assert!(ours.as_tcp().is_none());
    ours.read_exact(&mut half).await.unwrap();
    assert_eq!(half, [0, 3, 0, 0]);
    let lent = ours.as_tcp().expect("nothing is held back any more");
    assert_eq!(lent.peer_addr().unwrap(), theirs.local_addr().unwrap());
    let mut rest = [0; 3];
    in_time("the rest", ours.read_exact(&mut rest)).await.unwrap();
    assert_eq!(&rest, b"me\0");
}

#[tokio::test]
async fn the_socket_is_lent_at_once_where_nothing_was_read_ahead() {
    let (ours, mut theirs) = tcp_pair().await;
    theirs.shutdown().await.unwrap();
    let mut ours = accepted(&PostgresClear, Box::new(ours)).await.unwrap();
    assert!(ours.as_tcp().is_some());
    assert_eq!(in_time("the end", ours.read(&mut [0; 1])).await.unwrap(), 0);
}

#[tokio::test]
async fn half_closes_and_aborts_pass_through() {
    let (mut theirs, mut ours) = opened_over_tcp(b"Q").await;
    ours.write_all(b"reply").await.unwrap();
    ours.shutdown().await.unwrap();
    assert_eq!(read_all(&mut theirs).await.unwrap(), b"reply");
    theirs.write_all(b"uery").await.unwrap();
    theirs.shutdown().await.unwrap();
    assert_eq!(read_all(&mut ours).await.unwrap(), b"Query");

    let (mut theirs, mut ours) = opened_over_tcp(b"Q").await;
    ours.abort();
    drop(ours);
    assert_eq!(read_all(&mut theirs).await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (theirs, mut ours) = opened_over_tcp(b"Q").await;
    assert!(ours.take_error().is_none());
    theirs.set_zero_linger().unwrap();
    drop(theirs);
    assert_eq!(broken(&mut ours).await.kind(), ErrorKind::ConnectionReset);
}
