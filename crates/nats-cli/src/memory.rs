use std::str::FromStr;

use fault_proxy_engine::ByteCount;
use serde::Deserialize;

/// Maximum number of bytes that all sessions hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ByteCount")]
pub struct MemoryLimit(pub usize);

impl MemoryLimit {
    /// Windows get a quarter of the limit. With less, they would be too small for a fast path with a long round trip.
    const MIN: u64 = 16 << 20;
}

impl TryFrom<ByteCount> for MemoryLimit {
    type Error = String;

    fn try_from(bytes: ByteCount) -> Result<Self, String> {
        let count = usize::try_from(bytes.count()).ok().filter(|_| bytes.count() >= Self::MIN);
        count.map(Self).ok_or_else(|| format!("{bytes} is less than 16MiB"))
    }
}

impl FromStr for MemoryLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<ByteCount>().map_err(|error| error.to_string())?.try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_a_unit_and_is_not_too_small() {
        assert_eq!("1GiB".parse(), Ok(MemoryLimit(1 << 30)));
        assert_eq!("16MiB".parse(), Ok(MemoryLimit(16 << 20)));
        assert_eq!("1MiB".parse::<MemoryLimit>(), Err("1MiB is less than 16MiB".to_owned()));
        assert!("much".parse::<MemoryLimit>().is_err());
        assert!(serde_json::from_str::<MemoryLimit>("\"1MiB\"").is_err());
        assert_eq!(serde_json::from_str::<MemoryLimit>("\"32MiB\"").unwrap(), MemoryLimit(32 << 20));
    }
}
