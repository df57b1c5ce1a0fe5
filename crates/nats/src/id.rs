//! What a session is called.

use std::fmt;

use rand::Rng;
use thiserror::Error;

const MAX_LEN: usize = 64;

/// The ID of a request, drawn by its client as those of sessions are.
pub(crate) type RequestId = SessionId;

/// The ID of a session: what its subjects end in, and what keeps others out of it.
///
/// Ours are 128 random bits in hexadecimal; those of other servers are any token that a subject can end in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(Box<str>);

impl SessionId {
    /// From 128 bits of `rng`, which must not be predictable.
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        let (high, low) = (rng.next_u64(), rng.next_u64());
        Self(format!("{high:016x}{low:016x}").into())
    }

    /// Another server's.
    ///
    /// # Errors
    /// When no subject can end in it.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidId> {
        let is_token = |c: char| c.is_ascii_graphic() && !matches!(c, '.' | '*' | '>');
        if text.is_empty() || text.len() > MAX_LEN || !text.chars().all(is_token) {
            return Err(InvalidId);
        }
        Ok(Self(text.into()))
    }

    /// As subjects have it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process that tunnels connections, so that its peers know which sessions share a network path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstanceId(u64);

impl InstanceId {
    /// From 64 bits of `rng`.
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
#[error("it is not a session ID: use 1 to {MAX_LEN} ASCII characters without spaces, `.`, `*` and `>`")]
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
