//! Segments are lost, and sent again.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::describe::{Percent, Size, Time};
use crate::effect::{Behavior, Measured, Place, Start};
use crate::journal::Verdict;
use crate::line::piece::Piece;
use crate::line::stage::{Stage, Tools};
use crate::loss::{LossCounts, LossEvent, LossKind, LossModel, LossySender};

/// Bytes that may wait for the congestion window.
const WAITING_LIMIT: usize = 256 << 10;

/// Segments are lost and sent again by a simulated TCP sender: bytes are late, never gone.
#[derive(Debug, Clone, PartialEq)]
pub struct PacketLoss {
    /// Which segments are lost.
    pub model: LossModel,
    /// The round-trip time of the simulated path; `None`: the connection time measured.
    pub rtt: Option<Duration>,
    /// Bytes a segment holds at most.
    pub mss: u32,
}

impl Display for PacketLoss {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "packet loss {}, ", Model(&self.model))?;
        match self.rtt {
            Some(rtt) => write!(f, "round trip {}, ", Time(rtt))?,
            None => f.write_str("round trip as measured, ")?,
        }
        write!(f, "segments of {}", Size(u64::from(self.mss)))
    }
}

struct Model<'a>(&'a LossModel);

impl Display for Model<'_> {
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
    fn place(&self) -> Place {
        Place::Sender
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        let sender = LossySender::new(&self.model, self.rtt.unwrap_or(start.rtt), self.mss, start.key);
        Some(Box::new(LossStage { counted: sender.counts(), sender }))
    }

    fn segment_size(&self) -> Option<u32> {
        Some(self.mss)
    }

    fn measured(&self) -> Measured {
        Measured::Loss
    }
}

#[derive(Debug)]
struct LossStage {
    sender: LossySender,
    counted: LossCounts,
}

impl LossStage {
    /// Counts what the sender has sent since the last time.
    fn count(&mut self, tools: &Tools<'_>) {
        let counts = self.sender.counts();
        tools.stats.sent(counts.segments - self.counted.segments, counts.lost - self.counted.lost);
        self.counted = counts;
    }
}

impl Stage for LossStage {
    fn push(&mut self, piece: Piece, tools: &Tools<'_>) -> Option<Piece> {
        self.sender.push(piece, &mut |event| tell(event, tools));
        self.count(tools);
        None
    }

    fn pop(&mut self, now: Duration, tools: &Tools<'_>) -> Option<Piece> {
        let piece = self.sender.pop(now, &mut |event| tell(event, tools));
        self.count(tools);
        piece
    }

    fn due(&self) -> Option<Duration> {
        self.sender.due()
    }

    fn drain(&mut self) -> Vec<Piece> {
        self.sender.drain().collect()
    }

    fn memory(&self) -> usize {
        self.sender.memory()
    }

    fn is_full(&self) -> bool {
        self.sender.waiting() >= WAITING_LIMIT
    }

    fn needs_segments(&self) -> bool {
        true
    }
}

fn tell(event: LossEvent, tools: &Tools<'_>) {
    let verdict = match event.kind {
        LossKind::Lost => Verdict::Lost,
        LossKind::Retransmitted { lost } => Verdict::Retransmit { lost },
        LossKind::Probed { lost } => Verdict::Probe { lost },
        LossKind::TimedOut { n, lost } => Verdict::RetransmitTimeout { n, lost },
    };
    (tools.tell)(event.at, event.offset, verdict);
}
