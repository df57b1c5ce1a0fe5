//! The clear downstream leg of a `psqls` mapping.

use std::io;

use fault_proxy_relay::{Accepting, BoxStream, Handshake, HandshakeProgress};
use tokio::time::timeout;

use crate::acceptor::{TIMEOUT, too_late};
use crate::preamble::{Preamble, answer_requests};
use crate::{postgres, rewind::Rewind};

/// Answers a client that opens with SSLRequest or GSSENCRequest (libpq's `sslmode=prefer` does) with `N`, so that it
/// goes on in clear. Everything else, from the first other byte on, is relayed. The upstream is dialed once the
/// client has spoken, for which it has 10 s.
#[derive(Debug, Clone, Copy, Default)]
pub struct PostgresClear;

impl Handshake for PostgresClear {
    fn accept(&self, stream: BoxStream) -> Accepting<'_> {
        Box::pin(async {
            timeout(TIMEOUT, open(stream)).await.unwrap_or_else(|_| Err(too_late("startup message")))
        })
    }
}

async fn open(mut stream: BoxStream) -> io::Result<HandshakeProgress> {
    match answer_requests(&mut stream, postgres::SSL_REFUSED).await? {
        Preamble::Promised => unreachable!("the response N does not start TLS"),
        Preamble::Said { bytes, length } => {
            Ok(HandshakeProgress::Complete(Box::new(Rewind::new(&bytes[..length], stream))))
        }
    }
}
