//! A server behind a pipe, whose bytes come in pieces of all sizes.

use std::task::Waker;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime;

use super::*;

const OFFER: &[u8] = b"R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
const PLAIN: &[u8] = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
const NOTICE: &[u8] = b"N\0\0\0\x0cSNOTE\0\0\0";
const NEGOTIATE: &[u8] = b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0";

/// Returns what a client receives of `sent` through a pipe of `pipe` bytes. The watch must have ended.
fn relayed(sent: &[u8], pipe: usize, client_is_clear: bool) -> Vec<u8> {
    let (server, upstream) = duplex(pipe);
    let (_, mut server) = tokio::io::split(server);
    let speak = async {
        server.write_all(sent).await.expect("all is read");
        server.shutdown().await.expect("open");
    };
    let relay = async {
        let mut stream = ChannelBinding::new(upstream, client_is_clear);
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("no error");
        got
    };
    let runtime = runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { tokio::join!(speak, relay) }).1
}

#[test]
fn plus_is_taken_from_clear_clients_whatever_comes_before_and_after() {
    let rest = b"R\0\0\0\x08\0\0\0\x0b R\0\0\0\x08\0\0\0\0 Z and rows";
    for before in [&b""[..], NOTICE, NEGOTIATE, &[NEGOTIATE, NOTICE, NOTICE].concat()] {
        for pipe in 1..100 {
            let sent = [before, OFFER, rest].concat();
            assert_eq!(relayed(&sent, pipe, true), [before, PLAIN, rest].concat());
            assert_eq!(relayed(&sent, pipe, false), sent);
        }
    }
}

#[test]
fn a_second_list_and_the_list_of_a_server_with_plus_alone_stay() {
    assert_eq!(relayed(&[OFFER, OFFER].concat(), 7, true), [PLAIN, OFFER].concat());
    let alone = b"R\0\0\0\x1c\0\0\0\x0aSCRAM-SHA-256-PLUS\0\0";
    assert_eq!(relayed(alone, 7, true), alone);
}

#[test]
fn other_authentications_errors_and_other_protocols_stay() {
    for first in [
        &b"R\0\0\0\x08\0\0\0\0"[..],
        b"R\0\0\0\x08\0\0\0\x03",
        b"R\0\0\0\x0c\0\0\0\x05salt",
        b"R\0\0\0\x08\0\0\0\x07",
        b"E\0\0\0\x17SFATAL\0C57P03\0Mstart\0\0",
        b"N\0\0\x40\0",
        b"SSH-2.0-x\r\n",
    ] {
        let sent = [first, OFFER].concat();
        assert_eq!(relayed(&sent, 5, true), sent, "{}", first.escape_ascii());
    }
}

/// A server that resets in the middle of a message.
#[derive(Debug)]
struct Resetting<'a>(&'a [u8]);

impl AsyncRead for Resetting<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.0.split_at(self.0.len().min(buf.remaining()));
        buf.put_slice(now);
        self.0 = later;
        Poll::Ready(if now.is_empty() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) })
    }
}

impl AsyncWrite for Resetting<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Resetting<'static> {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn poll_sent(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// An abort that does not wait loses the client's last bytes, such as the upload that the server refuses.
#[test]
fn an_abort_waits_until_the_server_has_been_sent_everything() {
    let mut stream = ChannelBinding::new(Resetting(b""), true);
    assert!(stream.poll_sent(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn what_came_of_a_message_arrives_before_the_reset() {
    for length in 0..OFFER.len() {
        let mut stream = ChannelBinding::new(Resetting(&OFFER[..length]), true);
        let mut got = Vec::new();
        let error = stream.read_to_end(&mut got).await.expect_err("a reset");
        assert_eq!((got.as_slice(), error.kind()), (&OFFER[..length], io::ErrorKind::ConnectionReset));
    }
}

/// The two ends of a session in which the server has offered channel binding.
async fn offered() -> (ChannelBinding<DuplexStream>, DuplexStream) {
    let (mut server, upstream) = duplex(4096);
    let mut stream = ChannelBinding::new(upstream, false);
    server.write_all(OFFER).await.unwrap();
    stream.read_exact(&mut vec![0; OFFER.len()]).await.unwrap();
    (stream, server)
}

#[tokio::test]
async fn a_clients_choice_is_seen_in_pieces_and_only_until_authentication_ends() {
    let response =
        b"p\0\0\0\x36SCRAM-SHA-256-PLUS\0\0\0\0\x20p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO";
    for piece in [1, 3, response.len()] {
        let (mut stream, mut server) = offered().await;
        for piece in response.chunks(piece) {
            stream.write_all(piece).await.unwrap();
        }
        let Some(watch) = &stream.watch else { panic!("still watching") };
        assert!(watch.response.as_deref().is_some_and(chooses_plus));
        server.write_all(b"R\0\0\0\x09\0\0\0\x0b?R\0\0\0\x08\0\0\0\0Z").await.unwrap();
        stream.read_exact(&mut [0; 10 + 9 + 1]).await.unwrap();
        assert!(stream.watch.is_none());
    }
}

proptest! {
    #[test]
    fn whatever_a_server_sends_arrives_as_it_came_unless_it_is_a_list(
        sent in vec(prop_oneof![Just(b'R'), Just(b'N'), Just(0), any::<u8>()], 0..600), pipe in 1_usize..700,
    ) {
        prop_assume!(!sent.windows(4).any(|code| code == [0, 0, 0, 10]));
        for client_is_clear in [true, false] {
            prop_assert_eq!(&relayed(&sent, pipe, client_is_clear), &sent);
        }
    }
}
