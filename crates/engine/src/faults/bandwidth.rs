//! A token bucket, by virtual scheduling: the generic cell rate algorithm (ITU-T I.371, annex A) counted in bytes.
//!
//! Bytes leave in units: each segment is cut at the multiples of the grain. A unit leaves when the bucket has
//! tokens for its first byte, and then owes the tokens for its other bytes. The time at which it leaves
//! depends only on the bytes before it. A late call therefore does not slow the flow down, and later stages
//! see the same times however reads cut the flow.

use std::sync::Arc;

use super::moment::ON;
use super::prelude::*;
use crate::journal::nanos;
use crate::requests::rule::{Moment, RequestAction, RequestFault};
use crate::token_bucket::{Taken, TokenBucket};

/// Maximum time that a unit takes at the configured rate.
const MAX_CHUNK_TIME: Duration = Duration::from_millis(2);
/// Maximum amount of waiting data: what passes in this time, or this number of bytes if that is more.
const WAITING_TIME: Duration = Duration::from_millis(10);
const WAITING_BYTES: usize = 64 << 10;

/// Limits throughput with a token bucket.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Bandwidth {
    /// Bytes per second. With 0, no byte passes until the fault changes or is removed.
    pub rate: f64,
    /// Bytes that pass without delay after a pause.
    pub burst: u64,
    /// Sessions that share the bucket.
    pub scope: Scope,
}

impl Bandwidth {
    /// Maximum rate: 1000 GB per second.
    pub const MAX_RATE: f64 = 1e12;

    /// Limits each session to this rate, with the default burst.
    pub fn new(rate: f64) -> Self {
        Self { rate, burst: default_burst(rate), scope: Scope::Session }
    }

    /// Lets this number of bytes pass without delay after a pause.
    #[must_use]
    pub fn with_burst(self, burst: u64) -> Self {
        Self { burst, ..self }
    }

    /// Shares the limit between the sessions of this scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }
}

impl Behavior for Bandwidth {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.rate == 0.0 {
            return f.write_str("bandwidth 0, bytes wait");
        }
        let (bits, bytes) = (BitRate(self.rate), Scaled(self.rate, ["B/s", "KB/s", "MB/s", "GB/s"]));
        let scope = match self.scope {
            Scope::Session => "a session",
            Scope::Proxy => "a proxy",
            Scope::All => "for all proxies",
        };
        write!(f, "bandwidth {bits} ({bytes}) burst {} {scope}", Size(self.burst))
    }

    fn place(&self) -> Place {
        Place::Bottleneck
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(BandwidthStage::new(self.rate, self.burst, start.bucket)))
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn measured(&self) -> Measured {
        Measured::Rate(self.rate)
    }
}

#[derive(Debug)]
struct BandwidthStage {
    nanos_per_byte: f64,
    /// Number of bytes that tokens were taken for.
    paid: u64,
    burst: u64,
    bucket: Arc<TokenBucket>,
    grain: usize,
    waiting_limit: usize,
    queue: Fifo<Chunk>,
    waiting: usize,
    /// The next unit to leave: its length, which is at the head of the queue, and its tokens.
    next: Option<(usize, Taken)>,
    /// Segment and grain of the last chunk that left.
    last_unit: Option<(u64, u64)>,
    last_left: Duration,
}

impl BandwidthStage {
    /// A `rate` of 0 lets no byte pass.
    fn new(rate: f64, burst: u64, bucket: Arc<TokenBucket>) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "at most 2^30")]
        let bytes = |time: Duration| (rate * time.as_secs_f64()).min(f64::from(1 << 30)) as usize;
        Self {
            nanos_per_byte: 1e9 / rate,
            paid: 0,
            burst: nanos_for(burst as f64, 1e9 / rate),
            bucket,
            grain: bytes(MAX_CHUNK_TIME).max(1),
            waiting_limit: bytes(WAITING_TIME).max(WAITING_BYTES),
            queue: Fifo::new(),
            waiting: 0,
            next: None,
            last_unit: None,
            last_left: Duration::ZERO,
        }
    }

    fn add(&mut self, chunk: Chunk) {
        self.waiting += chunk.len;
        self.queue.push_back(chunk);
        self.schedule();
    }

    /// Returns whether the first chunk of the queue has to wait.
    fn is_waiting(&self) -> bool {
        let Some(first) = self.queue.front() else { return false };
        self.next.is_none_or(|(_, taken)| taken.due > nanos(first.at))
    }

    fn record_wait(&self, context: &StageContext<'_>) {
        if self.is_waiting() {
            context.counters.record_effect();
        }
    }

    /// Takes tokens for the first grain of the queue.
    fn schedule(&mut self) {
        if self.next.is_some() {
            return;
        }
        let Some(first) = self.queue.front() else { return };
        if self.nanos_per_byte.is_infinite() && first.len > 0 {
            return;
        }
        let len = first.len.min(self.grain - self.place_in_grain(first.offset));
        let at = first.at.max(self.last_left);
        let (cost, first_byte) = (self.cost(len), self.cost(len.min(1)));
        self.paid += len as u64;
        let credit = if self.last_unit == Some(self.unit(first)) && len > 0 {
            u64::MAX
        } else {
            self.burst.saturating_add(cost - first_byte)
        };
        self.next = Some((len, self.bucket.take(nanos(at), cost, credit)));
    }

    #[allow(clippy::cast_possible_truncation, reason = "less than the grain")]
    fn place_in_grain(&self, offset: u64) -> usize {
        (offset % self.grain as u64) as usize
    }

    /// Returns the segment and the grain of the first byte of `chunk`.
    fn unit(&self, chunk: &Chunk) -> (u64, u64) {
        (chunk.segment, chunk.offset / self.grain as u64)
    }

    /// Returns the time that the next `len` bytes take, in nanoseconds. Fractions are carried over to the
    /// bytes after them.
    fn cost(&self, len: usize) -> u64 {
        let until = |bytes: u64| nanos_for(bytes as f64, self.nanos_per_byte);
        until(self.paid + len as u64) - until(self.paid)
    }

    /// Returns the next chunk that has left by `now`. If the bandwidth was the limit, also returns the number
    /// of bytes that left, and the time that they took.
    fn leave(&mut self, now: Duration) -> Option<(Chunk, Option<(u64, Duration)>)> {
        let (len, taken) = self.next.take_if(|(_, taken)| taken.due <= nanos(now))?;
        let due = Duration::from_nanos(taken.due);
        let first = self.queue.front_mut()?;
        let limited = if due > first.at {
            self.bucket.leave_limited(nanos(now), taken, len as u64)
        } else {
            self.bucket.leave_freely();
            None
        };
        let chunk = if len < first.len { first.split(len) } else { self.queue.pop_front()? };
        self.last_unit = Some(self.unit(&chunk));
        self.waiting -= len;
        self.last_left = due;
        self.schedule();
        Some((Chunk { at: due, ..chunk }, limited.map(|(bytes, time)| (bytes, Duration::from_nanos(time)))))
    }
}

