use proptest::prelude::*;

use super::*;

type Window = (u64, Option<u64>);

fn second(at: u64) -> Duration {
    Duration::from_secs(at)
}

fn union(windows: &[Window]) -> Windows {
    Windows::union(windows.iter().map(|(start, end)| (second(*start), end.map(second))).collect())
}

/// Returns true if one of the windows contains the time.
fn naive(windows: &[Window], at: u64) -> bool {
    windows.iter().any(|(start, end)| *start <= at && end.is_none_or(|end| at < end))
}

#[test]
fn overlapping_and_touching_windows_are_one() {
    let merged: Vec<_> =
        union(&[(3, Some(5)), (1, Some(2)), (2, Some(3)), (7, Some(9)), (8, Some(8))]).iter().collect();
    assert_eq!(merged, [(second(1), Some(second(5))), (second(7), Some(second(9)))]);
}

#[test]
fn always_and_never() {
    assert!(Windows::always().is_always() && Windows::always().is_on(Duration::MAX));
    assert!(union(&[(0, Some(4)), (2, None)]).is_always());
    assert!(!Windows::never().is_always() && !Windows::never().is_on(Duration::ZERO));
    assert!(!union(&[(0, Some(4))]).is_always() && !union(&[(1, None)]).is_always());
    assert_eq!(
        (Windows::always().next_change(Duration::ZERO), Windows::never().next_change(Duration::ZERO)),
        (None, None)
    );
}

#[test]
fn what_cannot_be_reached_is_left_out() {
    assert_eq!(union(&[(1, Some(2))]).within(Duration::MAX, None), Windows::never());
    let last = union(&[(0, Some(2))]).within(Duration::MAX, None);
    assert!(last.is_on(Duration::MAX));
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    prop::collection::vec((0..30u64, prop::option::weighted(0.9, 0..30u64)), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn they_are_the_union(windows in windows()) {
        let union = union(&windows);
        for at in 0..40 {
            prop_assert_eq!(union.is_on(second(at)), naive(&windows, at));
            let change = (at + 1..40).find(|next| naive(&windows, *next) != naive(&windows, at));
            prop_assert_eq!(union.next_change(second(at)), change.map(second));
        }
    }

    #[test]
    fn they_are_sorted_apart_and_not_empty(windows in windows()) {
        let union = union(&windows);
        prop_assert!(union.changes.is_sorted_by(|earlier, later| earlier < later));
        prop_assert_eq!(&Windows::union(union.iter().collect()), &union);
    }

    #[test]
    fn within_shifts_and_clips(windows in windows(), start in 0..20u64, end in prop::option::of(0..40u64)) {
        let within = union(&windows).within(second(start), end.map(second));
        for at in 0..60 {
            let inside = start <= at && end.is_none_or(|end| at < end);
            prop_assert_eq!(within.is_on(second(at)), inside && naive(&windows, at - start), "at {}", at);
        }
        prop_assert!(within.changes.is_sorted_by(|earlier, later| earlier < later));
    }
}
