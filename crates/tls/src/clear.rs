//! The downstream of a `psqls` mapping whose listener does not use TLS.

use std::io;

use fault_proxy_relay::{Accepting, BoxStream, Handshake, HandshakeProgress};
use tokio::time::timeout;

use crate::acceptor::{TIMEOUT, too_late};
use crate::preamble::{Preamble, answer_requests};
use crate::{postgres, rewind::Rewind};

/// Answers a client that starts with SSLRequest or GSSENCRequest (as libpq does with `sslmode=prefer`) with `N`, so
/// that the client continues in clear. Everything after these requests is relayed. The upstream is dialed once the
/// client has sent its first message, for which it has 10 s.
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
        Preamble::Tls => unreachable!("the response N does not start TLS"),
        Preamble::Other { bytes, length } => {
            Ok(HandshakeProgress::Complete(Box::new(Rewind::new(&bytes[..length], stream))))
        }
    }
}
