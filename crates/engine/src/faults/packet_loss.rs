//! Delays segments as if they were lost and sent again.

use super::prelude::*;
use crate::loss::{LossCounts, LossEvent, LossModel, LossySender};

/// Maximum number of bytes that wait for the congestion window.
const WAITING_LIMIT: usize = 256 << 10;

/// Simulates a TCP sender whose segments are lost and sent again. Bytes are delayed, never dropped.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PacketLoss {
    /// Loss model.
    pub model: LossModel,
    /// Round-trip time of the simulated path. Defaults to the measured connect time.
    pub rtt: Option<Duration>,
    /// Maximum size of a segment in bytes.
    pub mss: u32,
}

impl PacketLoss {
    /// Simulates the losses of `model` on a path with this round-trip time and segment size.
    pub fn new(model: LossModel, rtt: Option<Duration>, mss: u32) -> Self {
        Self { model, rtt, mss }
    }
}

struct InWords<'a>(&'a LossModel);

impl Display for InWords<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            LossModel::Bernoulli { rate, correlation: 0.0 } => write!(f, "{}", Percent(*rate)),
            LossModel::Bernoulli { rate, correlation } => {
                write!(f, "{}, correlation {}", Percent(*rate), Percent(*correlation))
            }
            LossModel::GilbertElliott { good_to_bad, bad_to_good, good_loss, bad_loss } => {
                write!(f, "{} in a good state, {} in a bad one", Percent(*good_loss), Percent(*bad_loss))?;
                write!(f, " (good to bad {}, bad to good {})", Percent(*good_to_bad), Percent(*bad_to_good))
            }
            LossModel::FiveState => f.write_str("in five states"),
        }
    }
}

impl Behavior for PacketLoss {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "packet loss {}, ", InWords(&self.model))?;
        match self.rtt {
            Some(rtt) => write!(f, "round trip {}, ", Time(rtt))?,
            None => f.write_str("round trip as measured, ")?,
        }
        write!(f, "segments of {}", Size(u64::from(self.mss)))
    }

    fn place(&self) -> Place {
        Place::Sender
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        let sender = LossySender::new(&self.model, self.rtt.unwrap_or(start.rtt), self.mss, start.key);
        Some(Box::new(LossStage(sender)))
    }

    fn segment_size(&self) -> Option<u32> {
        Some(self.mss)
    }

    fn measured(&self) -> Measured {
        Measured::Loss
    }
}

#[derive(Debug)]
struct LossStage(LossySender);

impl LossStage {
    /// Counts what the sender has sent since the last call.
    fn count(&mut self, context: &mut StageContext<'_>) {
        let LossCounts { segments, lost } = self.0.take_counts();
        context.counters.record_segments(segments, lost);
    }
}

impl Stage for LossStage {
    fn push(&mut self, chunk: Chunk, context: &mut StageContext<'_>) -> Option<Chunk> {
        self.0.push(chunk, &mut |event| record(event, context));
        self.count(context);
        None
    }

    fn pop(&mut self, now: Duration, context: &mut StageContext<'_>) -> Option<Chunk> {
        let chunk = self.0.pop(now, &mut |event| record(event, context));
        self.count(context);
        chunk
    }

    fn due(&self) -> Option<Duration> {
        self.0.due()
    }

    fn drain(&mut self) -> Vec<Chunk> {
        self.0.drain().collect()
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }

    fn is_full(&self) -> bool {
        self.0.waiting() >= WAITING_LIMIT
    }

    fn needs_segments(&self) -> bool {
        true
    }
}

fn record(event: LossEvent, context: &mut StageContext<'_>) {
    (context.record_decision)(event.at, event.offset, event.decision);
}

