//! The requests for encryption that a PostgreSQL client may start with.

use std::io;

use fault_proxy_relay::BoxStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::postgres::{FirstMessage, SSL_ACCEPTED, SSL_REFUSED, first};

/// The data after the requests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Preamble {
    /// TLS, which the server has accepted.
    Tls,
    /// Other data with these first bytes. `length` is 0 at the end of file.
    Other { bytes: [u8; 8], length: usize },
}

/// Answers each SSLRequest with `answer` and each GSSENCRequest with `N`. Does not read any byte beyond a request, so
/// that data that was sent in clear cannot pass for encrypted data.
pub(crate) async fn answer_requests(stream: &mut BoxStream, answer: u8) -> io::Result<Preamble> {
    loop {
        let (mut bytes, mut length) = ([0; 8], 0);
        let answer = loop {
            let got = stream.read(&mut bytes[length..]).await?;
            length += got;
            match first(&bytes[..length]) {
                FirstMessage::Incomplete if got > 0 => {}
                FirstMessage::Incomplete | FirstMessage::Other => {
                    return Ok(Preamble::Other { bytes, length });
                }
                FirstMessage::SslRequest => break answer,
                FirstMessage::GssEncRequest => break SSL_REFUSED,
            }
        };
        stream.write_all(&[answer]).await?;
        stream.flush().await?;
        if answer == SSL_ACCEPTED {
            return Ok(Preamble::Tls);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::io::duplex;
    use tokio::runtime;

    use super::*;
    use crate::postgres::{GSSENC_REQUEST, SSL_REQUEST};

    /// Returns the preamble of the client's bytes, the bytes that were left unread, and the answers.
    fn opened(sent: &[u8], pipe: usize, answer: u8) -> (Preamble, Vec<u8>, Vec<u8>) {
        let (client, server) = duplex(pipe);
        let (mut from_server, mut to_server) = tokio::io::split(client);
        let speak = async {
            to_server.write_all(sent).await.expect("all is read");
            to_server.shutdown().await.expect("open");
        };
        let listen = async {
            let mut server: BoxStream = Box::new(server);
            let preamble = answer_requests(&mut server, answer).await.expect("no error");
            let mut unread = Vec::new();
            server.read_to_end(&mut unread).await.expect("open");
            (preamble, unread)
        };
        let hear = async {
            let mut answers = Vec::new();
            from_server.read_to_end(&mut answers).await.expect("closed");
            answers
        };
        let runtime = runtime::Builder::new_current_thread().build().expect("a runtime");
        let ((), (preamble, unread), answers) = runtime.block_on(async { tokio::join!(speak, listen, hear) });
        (preamble, unread, answers)
    }

    #[test]
    fn libpq_prefer_is_refused_encryption_and_continues_in_clear() {
        let startup = [0, 0, 0, 84, 0, 3, 0, 0];
        let sent = [&GSSENC_REQUEST[..], &SSL_REQUEST, &startup, b"user"].concat();
        let (preamble, unread, answers) = opened(&sent, 64, SSL_REFUSED);
        assert_eq!(preamble, Preamble::Other { bytes: startup, length: 8 });
        assert_eq!((unread.as_slice(), answers.as_slice()), (&b"user"[..], &b"NN"[..]));
    }

    #[test]
    fn a_listener_with_tls_promises_it_after_refusing_gss_and_reads_nothing_more() {
        for pipe in [1, 3, 64] {
            let sent = [&GSSENC_REQUEST[..], &SSL_REQUEST, &SSL_REQUEST, b"in clear"].concat();
            let (preamble, unread, answers) = opened(&sent, pipe, SSL_ACCEPTED);
            assert_eq!((preamble, answers), (Preamble::Tls, b"NS".to_vec()));
            assert_eq!(unread, [&SSL_REQUEST[..], b"in clear"].concat());
        }
    }

    proptest! {
        #[test]
        fn other_data_is_unchanged(
            gss in 0_usize..3, begun in 0_usize..8, tail in vec(any::<u8>(), 0..20), pipe in 1_usize..20,
        ) {
            let rest = [&SSL_REQUEST[..begun], &tail].concat();
            prop_assume!(!rest.starts_with(&SSL_REQUEST) && !rest.starts_with(&GSSENC_REQUEST));
            let sent = [GSSENC_REQUEST.repeat(gss), rest.clone()].concat();
            for answer in [SSL_ACCEPTED, SSL_REFUSED] {
                let (preamble, unread, answers) = opened(&sent, pipe, answer);
                let Preamble::Other { bytes, length } = preamble else { panic!("no request was sent") };
                prop_assert_eq!([&bytes[..length], &unread].concat(), rest.clone());
                prop_assert!(length > 0 || rest.is_empty());
                prop_assert_eq!(answers, vec![SSL_REFUSED; gss]);
            }
        }
    }
}
