//! Selection of sessions by the order in which they start.

use std::fmt::{self, Display, Formatter};
use std::num::NonZeroU64;

use parking_lot::Mutex;

/// The sessions of a proxy that a fault acts on, by the order in which they start.
///
/// Sessions are counted while the fault is on: from the moment at which it is added, and in the windows of
/// its schedule. A selection other than [`ALL`](Self::ALL) does not apply to sessions that are already open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// Number of sessions to skip first.
    pub skip: u64,
    /// Distance between selected sessions. The first session that is not skipped is selected.
    pub every: NonZeroU64,
    /// Maximum number of sessions that the fault acts on, or `None` if it is unlimited. Sessions that are
    /// left out by the [`probability`](crate::Fault::probability) do not count.
    pub times: Option<NonZeroU64>,
}

impl Selection {
    /// All sessions, including those that are open when the fault is added.
    pub const ALL: Self = Self { skip: 0, every: NonZeroU64::MIN, times: None };

    /// Returns true if the selection does not depend on the order of sessions.
    pub fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    /// Returns true if the session `number`, counted from 1, is selected.
    fn contains(&self, number: u64) -> bool {
        number > self.skip && (number - self.skip - 1).is_multiple_of(self.every.get())
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self::ALL
    }
}

/// Displays the parts that differ from [`ALL`](Selection::ALL), such as `skip 2, every 3, times 1`.
impl Display for Selection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.skip > 0).then(|| format!("skip {}", self.skip)),
            (self.every > NonZeroU64::MIN).then(|| format!("every {}", self.every)),
            self.times.map(|times| format!("times {times}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// Counts the sessions of a fault, and selects some of them.
#[derive(Debug)]
pub(crate) struct SessionSelector {
    pub(crate) selection: Selection,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    started: u64,
    selected: u64,
}

impl SessionSelector {
    pub(crate) fn new(selection: Selection) -> Self {
        Self { selection, progress: Mutex::default() }
    }

    /// Counts the next session. Returns true if the fault acts on it. `draw` returns the result of the draw
    /// for its probability.
    pub(crate) fn select(&self, draw: impl FnOnce() -> bool) -> bool {
        let mut progress = self.progress.lock();
        progress.started += 1;
        let is_selected = self.selection.contains(progress.started)
            && self.selection.times.is_none_or(|times| progress.selected < times.get())
            && draw();
        progress.selected += u64::from(is_selected);
        is_selected
    }

    /// Returns true if no further session can be selected.
    pub(crate) fn is_used_up(&self) -> bool {
        let progress = self.progress.lock();
        self.selection.times.is_some_and(|times| progress.selected >= times.get())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn selected(selection: Selection, sessions: u64, drawn: impl Fn(u64) -> bool) -> Vec<u64> {
        let selector = SessionSelector::new(selection);
        (1..=sessions).filter(|number| selector.select(|| drawn(*number))).collect()
    }

    fn selection(skip: u64, every: u64, times: u64) -> Selection {
        Selection { skip, every: NonZeroU64::new(every).expect("at least 1"), times: NonZeroU64::new(times) }
    }

    #[test]
    fn sessions_are_selected_by_their_order() {
        assert_eq!(selected(Selection::ALL, 3, |_| true), [1, 2, 3]);
        assert_eq!(selected(selection(0, 1, 2), 9, |_| true), [1, 2]);
        assert_eq!(selected(selection(2, 1, 0), 5, |_| true), [3, 4, 5]);
        assert_eq!(selected(selection(0, 3, 0), 9, |_| true), [1, 4, 7]);
        assert_eq!(selected(selection(2, 3, 2), 20, |_| true), [3, 6]);
    }

    #[test]
    fn times_counts_the_sessions_that_the_probability_does_not_spare() {
        assert_eq!(selected(selection(1, 2, 2), 20, |number| number % 4 == 0), [4, 8]);
    }

    #[test]
    fn a_selector_is_used_up_after_the_last_of_its_times() {
        let selector = SessionSelector::new(selection(1, 1, 2));
        let used_up = |drawn: bool| {
            selector.select(|| drawn);
            selector.is_used_up()
        };
        assert_eq!([true, true, false, true].map(used_up), [false, false, false, true]);
        let unlimited = SessionSelector::new(selection(1, 1, 0));
        unlimited.select(|| true);
        assert!(!unlimited.is_used_up());
    }

    #[test]
    fn only_the_given_parts_are_displayed() {
        assert_eq!(selection(2, 3, 1).to_string(), "skip 2, every 3, times 1");
        assert_eq!(selection(0, 1, 5).to_string(), "times 5");
        assert_eq!(Selection::ALL.to_string(), "");
    }

    proptest! {
        #[test]
        fn the_selection_is_every_nth_behind_the_first(skip in 0_u64..20, every in 1_u64..6, times in 0_u64..8, sessions in 0_u64..60) {
            let expected = (skip + 1..=sessions).step_by(usize::try_from(every).expect("small"));
            let limit = if times == 0 { usize::MAX } else { usize::try_from(times).expect("small") };
            let expected: Vec<_> = expected.take(limit).collect();
            prop_assert_eq!(selected(selection(skip, every, times), sessions, |_| true), expected);
        }
    }
}
