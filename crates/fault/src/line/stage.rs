//! The stages of a line: each takes pieces in, and lets them out in order when their time has come.

mod bandwidth;
mod corrupt;
mod gate;
mod hold;
mod limit;
mod slicer;

use std::sync::Arc;
use std::time::Duration;

use self::bandwidth::Bandwidth;
pub(crate) use self::bandwidth::Bucket;
use self::corrupt::Corrupt;
use self::gate::Gate;
use self::hold::{Jitter, Latency, SlowClose};
use self::limit::Limit;
use self::slicer::Slicer;
use crate::effect::Effect;
use crate::journal::{Verdict, nanos};
use crate::line::draws::DrawKey;
use crate::line::piece::{Ending, Piece};
use crate::loss::{LossCounts, LossEvent, LossKind, LossySender};
use crate::stats::Stats;

/// What a fault does to one flow while it is on.
#[derive(Debug)]
pub(crate) enum Stage {
    Limit(Limit),
    Corrupt(Corrupt),
    Loss { sender: Box<LossySender>, counted: LossCounts },
    Bandwidth(Bandwidth),
    Latency(Latency),
    Jitter(Jitter),
    SlowClose(SlowClose),
    Slicer(Slicer),
    Gate(Gate),
}

/// What a stage works with besides its own state.
pub(crate) struct Tools<'a> {
    pub(crate) key: DrawKey,
    pub(crate) stats: &'a Stats,
    /// Tells the journal of a decision about a place in the flow.
    pub(crate) tell: &'a dyn Fn(Duration, u64, Verdict),
}

impl Stage {
    /// `None`: the effect is none on a flow. `since`: when it is switched on.
    pub(crate) fn new(
        effect: &Effect,
        since: Duration,
        rtt: Duration,
        bucket: Arc<Bucket>,
        key: DrawKey,
    ) -> Option<Self> {
        Some(match effect {
            Effect::Latency { delay, once } => Self::Latency(Latency::new(delay.clone(), *once)),
            Effect::Jitter { amplitude, frequency } => Self::Jitter(Jitter::new(*amplitude, *frequency)),
            Effect::Bandwidth { rate, burst, .. } => Self::Bandwidth(Bandwidth::new(*rate, *burst, bucket)),
            Effect::PacketLoss { model, rtt: given, mss } => {
                let sender = LossySender::new(model, given.unwrap_or(rtt), *mss, key);
                Self::Loss { counted: sender.counts(), sender: Box::new(sender) }
            }
            Effect::Blackhole { discard } => Self::Gate(Gate::new(*discard)),
            Effect::Timeout { after, discard } => {
                Self::Gate(Gate::timeout(*discard, after.map(|after| since.saturating_add(after))))
            }
            Effect::ResetOnData { after } => Self::Gate(Gate::reset_on_data(*after)),
            Effect::Reset { after, bytes, .. } => {
                Self::Limit(Limit::reset(since.saturating_add(*after), *bytes))
            }
            Effect::LimitData { bytes } => Self::Limit(Limit::data(since, *bytes)),
            Effect::SlowClose { delay } => Self::SlowClose(SlowClose::new(*delay)),
            Effect::Slicer { size, variation, delay } => Self::Slicer(Slicer::new(*size, *variation, *delay)),
            Effect::Corrupt { rate } => Self::Corrupt(Corrupt::new(*rate)?),
            Effect::Refuse | Effect::SlowOpen { .. } => return None,
        })
    }

    /// Whether it decides segment by segment, so that pieces must not span two.
    pub(crate) fn needs_segments(&self) -> bool {
        match self {
            Self::Loss { .. } | Self::Jitter(_) => true,
            Self::Latency(latency) => latency.varies(),
            _ => false,
        }
    }

    /// Whether it changes bytes as they come.
    pub(crate) fn corrupt(&mut self) -> Option<&mut Corrupt> {
        match self {
            Self::Corrupt(corrupt) => Some(corrupt),
            _ => None,
        }
    }

    /// Takes a piece in; gives it back if it passes at once.
    pub(crate) fn push(&mut self, piece: Piece, tools: &mut Tools<'_>) -> Option<Piece> {
        let Tools { key, stats, tell } = tools;
        let tell_hold = |delay: Duration| {
            stats.asked(delay);
            tell(piece.at, piece.offset, Verdict::Hold { delay_ns: nanos(delay) });
        };
        match self {
            Self::Corrupt(_) => return Some(piece),
            Self::Latency(latency) => {
                if let Some(delay) = latency.push(piece, *key) {
                    tell_hold(delay);
                }
            }
            Self::Jitter(jitter) => {
                if let Some(delay) = jitter.push(piece, *key) {
                    stats.acted();
                    tell_hold(delay);
                }
            }
            Self::SlowClose(slow_close) => {
                if let Some(delay) = slow_close.push(piece) {
                    stats.acted();
                    tell_hold(delay);
                }
            }
            Self::Bandwidth(bandwidth) => bandwidth.push(piece),
            Self::Loss { sender, counted } => {
                sender.push(piece, &mut |event| tell_loss(event, tell));
                count_loss(sender, counted, stats);
            }
            Self::Slicer(slicer) => slicer.push(piece),
            Self::Gate(gate) => {
                if gate.push(piece) {
                    stats.acted();
                    tell(piece.at, piece.offset, Verdict::Discard { bytes: piece.len as u64 });
                }
            }
            Self::Limit(limit) => limit.push(piece),
        }
        None
    }

