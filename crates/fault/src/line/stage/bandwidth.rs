//! A token bucket, by virtual scheduling: the generic cell rate algorithm (ITU-T I.371, annex A) counted in bytes.
//!
//! A piece leaves when the bucket has tokens for its first byte; those for the others are owed. That time follows from the
//! bytes before it. A late call does not slow the flow down, and the stages behind see the same times however reads cut
//! the flow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::journal::nanos;
use crate::line::piece::Piece;

/// The time that a piece may take at most: its bytes leave together. Longer pieces are cut.
const GRAIN: Duration = Duration::from_millis(2);
/// What may wait, as time at the rate and as bytes: the larger.
const WAITING_TIME: Duration = Duration::from_millis(10);
const WAITING_BYTES: usize = 64 << 10;

/// When the next byte may leave if all before it left as soon as they could, in nanoseconds; shared by who shares the
/// bandwidth.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicU64);

impl Bucket {
    /// Takes `cost` at `at`, both in nanoseconds; returns when it is paid for, with `burst` of credit.
    fn take(&self, at: u64, cost: u64, burst: u64) -> u64 {
        let after = |free: u64| free.max(at).saturating_add(cost);
        let paid = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| Some(after(free)));
        after(paid.unwrap_or_else(|free| free)).saturating_sub(burst).max(at)
    }
}

#[derive(Debug)]
pub(crate) struct Bandwidth {
    nanos_per_byte: f64,
    /// Bytes that tokens were taken for.
    paid: u64,
    burst: u64,
    bucket: Arc<Bucket>,
    grain: usize,
    waiting_limit: usize,
    queue: VecDeque<Piece>,
    waiting: usize,
    /// The next piece to leave: how much of the first in the queue, and when.
    next: Option<(usize, Duration)>,
    last_left: Duration,
    /// Since when, in real time, there was always something waiting.
    busy_since: Duration,
}

impl Bandwidth {
    pub(crate) fn new(rate: f64, burst: u64, bucket: Arc<Bucket>) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "at most 2^30")]
        let bytes = |time: Duration| (rate * time.as_secs_f64()).min(f64::from(1 << 30)) as usize;
        Self {
            nanos_per_byte: 1e9 / rate,
            paid: 0,
            burst: nanos_for(burst as f64, 1e9 / rate),
            bucket,
            grain: bytes(GRAIN).max(1),
            waiting_limit: bytes(WAITING_TIME).max(WAITING_BYTES),
            queue: VecDeque::new(),
            waiting: 0,
            next: None,
            last_left: Duration::ZERO,
            busy_since: Duration::ZERO,
        }
    }

    pub(crate) fn push(&mut self, piece: Piece, now: Duration) {
        if self.queue.is_empty() {
            self.busy_since = now;
        }
        self.waiting += piece.len;
        self.queue.push_back(piece);
        self.schedule();
    }

    /// Takes tokens for the first grain of the queue.
    fn schedule(&mut self) {
        if self.next.is_some() {
            return;
        }
        let Some(first) = self.queue.front() else { return };
        let len = first.len.min(self.grain);
        let at = first.at.max(self.last_left);
        let (cost, first_byte) = (self.cost(len), self.cost(len.min(1)));
        self.paid += len as u64;
        let credit = self.burst.saturating_add(cost - first_byte);
        self.next = Some((len, Duration::from_nanos(self.bucket.take(nanos(at), cost, credit))));
    }

    /// The time that the next `len` bytes take. Fractions of nanoseconds are carried on to the bytes behind them.
    fn cost(&self, len: usize) -> u64 {
        let until = |bytes: u64| nanos_for(bytes as f64, self.nanos_per_byte);
        until(self.paid + len as u64) - until(self.paid)
    }

    pub(crate) fn pop(&mut self, now: Duration) -> Option<Piece> {
        let (len, due) = self.next.take_if(|(_, due)| *due <= now)?;
        let first = self.queue.front_mut()?;
        let piece = if len < first.len { first.split(len) } else { self.queue.pop_front()? };
        self.waiting -= len;
        self.last_left = due;
        self.schedule();
        Some(Piece { at: due, ..piece })
    }

    /// The real time since this was last asked in which something waited.
    pub(crate) fn busy_time(&mut self, now: Duration) -> Duration {
        let busy = now.saturating_sub(self.busy_since);
        self.busy_since = now;
        busy
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        self.next.map(|(_, due)| due)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= self.waiting_limit
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Piece> + '_ {
        self.waiting = 0;
        self.next = None;
        self.queue.drain(..)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn nanos_for(bytes: f64, nanos_per_byte: f64) -> u64 {
    (bytes * nanos_per_byte) as u64
}
