use std::num::NonZeroU16;

use crate::error::Refusal;
use crate::kind::ErrorKind;

/// Parses a port from 1 to 65535.
pub(crate) fn parse(text: &str) -> Result<NonZeroU16, Refusal> {
    NonZeroU16::new(parse_any(text)?).ok_or_else(|| Refusal::new(ErrorKind::PortOutOfRange, 0..text.len()))
}

/// Parses a port to bind, which may be 0.
pub(crate) fn parse_any(text: &str) -> Result<u16, Refusal> {
    let kind = if text.is_empty() {
        ErrorKind::EmptyPort
    } else if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        ErrorKind::PortNotANumber
    } else if let Ok(port) = text.parse() {
        return Ok(port);
    } else {
        ErrorKind::PortOutOfRange
    };
    Err(Refusal::new(kind, 0..text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_1_to_65535_with_any_number_of_leading_zeros() {
        for (text, port) in [("1", 1), ("65535", 65535), ("0080", 80), (&("0".repeat(999) + "7"), 7)] {
            assert_eq!(parse(text).map(NonZeroU16::get), Ok(port));
        }
    }

    #[test]
    fn refuses_the_rest_by_kind() {
        let many_digits = "9".repeat(100_000);
        for (text, kind) in [
            ("", ErrorKind::EmptyPort),
            ("+80", ErrorKind::PortNotANumber),
            ("８０", ErrorKind::PortNotANumber),
            ("0", ErrorKind::PortOutOfRange),
            ("65536", ErrorKind::PortOutOfRange),
            (&many_digits, ErrorKind::PortOutOfRange),
        ] {
            assert_eq!(parse(text), Err(Refusal::new(kind, 0..text.len())));
        }
    }
}
