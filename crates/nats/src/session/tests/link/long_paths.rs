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