impl Stage for BandwidthStage {
    fn push(&mut self, chunk: Chunk, context: &mut StageContext<'_>) -> Option<Chunk> {
        self.add(chunk);
        self.record_wait(context);
        None
    }

    fn pop(&mut self, now: Duration, context: &mut StageContext<'_>) -> Option<Chunk> {
        let (chunk, limited) = self.leave(now)?;
        self.record_wait(context);
        context.counters.record_bytes(chunk.len);
        if let Some((bytes, time)) = limited {
            context.counters.record_limited(bytes, time);
        }
        Some(chunk)
    }

    fn due(&self) -> Option<Duration> {
        self.next.map(|(_, taken)| Duration::from_nanos(taken.due))
    }

    fn drain(&mut self) -> Vec<Chunk> {
        self.waiting = 0;
        if let Some((_, taken)) = self.next.take() {
            self.bucket.give_back(taken);
        }
        self.queue.drain(..).collect()
    }

    fn memory(&self) -> usize {
        self.queue.memory()
    }

    fn is_full(&self) -> bool {
        self.waiting >= self.waiting_limit
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn nanos_for(bytes: f64, nanos_per_byte: f64) -> u64 {
    (bytes * nanos_per_byte) as u64
}

pub(super) static TYPE: FaultType = FaultType {
    name: "bandwidth",
    help: "Limit throughput",
    target: Target::Flow(SocketDirection::Ingress),
    parameters: &[
        Parameter::new(
            "rate",
            ValueType::Rate,
            "Limit, for example 500kbit/s or 1MBps; a bare number is in `unit`",
        )
        .or("1000")
        .main(),
        Parameter::new(
            "unit",
            ValueType::Words("UNIT", &["Bps", "KBps", "MBps", "GBps", "kbit/s", "mbit/s", "gbit/s"]),
            "Unit of a bare number: Bps, KBps, MBps, GBps, kbit/s, mbit/s or gbit/s",
        )
        .or("Bps"),
        Parameter::bytes("burst", "Amount of data that passes without delay after a pause")
            .or("what the rate allows in 1 ms, at least 1500 bytes"),
        Parameter::new(
            "scope",
            ValueType::Words("SCOPE", Scope::WORDS),
            "Sessions that share the limit: session (each has its own), proxy or all",
        )
        .or("session")
        .main(),
        ON,
    ],
    read: read_own::<Params>,
};

/// Payload of an Ethernet frame.
const MIN_DEFAULT_BURST: u64 = 1500;

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    rate: Option<Rate>,
    /// Unit of a rate without a unit.
    unit: Option<Unit>,
    burst: Option<ByteCount>,
    scope: Option<Scope>,
    on: Option<String>,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let given = self.rate.unwrap_or(Rate::DEFAULT_BANDWIDTH);
        let rate = given.bytes_per_second(self.unit).map_err(|error| ParamError::new("rate", error))?;
        let problem = if rate == 0.0 {
            "is 0: use a blackhole to stop all data, or at least 1Bps".to_owned()
        } else if rate < 1.0 {
            format!("{given} is too low: use at least 1Bps")
        } else if rate > Bandwidth::MAX_RATE {
            format!("{given} is too high: use 1000GBps at most")
        } else {
            if let Some(on) = &self.on {
                return self.on_responses(on, rate);
            }
            let burst = self.burst.map_or_else(|| default_burst(rate), ByteCount::count);
            if burst == 0 {
                return Err(ParamError::new("burst", "is 0, so that nothing would pass: use at least 1B"));
            }
            return Ok(Bandwidth { rate, burst, scope: self.scope.unwrap_or_default() }.into());
        };
        Err(ParamError::new("rate", problem))
    }
}

impl Params {
    fn on_responses(&self, on: &str, rate: f64) -> Result<Effect, ParamError> {
        let of_flows = [("burst", self.burst.is_some()), ("scope", self.scope.is_some())];
        if let Some((param, _)) = of_flows.into_iter().find(|(_, is_given)| *is_given) {
            let problem = "does not apply with `on`: each response has the rate for itself";
            return Err(ParamError::new(param, problem));
        }
        Ok(RequestFault::new(on, Moment::FirstByte, RequestAction::Limit(rate)).into())
    }
}

/// Returns the bytes of 1 ms, so that waits are not shorter than the precision of timers.
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn default_burst(rate: f64) -> u64 {
    ((rate / 1000.0) as u64).max(MIN_DEFAULT_BURST)
}

#[cfg(test)]
mod tests;
