//! The congestion window, in segments.

/// Slow start, congestion avoidance, one halving per window (RFC 5681), and one segment after a timeout.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) size: usize,
    threshold: usize,
    /// Acknowledgments since the window last grew. Counted in congestion avoidance.
    acknowledged: usize,
    /// Transmissions with a lower number were sent when the window was full.
    full_to: u64,
    /// The first segment that was not sent when the window was last reduced. Losses of earlier segments do
    /// not reduce it again.
    cut_at: u64,
    /// Number of segments before `cut_at` that are not acknowledged. The recovery ends when it is 0.
    unrecovered: usize,
    /// True if the last reduction was for a timeout. The window then grows during the recovery.
    after_timeout: bool,
}

impl Window {
    /// Returns the initial window of RFC 6928: ten segments, but at most 14,600 bytes and at least two
    /// segments.
    pub(super) fn new(mss: u32) -> Self {
        Self { size: (14_600 / mss.max(1)).clamp(2, 10) as usize, threshold: usize::MAX, ..Self::default() }
    }

    pub(super) fn recovering(&self) -> bool {
        self.unrecovered > 0
    }

    /// Records that transmission `number` was sent. `outstanding` includes it.
    pub(super) fn sent(&mut self, number: u64, outstanding: usize) {
        if outstanding >= self.size {
            self.full_to = number + 1;
        }
    }

    /// Records that transmission `number` of `segment` was acknowledged.
    ///
    /// A window that was not full does not grow (see RFC 7661 for the reason).
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

    /// Returns true if the window was not yet reduced for the loss of `segment`.
    pub(super) fn is_news(&self, segment: u64) -> bool {
        segment >= self.cut_at
    }

    /// Halves the window because a loss was detected. `unsent` is the first segment that was not sent, and
    /// `unacknowledged` the number of earlier segments that were not acknowledged.
    ///
    /// RFC 5681 halves the outstanding data instead of the window, because some senders let the window grow
    /// without using it. This window grows only if it is full, and the outstanding data depends on how fast
    /// the source is read.
    pub(super) fn halve(&mut self, unsent: u64, unacknowledged: usize) {
        self.threshold = self.half();
        self.size = self.threshold;
        self.cut(unsent, unacknowledged);
        self.after_timeout = false;
    }

    /// Reduces the window to one segment after a timeout, followed by slow start up to half of the previous
    /// window. `first` is true for the first timeout in a row.
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

    /// Acknowledges a full window whose segments start at `first`.
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
