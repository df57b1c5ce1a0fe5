use std::iter;
use std::time::Duration;

/// Times at which a fault is on, since the start of the run. The fault is on from the start of each window
/// until its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    /// Instants at which the fault is switched, strictly ascending: on, off, on, ...
    changes: Vec<Duration>,
}

impl Windows {
    /// Returns a single window from the start of the run without an end.
    pub fn always() -> Self {
        Self { changes: vec![Duration::ZERO] }
    }

    /// Returns windows in which the fault is never on.
    pub fn never() -> Self {
        Self { changes: Vec::new() }
    }

    /// Returns the union of the windows, which are on where at least one of them is. A window without an end
    /// lasts forever. Windows that end before they start are left out.
    pub(super) fn union(mut windows: Vec<(Duration, Option<Duration>)>) -> Self {
        windows.retain(|(start, end)| end.is_none_or(|end| *start < end));
        windows.sort_unstable();
        let mut merged: Vec<(Duration, Option<Duration>)> = Vec::new();
        for (start, end) in windows {
            match merged.last_mut() {
                Some((_, last)) if last.is_none_or(|last| start <= last) => {
                    *last = last.zip(end).map(|(last, end)| last.max(end));
                }
                _ => merged.push((start, end)),
            }
        }
        let changes = merged.into_iter().flat_map(|(start, end)| iter::once(start).chain(end)).collect();
        Self { changes }
    }

    /// Returns true if the fault is on at this time.
    pub fn is_on(&self, at: Duration) -> bool {
        self.changes_until(at) % 2 == 1
    }

    /// Returns the first instant later than `after` at which [`is_on`](Self::is_on) changes, or `None` if it
    /// does not change.
    pub fn next_change(&self, after: Duration) -> Option<Duration> {
        self.changes.get(self.changes_until(after)).copied()
    }

    /// Returns true if the fault is on for the whole run.
    pub fn is_always(&self) -> bool {
        self.changes == [Duration::ZERO]
    }

    /// Returns the start and the end of each window, in order. The last window may not have an end. Windows
    /// neither overlap nor touch.
    pub fn iter(&self) -> impl Iterator<Item = (Duration, Option<Duration>)> {
        self.changes.chunks(2).map(|window| (window[0], window.get(1).copied()))
    }

    /// Returns the parts of these windows within `start..end`, with times counted from `start`.
    #[must_use]
    pub fn within(&self, start: Duration, end: Option<Duration>) -> Self {
        let shifted = self.changes.iter().map_while(|change| change.checked_add(start));
        let mut changes: Vec<_> = shifted.take_while(|change| end.is_none_or(|end| *change < end)).collect();
        if changes.len() % 2 == 1 {
            changes.extend(end);
        }
        Self { changes }
    }

    fn changes_until(&self, at: Duration) -> usize {
        self.changes.partition_point(|change| *change <= at)
    }
}

#[cfg(test)]
mod tests;
