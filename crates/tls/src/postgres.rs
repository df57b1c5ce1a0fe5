//! The start of a PostgreSQL connection, as far as encryption is concerned. No I/O.
//!
//! Source: PostgreSQL documentation, "Message Formats": SSLRequest is the length 8 and the code 80877103,
//! GSSENCRequest the length 8 and the code 80877104, each a big-endian Int32; ErrorResponse is `E`, its length, and
//! fields of a type byte and a C string, the last one empty.

pub(crate) mod sasl;

pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
pub(crate) const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

/// First bytes of a CancelRequest. libpq sends it without TLS on a separate connection, and servers with TLS accept it.
pub(crate) const CANCEL_REQUEST: [u8; 8] = [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e];

/// The server's answers to SSLRequest and GSSENCRequest.
pub(crate) const SSL_ACCEPTED: u8 = b'S';
pub(crate) const SSL_REFUSED: u8 = b'N';

/// Type of a client's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstMessage {
    /// The bytes may be the beginning of a request.
    Incomplete,
    SslRequest,
    GssEncRequest,
    /// A startup message, a cancel request, or another protocol.
    Other,
}

/// Returns the type of a client's first bytes, which are at most eight.
pub(crate) fn first(bytes: &[u8]) -> FirstMessage {
    if bytes == SSL_REQUEST {
        FirstMessage::SslRequest
    } else if bytes == GSSENC_REQUEST {
        FirstMessage::GssEncRequest
    } else if SSL_REQUEST.starts_with(bytes) || GSSENC_REQUEST.starts_with(bytes) {
        FirstMessage::Incomplete
    } else {
        FirstMessage::Other
    }
}

/// Returns an ErrorResponse that ends the connection, SQLSTATE 28000 (invalid authorization specification).
pub(crate) fn fatal(message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C28000\0M{message}\0\0");
    let length = u32::try_from(fields.len() + 4).expect("a short message");
    [&b"E"[..], &length.to_be_bytes(), fields.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The numbers of the documentation: the most significant half of the code is 1234, the other 5679 or 5680.
    fn request(code: u32) -> [u8; 8] {
        [8_u32.to_be_bytes(), code.to_be_bytes()].concat().try_into().expect("two of four bytes")
    }

    #[test]
    fn requests_are_distinguished_from_their_beginnings_and_other_messages() {
        assert_eq!(first(&request(80_877_103)), FirstMessage::SslRequest);
        assert_eq!(first(&request(80_877_104)), FirstMessage::GssEncRequest);
        for length in 0..8 {
            assert_eq!(first(&SSL_REQUEST[..length]), FirstMessage::Incomplete);
            assert_eq!(first(&GSSENC_REQUEST[..length]), FirstMessage::Incomplete);
        }
        // A startup message of protocol 3.0, a cancel request, a TLS ClientHello, HTTP.
        for other in [&[0, 0, 0, 84, 0, 3, 0, 0][..], &[0, 0, 0, 16, 4, 210, 22, 46], &[0x16, 3, 1], b"G"] {
            assert_eq!(first(other), FirstMessage::Other);
        }
    }

    proptest! {
        /// Includes texts near a request: one of its bytes is changed.
        #[test]
        fn only_the_two_requests_are_requests(
            bytes in prop_oneof![
                vec(any::<u8>(), 8),
                (0_usize..8, any::<u8>()).prop_map(|(at, byte)| {
                    let mut bytes = SSL_REQUEST.to_vec();
                    bytes[at] = byte;
                    bytes
                }),
            ],
        ) {
            let expected = match u64::from_be_bytes(bytes[..].try_into().expect("eight")) {
                0x0000_0008_04d2_162f => FirstMessage::SslRequest,
                0x0000_0008_04d2_1630 => FirstMessage::GssEncRequest,
                _ => FirstMessage::Other,
            };
            prop_assert_eq!(first(&bytes), expected);
            // Once it is something else it stays so, and until then it is incomplete.
            let known = (0..8).find(|&length| first(&bytes[..length]) == FirstMessage::Other);
            for length in 0..8 {
                let is_other = known.is_some_and(|known| length >= known);
                prop_assert_eq!(first(&bytes[..length]), if is_other { FirstMessage::Other } else { FirstMessage::Incomplete });
            }
        }

        #[test]
        fn an_error_response_has_its_length_and_ends_its_fields(message in "[ -~]{0,200}") {
            let response = fatal(&message);
            prop_assert_eq!(response[0], b'E');
            prop_assert_eq!(u32::from_be_bytes(response[1..5].try_into().expect("four")) as usize, response.len() - 1);
            let fields: Vec<_> = response[5..].split(|&byte| byte == 0).collect();
            let message = format!("M{message}");
            prop_assert_eq!(fields, [&b"SFATAL"[..], b"VFATAL", b"C28000", message.as_bytes(), b"", b""]);
        }
    }
}
