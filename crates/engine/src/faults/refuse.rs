//! Refuses new clients.

use super::prelude::*;

/// Refuses new clients.
#[derive(Debug, Clone, PartialEq)]
pub struct Refuse;

impl Behavior for Refuse {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("refuse")
    }

    fn place(&self) -> Place {
        Place::Opening
    }

    fn opening(&self) -> Option<Opening> {
        Some(Opening::Refuse)
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "refuse",
    help: "Refuse new clients",
    target: Target::Opening,
    parameters: &[],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        Ok(Refuse.into())
    }
}
