//! The server's messages up to the end of authentication, as far as channel binding is concerned. No I/O.
//!
//! Source: PostgreSQL documentation, "Message Formats": a message is a type byte, an Int32 length that counts itself, and
//! a body. `AuthenticationSASL` is `R`, its length, the Int32 10, and the names of mechanisms as C strings, the last one empty.

/// Maximum length of an authentication message that is inspected. PostgreSQL's list of mechanisms takes 42 bytes.
const MAX_MESSAGE: usize = 8 << 10;
/// Size of the type byte and the length.
const HEADER: usize = 5;
/// SQLSTATE `invalid_password`.
const WRONG_PASSWORD: &[u8] = b"C28P01";
const PLUS: &[u8] = b"SCRAM-SHA-256-PLUS\0";

/// Length of the start of a client's `SASLInitialResponse`: `p`, the length and the mechanism.
pub(crate) const INITIAL_RESPONSE: usize = HEADER + PLUS.len();

/// Type of the server's next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The message is incomplete. It can be classified when this many bytes of it have arrived.
    Incomplete(usize),
    /// A message that is irrelevant for channel binding, with the number of its bytes that are still missing.
    Other(usize),
    /// A complete `AuthenticationSASL`.
    Mechanisms,
    /// A complete `ErrorResponse`.
    Error,
    /// Authentication uses another method, has ended, or the server is not PostgreSQL.
    Over,
}

/// Returns the type of a message from its bytes, from the first byte on.
pub(crate) fn next(bytes: &[u8]) -> Next {
    if bytes.first().is_some_and(|kind| !b"RENv".contains(kind)) {
        return Next::Over;
    }
    let Some((&[kind, ref length @ ..], body)) = bytes.split_first_chunk::<HEADER>() else {
        return Next::Incomplete(HEADER);
    };
    let length = u32::from_be_bytes(*length) as usize;
    let Some(rest) = length.checked_sub(HEADER - 1) else { return Next::Over };
    match kind {
        // NoticeResponse, NegotiateProtocolVersion
        b'N' | b'v' => Next::Other(rest.saturating_sub(body.len())),
        b'R' | b'E' if length > MAX_MESSAGE => Next::Over,
        b'R' | b'E' if body.len() < rest => Next::Incomplete(HEADER + rest),
        b'E' => Next::Error,
        b'R' => match body {
            [0, 0, 0, 10, ..] => Next::Mechanisms,
            // AuthenticationSASLContinue, AuthenticationSASLFinal
            [0, 0, 0, 11 | 12, ..] => Next::Other(0),
            _ => Next::Over,
        },
        _ => Next::Over,
    }
}

/// The mechanisms that an `AuthenticationSASL` offers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mechanisms {
    /// Without channel binding, or a list that cannot be parsed.
    Unbound,
    /// Only `SCRAM-SHA-256-PLUS`.
    OnlyPlus,
    /// `SCRAM-SHA-256-PLUS` and other mechanisms. The value is the message without `SCRAM-SHA-256-PLUS`.
    PlusAnd(Vec<u8>),
}

/// Parses a complete `AuthenticationSASL`.
pub(crate) fn mechanisms(message: &[u8]) -> Mechanisms {
    let Some(names) = message.get(HEADER + 4..).and_then(|names| names.strip_suffix(b"\0")) else {
        return Mechanisms::Unbound;
    };
    let (plus, others): (Vec<_>, Vec<_>) =
        names.split_inclusive(|&byte| byte == 0).partition(|&name| name == PLUS);
    if plus.is_empty() || others.iter().any(|name| *name == b"\0" || !name.ends_with(b"\0")) {
        return Mechanisms::Unbound;
    }
    if others.is_empty() {
        return Mechanisms::OnlyPlus;
    }
    let body = [&10_u32.to_be_bytes()[..], &others.concat(), b"\0"].concat();
    let length = u32::try_from(body.len() + 4).expect("shorter than it was");
    Mechanisms::PlusAnd([&b"R"[..], &length.to_be_bytes(), &body].concat())
}

/// Returns true if a client's `SASLInitialResponse` uses channel binding. The argument is its first
/// [`INITIAL_RESPONSE`] bytes.
pub(crate) fn chooses_plus(initial_response: &[u8]) -> bool {
    initial_response.first() == Some(&b'p') && initial_response.get(HEADER..) == Some(PLUS)
}

