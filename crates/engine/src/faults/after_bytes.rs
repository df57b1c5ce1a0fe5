//! The parameters `after-bytes` and `at`, with which a fault begins in the middle of a flow.

use super::prelude::*;

pub(super) const AFTER_BYTES: Parameter =
    Parameter::bytes("after-bytes", "Number of bytes to let pass first, for example 64KiB");

pub(super) const AT: Parameter = Parameter::new(
    "at",
    ValueType::Words("MOMENT", Moment::WORDS),
    "Moment at which the fault begins: first-byte is after the first byte, as with `after-bytes` 1",
);

/// Moment in a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    FirstByte,
}

words! { Moment, "a moment", FirstByte = "first-byte" }

/// Returns the number of bytes to let pass first.
pub(super) fn bytes_before(after_bytes: Option<ByteCount>, at: Option<Moment>) -> Result<u64, ParamError> {
    match (after_bytes.map(ByteCount::count), at) {
        (Some(_), Some(_)) => Err(ParamError::new("at", "is given with `after-bytes`: use one of them")),
        (Some(0), None) => {
            Err(ParamError::new("after-bytes", "is 0: leave it out to let no byte pass, or use at least 1B"))
        }
        (bytes, None) => Ok(bytes.unwrap_or(0)),
        (None, Some(Moment::FirstByte)) => Ok(1),
    }
}
