//! From the users' words, side and direction, to flows.

use super::{FaultParams, FlowDirection, Kind, ParamError};
use crate::effect::{Flows, Sides};

impl FaultParams {
    pub(super) fn flows(&self, kind: Kind) -> Result<Flows, ParamError> {
        if matches!(kind, Kind::Refuse | Kind::SlowOpen) {
            let given = [("side", self.side.is_some()), ("direction", self.direction.is_some())];
            return match given.into_iter().find(|(_, given)| *given) {
                Some((param, _)) => Err(ParamError::new(
                    kind,
                    param,
                    format!("means nothing to {kind}, which has no direction"),
                )),
                None => Ok(Flows::BOTH),
            };
        }
        if self.side == Some(Sides::Both) && kind != Kind::Reset {
            return Err(ParamError::new(kind, "side", "is client or server; for both say `direction` both"));
        }
        // Both connections may be reset: then the direction is that of the server's.
        let client = self.side == Some(Sides::Client);
        Ok(match (client, self.direction.unwrap_or(usual_direction(kind))) {
            (_, FlowDirection::Both) => Flows::BOTH,
            (true, FlowDirection::Ingress) | (false, FlowDirection::Egress) => {
                Flows { to_upstream: true, to_downstream: false }
            }
            (true, FlowDirection::Egress) | (false, FlowDirection::Ingress) => {
                Flows { to_upstream: false, to_downstream: true }
            }
        })
    }
}

fn usual_direction(kind: Kind) -> FlowDirection {
    match kind {
        Kind::Reset | Kind::Timeout | Kind::LimitData | Kind::SlowClose => FlowDirection::Both,
        _ => FlowDirection::Ingress,
    }
}
