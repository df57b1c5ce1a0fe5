//! The congestion window, in segments.

/// Slow start, congestion avoidance, one halving a window (RFC 5681), one segment after a timeout.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) size: usize,
    threshold: usize,
    /// Acknowledgments since the window last grew, in congestion avoidance.
    acknowledged: usize,
    /// Transmissions before this one were part of a full window.
    full_to: u64,
    /// The first segment not yet sent when the window was last cut: losses before it belong to that cut.
    cut_at: u64,
    /// Segments before `cut_at` that are not acknowledged. The recovery ends when this is 0.
    unrecovered: usize,
    /// The last cut was a timeout: the window grows during the recovery.
    after_timeout: bool,
}

impl Window {
    /// RFC 6928: ten segments, or 14,600 bytes of larger ones, at least two.
    pub(super) fn new(mss: u32) -> Self {
        Self { size: (14_600 / mss.max(1)).clamp(2, 10) as usize, threshold: usize::MAX, ..Self::default() }
    }

    pub(super) fn recovering(&self) -> bool {
        self.unrecovered > 0
    }

    /// Transmission `number` left, and made `outstanding` of them.
    pub(super) fn sent(&mut self, number: u64, outstanding: usize) {
        if outstanding >= self.size {
            self.full_to = number + 1;
        }
    }

    /// `segment` is acknowledged, by its transmission `number`.
    ///
    /// A window that was not full does not grow (RFC 7661 gives the reason).
    pub(super) fn acknowledged(&mut self, segment: u64, number: u64) {
        if (!self.recovering() || self.after_timeout) && number < self.full_to {
            self.grow();
        }
        if segment < self.cut_at && self.unrecovered > 0 {
            self.unrecovered -= 1;
        }
    }

    fn grow(&mut self) {
        self.acknowledged += 1;
        if self.size < self.threshold || self.acknowledged >= self.size {
            self.size += 1;
            self.acknowledged = 0;
        }
    }

    /// Whether the loss of `segment` is one that the window was not yet cut for.
    pub(super) fn is_news(&self, segment: u64) -> bool {
        segment >= self.cut_at
    }

    /// Halves it: a loss was found. `unsent` is the first segment not yet sent, `unacknowledged` how many before it were
    /// not acknowledged.
    ///
    /// RFC 5681 halves what is outstanding instead, because some windows grow without use. This one does not, and what is
    /// outstanding depends on how fast the source is read.
    pub(super) fn halve(&mut self, unsent: u64, unacknowledged: usize) {
        self.threshold = self.half();
        self.size = self.threshold;
        self.cut(unsent, unacknowledged);
        self.after_timeout = false;
    }

    /// A timeout, the first in a row or not: one segment at a time, then slow start to half of what it was.
    pub(super) fn collapse(&mut self, first: bool, unsent: u64, unacknowledged: usize) {
        if first {
            self.threshold = self.half();
        }
        self.size = 1;
        self.cut(unsent, unacknowledged);
        self.after_timeout = true;
    }

    fn half(&self) -> usize {
        (self.size / 2).max(2)
    }

    fn cut(&mut self, unsent: u64, unacknowledged: usize) {
        self.acknowledged = 0;
        self.cut_at = unsent;
        self.unrecovered = unacknowledged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Acknowledges a full window, whose segments start at `first`.
    fn round(window: &mut Window, first: u64) -> u64 {
        let count = window.size as u64;
        window.sent(first + count - 1, window.size);
        (first..first + count).for_each(|segment| window.acknowledged(segment, segment));
        first + count
    }

    #[test]
    fn the_initial_window_follows_rfc_6928() {
        let sizes = [536, 1460, 4000, 9000, 65_000].map(|mss| Window::new(mss).size);
        assert_eq!(sizes, [10, 10, 3, 2, 2]);
    }

    #[test]
    fn it_doubles_a_round_below_the_threshold_and_adds_one_above() {
        let mut window = Window::new(1460);
        let next = round(&mut window, 0);
        assert_eq!(window.size, 20);
        window.halve(next, 0);
        assert_eq!(window.size, 10);
        let next = round(&mut window, next);
        assert_eq!(window.size, 11);
        round(&mut window, next);
        assert_eq!(window.size, 12);
    }

    #[test]
    fn it_does_not_grow_unless_it_was_full() {
        let mut window = Window::new(1460);
        window.sent(8, 9);
        (0..9).for_each(|segment| window.acknowledged(segment, segment));
        assert_eq!(window.size, 10);
    }

    #[test]
    fn it_is_cut_once_a_window_and_grows_again_when_all_of_it_is_acknowledged() {
        let mut window = Window::new(1460);
        window.halve(10, 9);
        assert!(!window.is_news(9) && window.is_news(10));
        window.sent(40, 10);
        (1..10).for_each(|segment| window.acknowledged(segment, segment));
        assert_eq!((window.size, window.recovering()), (5, false));
        (10..15).for_each(|segment| window.acknowledged(segment, segment));
        assert_eq!(window.size, 6);
    }

    #[test]
    fn after_a_timeout_it_starts_slowly_up_to_half_of_what_it_was() {
        let mut window = Window::new(1460);
        window.collapse(true, 10, 10);
        window.collapse(false, 10, 10);
        assert_eq!(window.size, 1);
        let next = round(&mut window, 0);
        let next = round(&mut window, next);
        assert_eq!(window.size, 4);
        round(&mut window, next);
        assert_eq!((window.size, window.threshold), (5, 5));
    }

    #[test]
    fn a_cut_leaves_two_segments_at_least() {
        let mut window = Window::new(1460);
        (0..5).for_each(|_| window.halve(1, 1));
        assert_eq!(window.size, 2);
    }
}
