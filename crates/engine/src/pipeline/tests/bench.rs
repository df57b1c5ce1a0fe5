use super::*;

/// Time, fault, offset and decision of a journal entry.
pub(super) type Decided = (Duration, String, u64, Decision);

/// A pipeline, its buffer, and the bytes that have left it with their times.
pub(super) struct Bench {
    pub(super) pipeline: Pipeline,
    pub(super) buffer: BlockBuffer,
    pub(super) sent: u64,
    /// Lengths of the reads.
    pub(super) reads: Vec<usize>,
    pub(super) out: Vec<(Duration, Vec<u8>)>,
    pub(super) end: Option<(Duration, FlowEnd)>,
}

impl Bench {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self::with_seed(faults, 1)
    }

    pub(super) fn with_seed(faults: Vec<Fault>, seed: u64) -> Self {
        let identity = SessionContext {
            seed,
            proxy: "db".into(),
            session: 1,
            opened: Duration::ZERO,
            rtt: 20 * MS,
            has_journal: true,
            selected_by: Box::default(),
        };
        let plan = plan_of(faults, Duration::ZERO);
        let segmenter = Segmenter::for_plan(&plan);
        let pipeline =
            Pipeline::new(&plan, Arc::new(identity), Direction::ToUpstream, segmenter, Duration::ZERO);
        Self { pipeline, buffer: BlockBuffer::new(), sent: 0, reads: Vec::new(), out: Vec::new(), end: None }
    }

    /// Delivers `len` bytes to the pipeline, after everything that is due before `now`.
    pub(super) fn send(&mut self, now: Duration, len: usize) {
        self.run_to(now);
        self.arrive(now, len);
        self.take(now);
    }

    /// Delivers `len` bytes to the pipeline without releasing due bytes first.
    pub(super) fn arrive(&mut self, now: Duration, len: usize) {
        let mut left = len;
        while left > 0 {
            let room = self.buffer.room(1 << 20);
            let part = left.min(room.capacity() - room.len());
            room.extend((self.sent..).take(part).map(pattern));
            let arrival = Arrival { at: now, turn: 0, was_empty: true };
            self.pipeline.on_received(arrival, self.buffer.last(part));
            self.sent += part as u64;
            self.reads.push(part);
            left -= part;
        }
    }

    /// Removes all bytes that may leave at `now`.
    pub(super) fn take(&mut self, now: Duration) {
        self.pipeline.advance(now);
        loop {
            match self.pipeline.output() {
                Output::Deliver(len) => {
                    let bytes = self.buffer.head(len).to_vec();
                    self.drop_head(bytes.len());
                    self.out.push((now, bytes));
                }
                Output::Discard(len) => self.drop_head(len),
                Output::Insert => self.buffer.prepend(&self.pipeline.take_inserted()),
                Output::End(end) => {
                    self.end.get_or_insert((now, end));
                    return;
                }
                Output::Wait => return,
            }
        }
    }

    pub(super) fn drop_head(&mut self, len: usize) {
        self.buffer.consume(len);
        self.pipeline.on_output(len);
    }

    /// Removes the bytes that are due at each deadline up to `end`.
    pub(super) fn run_to(&mut self, end: Duration) {
        while let Some(deadline) = self.pipeline.deadline.filter(|deadline| *deadline <= end) {
            self.take(deadline);
            if self.end.is_some() {
                return;
            }
            assert!(
                self.pipeline.deadline.is_none_or(|next| next > deadline),
                "stuck at {deadline:?}: {:?}",
                self.pipeline
            );
        }
        self.take(end);
    }

    pub(super) fn decisions_by_fault(&mut self) -> Vec<(String, u64, Decision)> {
        let decisions = self.timed_decisions_by_fault().into_iter();
        decisions.map(|(_, fault, offset, decision)| (fault, offset, decision)).collect()
    }

    pub(super) fn timed_decisions_by_fault(&mut self) -> Vec<Decided> {
        let decisions = self.pipeline.take_decisions().into_iter();
        let mut decisions: Vec<_> = decisions
            .map(|decision| (decision.at, decision.fault.to_string(), decision.offset, decision.decision))
            .collect();
        decisions.sort_by(|one, other| one.1.cmp(&other.1));
        decisions
    }

    pub(super) fn received(&self) -> Vec<u8> {
        self.out.iter().flat_map(|(_, bytes)| bytes).copied().collect()
    }

    pub(super) fn arrivals(&self) -> Vec<(u64, usize)> {
        self.out.iter().map(|(at, bytes)| (u64::try_from(at.as_millis()).unwrap(), bytes.len())).collect()
    }
}
