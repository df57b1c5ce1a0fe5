//! Closes both connections after a number of bytes.

use super::prelude::*;
use crate::stage::limit::Limit;

/// Closes both connections after this many bytes in one direction. With 0, it closes them before the first
/// byte.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LimitData {
    /// Bytes since the session opened or the fault was switched on. Counting continues when the limit changes.
    pub bytes: u64,
}

impl LimitData {
    /// Closes the session after `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self { bytes }
    }
}

impl Behavior for LimitData {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "data limit {}", Size(self.bytes))
    }

    fn place(&self) -> Place {
        Place::Amount
    }

    fn stage(&self, _start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(Limit::new(self.bytes)))
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "limit-data",
    help: "Close sessions after an amount of data",
    target: Target::Flow(SocketDirection::Both),
    parameters: &[Parameter::bytes("bytes", "Amount of data, for example 64KiB").main().one_of(&["bytes"])],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    bytes: Option<ByteCount>,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        match needed("bytes", self.bytes, "64KiB")?.count() {
            0 => Err(ParamError::new(
                "bytes",
                "is 0: use a refuse fault to let no session through, or at least 1B",
            )),
            bytes => Ok(LimitData { bytes }.into()),
        }
    }
}
