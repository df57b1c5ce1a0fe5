//! A packet loss's model, and which parameters go with it.

use super::{FaultParams, Kind, Model, ParamError, needed};
use crate::effect::Effect;
use crate::faults::PacketLoss;
use crate::loss::LossModel;
use crate::units::{Millis, Share};

const TAKES: [(Model, &[&str]); 3] = [
    (Model::Bernoulli, &["rate", "correlation"]),
    (Model::GilbertElliott, &["good-to-bad", "bad-to-good", "good-loss", "bad-loss"]),
    (Model::Markov, &[]),
];

/// An Ethernet frame's payload without the headers of IPv4 and TCP.
const USUAL_MSS: u32 = 1460;

impl FaultParams {
    pub(super) fn packet_loss(&self) -> Result<Effect, ParamError> {
        let usual = if self.rate.is_some() { Model::Bernoulli } else { Model::Markov };
        let model = self.model.unwrap_or(usual);
        self.check_choice(Kind::PacketLoss, "model", model, &TAKES)?;
        let model = match model {
            Model::Bernoulli => LossModel::Bernoulli {
                rate: self.share_rate(Kind::PacketLoss)?,
                correlation: self.correlation()?,
            },
            Model::GilbertElliott => LossModel::GilbertElliott {
                good_to_bad: needed(Kind::PacketLoss, "good-to-bad", self.good_to_bad, "1%")?.fraction(),
                bad_to_good: needed(Kind::PacketLoss, "bad-to-good", self.bad_to_good, "25%")?.fraction(),
                good_loss: self.good_loss.map_or(0.0, Share::fraction),
                bad_loss: self.bad_loss.map_or(1.0, Share::fraction),
            },
            Model::Markov => LossModel::FiveState,
        };
        Ok(Effect::from(PacketLoss { model, rtt: self.rtt.map(Millis::duration), mss: self.mss()? }))
    }

    pub(super) fn share_rate(&self, kind: Kind) -> Result<f64, ParamError> {
        let rate = needed(kind, "rate", self.rate, "0.01 or 1%")?;
        rate.share().map(Share::fraction).map_err(|error| ParamError::new(kind, "rate", error))
    }

    fn correlation(&self) -> Result<f64, ParamError> {
        match self.correlation.map_or(0.0, Share::fraction) {
            correlation if correlation < 1.0 => Ok(correlation),
            _ => Err(ParamError::new(
                Kind::PacketLoss,
                "correlation",
                "is 1, so that the first segment would decide for all: say less, like 25%",
            )),
        }
    }

    fn mss(&self) -> Result<u32, ParamError> {
        let Some(mss) = self.mss else { return Ok(USUAL_MSS) };
        match u16::try_from(mss.count()) {
            Ok(mss) if mss > 0 => Ok(u32::from(mss)),
            _ => Err(ParamError::new(Kind::PacketLoss, "mss", format!("{mss} is not 1 to 65535 bytes"))),
        }
    }
}
