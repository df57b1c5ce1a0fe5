//! Round trips that take longer than the timers of short paths, as with satellites.

use super::*;

#[test]
fn a_download_on_a_path_of_a_second_is_not_sent_in_short_messages() {
    for delay in [300, 500] {
        let mut link = Link::new(1_250_000, delay * MS);
        link.open(Load::Download);
        link.pass(10 * SECOND);
        let seen = link.watch(60 * SECOND);
        assert!(seen.goodput > 0.84, "{delay}: {seen:?}");
    }
}

#[test]
fn downloads_on_a_long_path_get_equal_shares_soon() {
    for (rate, apart) in [(10_000_000, 0), (10_000_000, 1000), (10_000_000, 10_000), (1_250_000, 500)] {
        let mut link = Link::new(rate, 200 * MS);
        for _ in 0..4 {
            link.open(Load::Download);
            link.pass(apart * MS);
        }
        link.pass(20 * SECOND);
        let seen = link.watch(60 * SECOND);
        assert!(seen.goodput > 0.9 && seen.least_share > 0.8, "{rate} {apart}: {seen:?}");
    }
}