pub(super) static TYPE: FaultType = FaultType {
    name: "packet-loss",
    help: "Delay data as if packets were lost and sent again",
    target: Target::Flow(SocketDirection::Ingress),
    parameters: &[
        Parameter::share("rate", "Share of packets to lose, for example 0.01 or 1%")
            .main()
            .with(&["bernoulli"])
            .one_of(&["rate"]),
        Parameter::new(
            "model",
            ValueType::Words("NAME", Model::WORDS),
            "Loss model: bernoulli, gilbert-elliott or markov",
        )
        .or("bernoulli with a rate, otherwise markov"),
        Parameter::share("correlation", "Correlation of loss between consecutive packets, 0 to 1")
            .or("0")
            .main()
            .with(&["bernoulli"]),
        Parameter::share("good-to-bad", "Probability per packet of entering the bad state (gilbert-elliott)")
            .with(STATES)
            .one_of(&["good-to-bad"]),
        Parameter::share("bad-to-good", "Probability per packet of leaving the bad state (gilbert-elliott)")
            .with(STATES)
            .one_of(&["bad-to-good"]),
        Parameter::share("good-loss", "Share of packets to lose in the good state (gilbert-elliott)")
            .or("0")
            .with(STATES),
        Parameter::share("bad-loss", "Share of packets to lose in the bad state (gilbert-elliott)")
            .or("1")
            .with(STATES),
        Parameter::time("rtt", "Round-trip time of the path").or("as measured"),
        Parameter::bytes("mss", "Payload size of a packet").or("1460"),
    ],
    read: read_own::<Params>,
};

const STATES: &[&str] = &["gilbert-elliott"];

/// Payload of an Ethernet frame without the headers of IPv4 and TCP.
const DEFAULT_MSS: u32 = 1460;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Params {
    rate: Option<Rate>,
    model: Option<Model>,
    correlation: Option<Ratio>,
    good_to_bad: Option<Ratio>,
    bad_to_good: Option<Ratio>,
    good_loss: Option<Ratio>,
    bad_loss: Option<Ratio>,
    rtt: Option<Millis>,
    /// Must be 1 to 65535.
    mss: Option<ByteCount>,
}

/// Loss model; see [`LossModel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Bernoulli,
    GilbertElliott,
    Markov,
}

words! { Model, "a model of loss",
    Bernoulli = "bernoulli", GilbertElliott = "gilbert-elliott", Markov = "markov"
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let model = match self.model() {
            Model::Bernoulli => {
                LossModel::Bernoulli { rate: ratio_from(self.rate)?, correlation: self.correlation()? }
            }
            Model::GilbertElliott => LossModel::GilbertElliott {
                good_to_bad: needed("good-to-bad", self.good_to_bad, "1%")?.fraction(),
                bad_to_good: needed("bad-to-good", self.bad_to_good, "25%")?.fraction(),
                good_loss: self.good_loss.map_or(0.0, Ratio::fraction),
                bad_loss: self.bad_loss.map_or(1.0, Ratio::fraction),
            },
            Model::Markov => LossModel::FiveState,
        };
        Ok(PacketLoss { model, rtt: self.rtt.map(Millis::duration), mss: self.mss()? }.into())
    }

    fn choice(&self) -> Option<(&'static str, &'static str)> {
        Some(("model", self.model().word()))
    }
}

impl Params {
    fn model(&self) -> Model {
        let default = if self.rate.is_some() { Model::Bernoulli } else { Model::Markov };
        self.model.unwrap_or(default)
    }

    fn correlation(&self) -> Result<f64, ParamError> {
        match self.correlation.map_or(0.0, Ratio::fraction) {
            correlation if correlation < 1.0 => Ok(correlation),
            _ => Err(ParamError::new(
                "correlation",
                "is 1, so that the first segment would decide for all: use less, like 25%",
            )),
        }
    }

    fn mss(&self) -> Result<u32, ParamError> {
        let Some(mss) = self.mss else { return Ok(DEFAULT_MSS) };
        match u16::try_from(mss.count()) {
            Ok(mss) if mss > 0 => Ok(u32::from(mss)),
            _ => Err(ParamError::new("mss", format!("{mss} is not 1 to 65535 bytes"))),
        }
    }
}
