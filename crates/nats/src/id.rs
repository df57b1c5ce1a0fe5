//! IDs of sessions, requests and processes.

use std::fmt;

use rand::Rng;
use thiserror::Error;

const MAX_LEN: usize = 64;

/// ID of a request. Clients generate it as servers generate session IDs.
pub(crate) type RequestId = SessionId;

/// ID of a session: the last token of its subjects. It cannot be guessed, which keeps others out of the session.
///
/// IDs of this crate are 128 random bits in hexadecimal. Those of other servers may be any token of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(Box<str>);

impl SessionId {
    /// Returns an ID of 128 bits from `rng`, which must not be predictable.
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        let (high, low) = (rng.next_u64(), rng.next_u64());
        Self(format!("{high:016x}{low:016x}").into())
    }

    /// Parses the ID of another server.
    ///
    /// # Errors
    /// Returns an error if the text cannot be a token of a subject.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidId> {
        let is_token = |c: char| c.is_ascii_graphic() && !matches!(c, '.' | '*' | '>');
        if text.is_empty() || text.len() > MAX_LEN || !text.chars().all(is_token) {
            return Err(InvalidId);
        }
        Ok(Self(text.into()))
    }

    /// Returns the ID as in subjects.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// ID of a process with tunnels. It shows peers which sessions share a network path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstanceId(u64);

impl InstanceId {
    /// Returns an ID of 64 bits from `rng`.
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        Self(rng.next_u64())
    }

    /// Returns `None` for anything but up to 16 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Error for a text that is not a session ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a session ID: use 1 to {MAX_LEN} ASCII characters without spaces, `.`, `*` and `>`")]
pub(crate) struct InvalidId;

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u64);

    impl rand::TryRng for Counting {
        type Error = std::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            unreachable!("an ID is two words of 64 bits")
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            self.0 += 1;
            Ok(self.0)
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
            unreachable!("an ID is two words of 64 bits")
        }
    }

    #[test]
    fn ids_are_32_hexadecimal_digits_of_128_bits() {
        let id = SessionId::random(&mut Counting(9));
        assert_eq!(id.as_str(), "000000000000000a000000000000000b");
        assert_eq!(SessionId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn other_servers_ids_are_tokens() {
        assert!(SessionId::parse("93e6cb0299a5e8f4").is_ok());
        for text in ["", "a b", "a.b", "*", "a>", "a\n", "é", &"a".repeat(65)] {
            assert_eq!(SessionId::parse(text), Err(InvalidId), "{text}");
        }
    }
}