/// Returns true if an `ErrorResponse` is only about the password, which the server checks after the channel binding.
pub(crate) fn is_wrong_password(error: &[u8]) -> bool {
    error[HEADER..].split(|&byte| byte == 0).any(|field| field == WRONG_PASSWORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn sasl(names: &[&str]) -> Vec<u8> {
        let names: String = names.iter().map(|name| format!("{name}\0")).collect();
        let length = u32::try_from(names.len() + 9).expect("short").to_be_bytes();
        [&b"R"[..], &length, &[0, 0, 0, 10], names.as_bytes(), b"\0"].concat()
    }

    #[test]
    fn plus_is_removed_at_any_position() {
        let (plus, plain, other) = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER");
        let without = |names: &[&str]| Mechanisms::PlusAnd(sasl(names));
        assert_eq!(mechanisms(&sasl(&[plus, plain])), without(&[plain]));
        assert_eq!(mechanisms(&sasl(&[plain, plus])), without(&[plain]));
        assert_eq!(mechanisms(&sasl(&[other, plus, plain])), without(&[other, plain]));
        assert_eq!(mechanisms(&sasl(&[plus])), Mechanisms::OnlyPlus);
        assert_eq!(mechanisms(&sasl(&[plain])), Mechanisms::Unbound);
        assert_eq!(mechanisms(&sasl(&[])), Mechanisms::Unbound);
    }

    #[test]
    fn a_list_that_cannot_be_parsed_is_unchanged() {
        let mut unended = sasl(&["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
        unended.truncate(unended.len() - 2);
        assert_eq!(mechanisms(&unended), Mechanisms::Unbound);
        assert_eq!(mechanisms(&sasl(&["SCRAM-SHA-256-PLUS", "", "x"])), Mechanisms::Unbound);
        assert_eq!(mechanisms(b"R\0\0\0\x08\0\0\0\x0a"), Mechanisms::Unbound);
    }

    #[test]
    fn messages_are_classified_once_complete_and_other_protocols_immediately() {
        let list = sasl(&["SCRAM-SHA-256"]);
        for length in 0..HEADER {
            assert_eq!(next(&list[..length]), Next::Incomplete(HEADER));
        }
        for length in HEADER..list.len() {
            assert_eq!(next(&list[..length]), Next::Incomplete(list.len()));
        }
        assert_eq!(next(&list), Next::Mechanisms);
        assert_eq!(next(b"E\0\0\0\x05\0"), Next::Error);
        assert_eq!(next(b"N\0\0\x01\0"), Next::Other(252));
        assert_eq!(next(b"R\0\0\0\x09\0\0\0\x0b?"), Next::Other(0));
        // AuthenticationOk, MD5, GSS; nonsense; too long; HTTP; protocol 2.0
        for over in [
            &b"R\0\0\0\x08\0\0\0\0"[..],
            b"R\0\0\0\x0c\0\0\0\x05salt",
            b"R\0\0\0\x08\0\0\0\x07",
            b"R\0\0\0\x04",
            b"R\0\0\0\x03",
            b"R\0\x01\0\0",
            b"HTTP/1.1",
            b"Z",
            b"R\0\0\0\0",
        ] {
            assert_eq!(next(over), Next::Over, "{}", over.escape_ascii());
        }
    }

    #[test]
    fn a_client_chooses_plus_by_its_whole_name() {
        assert!(chooses_plus(b"p\0\0\0\x36SCRAM-SHA-256-PLUS\0"));
        assert!(!chooses_plus(b"p\0\0\0\x36SCRAM-SHA-256\0\0\0\0\x20n"));
        assert!(!chooses_plus(b"Q\0\0\0\x36SCRAM-SHA-256-PLUS\0"));
        assert!(!chooses_plus(b"p\0\0"));
    }

    #[test]
    fn a_wrong_password_is_recognized_by_the_sqlstate() {
        assert!(is_wrong_password(b"E\0\0\0\0SFATAL\0VFATAL\0C28P01\0Mno\0\0"));
        assert!(!is_wrong_password(b"E\0\0\0\0SFATAL\0VFATAL\0C28000\0MC28P01?\0\0"));
    }
}
