//! Cuts a flow into small pieces that are delivered separately.

use rand::RngExt;

use super::prelude::*;

/// Maximum number of waiting bytes.
const WAITING_LIMIT: usize = 64 << 10;

/// Forwards data in small pieces.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Slicer {
    /// Average size of a piece in bytes, at least 1.
    pub size: u32,
    /// Maximum difference from the average size in bytes; less than `size`.
    pub variation: u32,
    /// Delay between pieces.
    pub delay: Duration,
}

impl Slicer {
    /// Forwards pieces of `size` ± `variation` bytes, `delay` apart.
    pub fn new(size: u32, variation: u32, delay: Duration) -> Self {
        Self { size, variation, delay }
    }
}

impl Behavior for Slicer {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (size, variation) = (Size(self.size.into()), Size(self.variation.into()));
        write!(f, "slicer, pieces of {size} ± {variation} every {}", Time(self.delay))
    }

    fn place(&self) -> Place {
        Place::Pieces
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(SlicerStage::new(self.clone(), start.key)))
    }
}

#[derive(Debug)]
struct SlicerStage {
    slicer: Slicer,
    key: DrawKey,
    queue: Fifo<Chunk>,
    waiting: usize,
    /// Remaining bytes of the current slice, or 0 between slices.
    left: usize,
    not_before: Duration,
}

impl SlicerStage {
    fn new(slicer: Slicer, key: DrawKey) -> Self {
        Self { slicer, key, queue: Fifo::new(), waiting: 0, left: 0, not_before: Duration::ZERO }
    }

    fn add(&mut self, chunk: Chunk) {
        self.waiting += chunk.len;
        self.queue.push_back(chunk);
    }

    /// Returns the next piece. Also returns the size of its slice if the slice begins with the piece.
    fn leave(&mut self, now: Duration) -> Option<(Chunk, Option<usize>)> {
        if self.due()? > now {
            return None;
        }
        let begins = self.left == 0;
        let first = self.queue.front_mut()?;
        // The rest of a slice does not leave before its start, whenever it arrived.
        let at = first.at.max(self.not_before);
        if first.len == 0 {
            return self.queue.pop_front().map(|end| (Chunk { at, ..end }, None));
        }
        let mut drawn = None;
        if begins {
            let Slicer { size, variation, .. } = self.slicer;
            let sizes = size - variation..=size.saturating_add(variation);
            self.left = self.key.at(first.offset).random_range(sizes) as usize;
            self.not_before = at;
            drawn = Some(self.left);
        }
        let mut chunk =
            if self.left < first.len { first.split(self.left) } else { self.queue.pop_front()? };
        self.waiting -= chunk.len;
        self.left -= chunk.len;
        chunk.at = at;
        if self.left == 0 {
            chunk.cut = true;
            self.not_before = at.saturating_add(self.slicer.delay);
        }
        Some((chunk, drawn))
    }
}

impl Stage for SlicerStage {
    fn push(&mut self, chunk: Chunk, _tools: &mut StageContext<'_>) -> Option<Chunk> {
        self.add(chunk);
        None
    }

    fn pop(&mut self, now: Duration, context: &mut StageContext<'_>) -> Option<Chunk> {
        let (chunk, drawn) = self.leave(now)?;
        // Data that is shorter than a piece passes as it is.
        if chunk.len > 0 && self.left == 0 {
            context.counters.record_action();
        }
        if let Some(size) = drawn {
            context.record(&chunk, Decision::Slice { size: size as u64 });
        }
        Some(chunk)
    }

    fn due(&self) -> Option<Duration> {
        Some(self.queue.front()?.at.max(self.not_before))
    }

    fn drain(&mut self) -> Vec<Chunk> {
        self.waiting = 0;
        self.queue.drain(..).collect()
    }

    fn memory(&self) -> usize {
        self.queue.memory()
    }

    fn is_full(&self) -> bool {
        self.waiting >= WAITING_LIMIT
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "slicer",
    help: "Forward data in small pieces",
    target: Target::Flow(SocketDirection::Ingress),
    parameters: &[
        Parameter::bytes("size", "Average size of a piece, for example 64B").main().one_of(&["size"]),
        Parameter::bytes("variation", "Maximum difference of a piece from the average size").or("0"),
        Parameter::time("delay", "Delay between pieces").or("0").main(),
    ],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    size: Option<ByteCount>,
    variation: Option<ByteCount>,
    delay: Option<Millis>,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let size = chunks("size", needed("size", self.size, "64B")?)?;
        let variation = self.variation.map_or(Ok(0), |variation| chunks("variation", variation))?;
        if size == 0 {
            return Err(ParamError::new("size", "is 0: use at least 1B"));
        }
        if variation >= size {
            return Err(ParamError::new(
                "variation",
                format!("is not less than `size`, so that a piece could be empty: use {}B at most", size - 1),
            ));
        }
        Ok(Slicer { size, variation, delay: self.delay.map_or(Duration::ZERO, Millis::duration) }.into())
    }
}

fn chunks(param: &'static str, bytes: ByteCount) -> Result<u32, ParamError> {
    u32::try_from(bytes.count())
        .map_err(|_| ParamError::new(param, format!("{bytes} is too many: use less than 4GiB")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::chunk::FlowEnd;

    #[test]
    fn a_slice_of_two_pieces_keeps_its_distance_from_the_next() {
        let slicer = Slicer { size: 10, variation: 0, delay: Duration::from_secs(1) };
        let mut slicer = SlicerStage::new(slicer, DrawKey::new(1, "db", 1, None, "slicer"));
        for _ in 0..2 {
            slicer.add(Chunk { len: 15, ..Chunk::ending(Duration::ZERO, FlowEnd::No) });
        }
        let mut left = Vec::new();
        while let Some(due) = slicer.due() {
            let (chunk, _) = slicer.leave(due).expect("it is due");
            left.push((chunk.len, chunk.at.as_secs(), chunk.cut));
        }
        assert_eq!(left, [(10, 0, true), (5, 1, false), (5, 1, true), (10, 2, true)]);
    }
}
