//! How a PostgreSQL connection opens, as far as encryption goes. No I/O.
//!
//! Source: PostgreSQL documentation, "Message Formats": SSLRequest is the length 8 and the code 80877103,
//! GSSENCRequest the length 8 and the code 80877104, each a big-endian Int32; ErrorResponse is `E`, its length, and
//! fields of a type byte and a C string, the last one empty.

pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
pub(crate) const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

/// The server's answers.
pub(crate) const WILLING: u8 = b'S';
pub(crate) const UNWILLING: u8 = b'N';

/// What the first bytes of a client are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// They could still become a request.
    Incomplete,
    SslRequest,
    GssEncRequest,
    /// A startup message, a cancel request, or no PostgreSQL at all.
    Other,
}

/// Tells from the first bytes, at most eight.
pub(crate) fn first(bytes: &[u8]) -> First {
    if bytes == SSL_REQUEST {
        First::SslRequest
    } else if bytes == GSSENC_REQUEST {
        First::GssEncRequest
    } else if SSL_REQUEST.starts_with(bytes) || GSSENC_REQUEST.starts_with(bytes) {
        First::Incomplete
    } else {
        First::Other
    }
}

/// An ErrorResponse that ends the connection, SQLSTATE 28000 (invalid authorization specification).
pub(crate) fn fatal(message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C28000\0M{message}\0\0");
    let length = u32::try_from(fields.len() + 4).expect("a short message");
    [&b"E"[..], &length.to_be_bytes(), fields.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_their_beginnings_and_from_everything_else() {
        assert_eq!(first(&SSL_REQUEST), First::SslRequest);
        assert_eq!(first(&GSSENC_REQUEST), First::GssEncRequest);
        for length in 0..8 {
            assert_eq!(first(&SSL_REQUEST[..length]), First::Incomplete);
        }
        // A startup message of protocol 3.0, a cancel request, a TLS ClientHello, HTTP.
        for other in [&[0, 0, 0, 84, 0, 3, 0, 0][..], &[0, 0, 0, 16, 4, 210, 22, 46], &[0x16, 3, 1], b"G"] {
            assert_eq!(first(other), First::Other);
        }
    }
}