    /// The next piece that has left by `now`.
    pub(crate) fn pop(&mut self, now: Duration, tools: &mut Tools<'_>) -> Option<Piece> {
        let Tools { key, stats, tell } = tools;
        let (hold, every) = match self {
            Self::Corrupt(_) => return None,
            Self::Latency(latency) => (&mut latency.hold, true),
            Self::Jitter(jitter) => (&mut jitter.hold, false),
            Self::SlowClose(slow_close) => (&mut slow_close.hold, false),
            Self::Bandwidth(bandwidth) => {
                let (piece, limited) = bandwidth.pop(now)?;
                stats.passed(piece.len);
                if let Some((bytes, time)) = limited {
                    stats.limited(bytes, time);
                }
                return Some(piece);
            }
            Self::Loss { sender, counted } => {
                let piece = sender.pop(now, &mut |event| tell_loss(event, tell));
                count_loss(sender, counted, stats);
                return piece;
            }
            Self::Slicer(slicer) => {
                let (piece, size) = slicer.pop(now, *key)?;
                if let Some(size) = size {
                    stats.acted();
                    tell(piece.at, piece.offset, Verdict::Slice { size: size as u64 });
                }
                return Some(piece);
            }
            Self::Gate(gate) => return gate.pop(now).inspect(|piece| tell_ending(piece, stats, tell)),
            Self::Limit(limit) => return limit.pop(now).inspect(|piece| tell_ending(piece, stats, tell)),
        };
        let (piece, came) = hold.pop(now)?;
        if every || piece.at > came {
            stats.held(now.saturating_sub(came), now.saturating_sub(piece.at));
        }
        Some(piece)
    }

    /// When `pop` is to be called next; `None`: not before another `push`.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self {
            Self::Corrupt(_) => None,
            Self::Latency(latency) => latency.hold.due(),
            Self::Jitter(jitter) => jitter.hold.due(),
            Self::SlowClose(slow_close) => slow_close.hold.due(),
            Self::Bandwidth(bandwidth) => bandwidth.due(),
            Self::Loss { sender, .. } => sender.due(),
            Self::Slicer(slicer) => slicer.due(),
            Self::Gate(gate) => gate.due(),
            Self::Limit(limit) => limit.due(),
        }
    }

    /// Whether so much waits here that the source is better not read: it would only be stored, where a network would
    /// make its sender wait.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Bandwidth(bandwidth) => bandwidth.is_full(),
            Self::Loss { sender, .. } => sender.waiting() >= LOSS_WAITING_LIMIT,
            Self::Slicer(slicer) => slicer.is_full(),
            Self::Gate(gate) => gate.is_full(),
            Self::Corrupt(_) | Self::Latency(_) | Self::Jitter(_) | Self::SlowClose(_) | Self::Limit(_) => {
                false
            }
        }
    }

    /// The bytes that its pieces are allocated in.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Corrupt(_) => 0,
            Self::Latency(latency) => latency.hold.memory(),
            Self::Jitter(jitter) => jitter.hold.memory(),
            Self::SlowClose(slow_close) => slow_close.hold.memory(),
            Self::Bandwidth(bandwidth) => bandwidth.memory(),
            Self::Loss { sender, .. } => sender.memory(),
            Self::Slicer(slicer) => slicer.memory(),
            Self::Gate(gate) => gate.memory(),
            Self::Limit(limit) => limit.memory(),
        }
    }

    /// How the session ends when the stage goes, if it does.
    pub(crate) fn last_word(&self) -> Option<Ending> {
        match self {
            Self::Gate(gate) => gate.last_word(),
            _ => None,
        }
    }

    /// Goes on where `before` was, of which it is the changed form.
    pub(crate) fn continue_from(&mut self, before: &Self) {
        match (self, before) {
            (Self::Limit(limit), Self::Limit(before)) => limit.continue_from(before),
            (Self::Gate(gate), Self::Gate(before)) => gate.continue_from(before),
            _ => {}
        }
    }

    /// Everything it holds, in order.
    pub(crate) fn drain(&mut self) -> Vec<Piece> {
        match self {
            Self::Corrupt(_) => Vec::new(),
            Self::Latency(latency) => latency.hold.drain().collect(),
            Self::Jitter(jitter) => jitter.hold.drain().collect(),
            Self::SlowClose(slow_close) => slow_close.hold.drain().collect(),
            Self::Bandwidth(bandwidth) => bandwidth.drain().collect(),
            Self::Loss { sender, .. } => sender.drain().collect(),
            Self::Slicer(slicer) => slicer.drain().collect(),
            Self::Gate(gate) => gate.drain().collect(),
            Self::Limit(limit) => limit.drain().collect(),
        }
    }
}

/// Bytes that may wait for the congestion window.
const LOSS_WAITING_LIMIT: usize = 256 << 10;

fn tell_loss(event: LossEvent, tell: &dyn Fn(Duration, u64, Verdict)) {
    let verdict = match event.kind {
        LossKind::Lost => Verdict::Lost,
        LossKind::Retransmitted { lost } => Verdict::Retransmit { lost },
        LossKind::Probed { lost } => Verdict::Probe { lost },
        LossKind::TimedOut { n, lost } => Verdict::RetransmitTimeout { n, lost },
    };
    tell(event.at, event.offset, verdict);
}

/// Counts what the sender has sent since the last time.
fn count_loss(sender: &LossySender, counted: &mut LossCounts, stats: &Stats) {
    let counts = sender.counts();
    stats.sent(counts.segments - counted.segments, counts.lost - counted.lost);
    *counted = counts;
}

fn tell_ending(piece: &Piece, stats: &Stats, tell: &dyn Fn(Duration, u64, Verdict)) {
    let verdict = match piece.end {
        Ending::Close | Ending::CloseNow => Verdict::Close,
        Ending::Reset | Ending::ResetNow => Verdict::Reset,
        Ending::No | Ending::Finish | Ending::Fail => return,
    };
    stats.acted();
    tell(piece.at, piece.offset, verdict);
}
