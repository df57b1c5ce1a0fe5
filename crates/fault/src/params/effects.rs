//! The effects with few parameters.

use std::time::Duration;

use super::{FaultParams, Kind, Mode, ParamError, needed};
use crate::effect::{Effect, Sides};
use crate::faults::{
    Bandwidth, Blackhole, Corrupt, Jitter, LimitData, Refuse, Reset, Slicer, SlowClose, SlowOpen, Timeout,
};
use crate::units::{Bytes, Millis, Number, Rate};

const USUAL_AMPLITUDE: Duration = Duration::from_millis(20);
const USUAL_FREQUENCY: f64 = 5.0;
/// Bytes a second; 1000 GB.
const HIGHEST_RATE: f64 = 1e12;
/// An Ethernet frame's payload.
const LOWEST_USUAL_BURST: u64 = 1500;

impl FaultParams {
    pub(super) fn effect(&self, kind: Kind) -> Result<Effect, ParamError> {
        let after = self.after.map(Millis::duration);
        let bytes = self.bytes.map(Bytes::count);
        Ok(match kind {
            Kind::Latency => self.latency()?,
            Kind::Jitter => self.jitter()?,
            Kind::Bandwidth => self.bandwidth()?,
            Kind::PacketLoss => self.packet_loss()?,
            Kind::Blackhole => Effect::from(Blackhole { discard: self.mode == Some(Mode::Discard) }),
            Kind::Reset => Effect::from(Reset {
                after: after.unwrap_or_default(),
                bytes,
                sides: self.side.unwrap_or(Sides::Both),
            }),
            Kind::Timeout => Effect::from(Timeout { after, discard: false }),
            Kind::SlowClose => {
                Effect::from(SlowClose { delay: needed(kind, "delay", self.delay, "2s")?.duration() })
            }
            Kind::Slicer => self.slicer()?,
            Kind::LimitData => Effect::from(LimitData { bytes: needed(kind, "bytes", bytes, "64KiB")? }),
            Kind::Refuse => Effect::from(Refuse),
            Kind::SlowOpen => {
                Effect::from(SlowOpen { delay: needed(kind, "delay", self.delay, "2s")?.duration() })
            }
            Kind::Corrupt => Effect::from(Corrupt { rate: self.share_rate(kind)? }),
        })
    }

    fn jitter(&self) -> Result<Effect, ParamError> {
        let frequency = self.frequency.map_or(USUAL_FREQUENCY, Number::value);
        if frequency == 0.0 {
            return Err(ParamError::new(Kind::Jitter, "frequency", "is 0, which is never: say more, like 5"));
        }
        Ok(Effect::from(Jitter {
            amplitude: self.amplitude.map_or(USUAL_AMPLITUDE, Millis::duration),
            frequency,
        }))
    }

    fn bandwidth(&self) -> Result<Effect, ParamError> {
        let refused = |param, problem: String| Err(ParamError::new(Kind::Bandwidth, param, problem));
        let given = self.rate.unwrap_or(Rate::USUAL_BANDWIDTH);
        let rate = match given.bytes_per_second(self.unit) {
            Ok(0.0) => {
                return refused("rate", "is 0: for nothing say a blackhole, else at least 1Bps".to_owned());
            }
            Ok(rate) if rate < 1.0 => {
                return refused("rate", format!("{given} is too low: say at least 1Bps"));
            }
            Ok(rate) if rate > HIGHEST_RATE => {
                return refused("rate", format!("{given} is too high: say 1000GBps at most"));
            }
            Ok(rate) => rate,
            Err(error) => return refused("rate", error.to_string()),
        };
        let burst = self.burst.map_or_else(|| usual_burst(rate), Bytes::count);
        if burst == 0 {
            return refused("burst", "is 0, so that nothing would pass: say at least 1B".to_owned());
        }
        Ok(Effect::from(Bandwidth { rate, burst, scope: self.scope.unwrap_or_default() }))
    }

    fn slicer(&self) -> Result<Effect, ParamError> {
        let size = pieces("size", needed(Kind::Slicer, "size", self.size, "64B")?)?;
        let variation = self.variation.map_or(Ok(0), |variation| pieces("variation", variation))?;
        if size == 0 {
            return Err(ParamError::new(Kind::Slicer, "size", "is 0: say at least 1B"));
        }
        if variation >= size {
            return Err(ParamError::new(
                Kind::Slicer,
                "variation",
                format!("is not less than `size`, so that a piece could be empty: say {}B at most", size - 1),
            ));
        }
        Ok(Effect::from(Slicer {
            size,
            variation,
            delay: self.delay.map_or(Duration::ZERO, Millis::duration),
        }))
    }
}

/// What passes in 1 ms, so that waits are not shorter than timers are exact.
#[expect(clippy::cast_possible_truncation, reason = "the highest rate is known")]
fn usual_burst(rate: f64) -> u64 {
    ((rate / 1000.0) as u64).max(LOWEST_USUAL_BURST)
}

fn pieces(param: &'static str, bytes: Bytes) -> Result<u32, ParamError> {
    u32::try_from(bytes.count())
        .map_err(|_| ParamError::new(Kind::Slicer, param, format!("{bytes} is too many: say less than 4GiB")))
}
