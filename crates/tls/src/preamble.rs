//! The requests for encryption that a PostgreSQL client may open with.

use std::io;

use proxy_relay::BoxStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::postgres::{First, UNWILLING, WILLING, first};

/// What comes after the requests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Preamble {
    /// TLS, as we promised.
    Promised,
    /// Something else, of which these are the first bytes; none at the end of file.
    Said { bytes: [u8; 8], length: usize },
}

/// Answers each SSLRequest with `answer`, each GSSENCRequest with `N`. No byte beyond a request is read, so that
/// nothing that was sent in clear can pass for encrypted.
pub(crate) async fn answer_requests(stream: &mut BoxStream, answer: u8) -> io::Result<Preamble> {
    loop {
        let (mut bytes, mut length) = ([0; 8], 0);
        let answer = loop {
            let got = stream.read(&mut bytes[length..]).await?;
            length += got;
            match first(&bytes[..length]) {
                First::Incomplete if got > 0 => {}
                First::Incomplete | First::Other => return Ok(Preamble::Said { bytes, length }),
                First::SslRequest => break answer,
                First::GssEncRequest => break UNWILLING,
            }
        };
        stream.write_all(&[answer]).await?;
        stream.flush().await?;
        if answer == WILLING {
            return Ok(Preamble::Promised);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{DuplexStream, duplex};

    use super::*;
    use crate::postgres::{GSSENC_REQUEST, SSL_REQUEST};

    /// The client's bytes in pieces, then what the listener makes of them and what it answered.
    fn opened(sent: &[u8], piece: usize, answer: u8) -> (Preamble, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            // A tiny pipe, so that every piece arrives on its own.
            let (mut client, server): (DuplexStream, DuplexStream) = duplex(piece);
            let mut server: BoxStream = Box::new(server);
            let (preamble, ()) = tokio::join!(answer_requests(&mut server, answer), async {
                client.write_all(sent).await.expect("the listener reads");
                client.shutdown().await.expect("open");
            });
            drop(server);
            let mut answers = Vec::new();
            client.read_to_end(&mut answers).await.expect("closed");
            (preamble.expect("no error"), answers)
        })
    }

    #[test]
    fn libpq_prefer_is_refused_encryption_and_goes_on_in_clear() {
        let startup = [0, 0, 0, 84, 0, 3, 0, 0];
        let sent = [&GSSENC_REQUEST[..], &SSL_REQUEST, &startup].concat();
        let (preamble, answers) = opened(&sent, 64, UNWILLING);
        assert_eq!(preamble, Preamble::Said { bytes: startup, length: 8 });
        assert_eq!(answers, b"NN");
    }

    #[test]
    fn a_listener_with_tls_promises_it_after_refusing_gss() {
        let (preamble, answers) = opened(&[GSSENC_REQUEST, SSL_REQUEST].concat(), 64, WILLING);
        assert_eq!((preamble, answers), (Preamble::Promised, b"NS".to_vec()));
    }

    proptest! {
        #[test]
        fn whatever_is_no_request_is_handed_on_as_it_came(
            gss in any::<bool>(), rest in prop::collection::vec(any::<u8>(), 0..8), piece in 1_usize..9,
        ) {
            let requests = if gss { GSSENC_REQUEST.to_vec() } else { Vec::new() };
            let (preamble, answers) = opened(&[requests, rest.clone()].concat(), piece, UNWILLING);
            let Preamble::Said { bytes, length } = preamble else { panic!("promised by an N") };
            prop_assert!(rest.starts_with(&bytes[..length]));
            prop_assert!(length > 0 || rest.is_empty());
            prop_assert_eq!(answers, if gss { b"N".to_vec() } else { Vec::new() });
        }
    }
}
