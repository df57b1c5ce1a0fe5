//! Calls that each wrapper of this crate passes on to the socket below it.

use std::net::{Ipv4Addr, TcpListener};
use std::task::Waker;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::Socket;
use testkit::abort;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::channel_binding::ChannelBinding;
use crate::first_bytes::FirstBytes;
use crate::rewind::Rewind;
use crate::{ClientTls, ServerTls, TlsNegotiation};

/// A connection, a second handle to its socket, and its peer.
fn connection() -> (TcpStream, Socket, std::net::TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    let socket = Socket::from(stream.try_clone().unwrap());
    (TcpStream::from_std(stream).unwrap(), socket, peer)
}

async fn encrypted(stream: TcpStream, peer: &std::net::TcpStream) -> BoxStream {
    let tls = ClientTls { insecure: true, ..ClientTls::default() };
    let connector = TlsConnector::from(tls.config(TlsNegotiation::Direct).unwrap());
    let (tls, _) = ServerTls::self_signed(Ipv4Addr::LOCALHOST.into()).unwrap();
    let acceptor = TlsAcceptor::from(tls.config(TlsNegotiation::Direct).unwrap());
    let peer = TcpStream::from_std(peer.try_clone().unwrap()).unwrap();
    let stream = FirstBytes::new(Box::new(stream));
    let name = ServerName::try_from("localhost").unwrap();
    let (client, server) = tokio::join!(connector.connect(name, stream), acceptor.accept(peer));
    server.unwrap();
    Box::new(Encrypted::new(client.unwrap()))
}

/// Returns each wrapper around a separate connection.
async fn wrapped() -> Vec<(&'static str, BoxStream, Socket, std::net::TcpStream)> {
    let mut wrapped: Vec<(_, BoxStream, _, _)> = Vec::new();
    let (stream, socket, peer) = connection();
    wrapped.push(("Rewind", Box::new(Rewind::new(b"ahead", Box::new(stream))), socket, peer));
    let (stream, socket, peer) = connection();
    wrapped.push(("ChannelBinding", Box::new(ChannelBinding::new(stream, true)), socket, peer));
    let (stream, socket, peer) = connection();
    wrapped.push(("Encrypted", encrypted(stream, &peer).await, socket, peer));
    wrapped
}

#[tokio::test]
async fn every_wrapper_sets_the_options_of_its_socket() {
    for (name, mut stream, socket, _peer) in wrapped().await {
        assert!(stream.as_tcp().is_none(), "{name}");
        assert!(!socket.tcp_nodelay().unwrap() && !socket.keepalive().unwrap(), "{name}");
        stream.set_nodelay();
        stream.settle();
        #[cfg(all(target_os = "linux", not(portable)))]
        {
            socket.set_tcp_quickack(false).unwrap();
            stream.acknowledge();
            assert!(socket.tcp_quickack().unwrap(), "{name}");
        }
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap(), "{name}");
        stream.abort();
        assert_eq!(socket.linger().unwrap(), Some(Duration::ZERO), "{name}");
    }
}

/// A server that delays small writes (Nagle) sends its answer only when its tickets are acknowledged. No data carries the
/// acknowledgment if the server has stopped reading an upload.
#[cfg(all(target_os = "linux", not(portable)))]
#[tokio::test]
async fn tickets_are_acknowledged_at_once() {
    let (stream, socket, peer) = connection();
    let mut stream = encrypted(stream, &peer).await;
    // The tickets arrived with the end of the handshake. The runtime finds them while the test sleeps.
    tokio::time::sleep(Duration::from_millis(1)).await;
    for expected in [true, false] {
        socket.set_tcp_quickack(false).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_read(&mut cx, &mut ReadBuf::new(&mut [0; 9])).is_pending());
        assert_eq!(socket.tcp_quickack().unwrap(), expected);
    }
}

#[tokio::test]
async fn every_wrapper_waits_until_its_socket_has_sent_everything() {
    for (name, mut stream, socket, _peer) in wrapped().await {
        // What a peer that does not read leaves in the socket.
        let full = std::iter::repeat_with(|| socket.send(&[0; 65_536])).find_map(Result::err);
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock, "{name}");
        assert!(stream.poll_sent(&mut Context::from_waker(Waker::noop())).is_pending(), "{name}");
    }
}

#[tokio::test]
async fn every_wrapper_knows_the_error_of_its_socket() {
    for (name, mut stream, _socket, peer) in wrapped().await {
        assert!(stream.take_error().is_none(), "{name}");
        abort(peer);
        // The abort takes effect when the last handle of the peer is closed, which it is.
        let error = stream.take_error().unwrap_or_else(|| panic!("{name}: no error"));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{name}");
    }
}
