use proptest::prelude::*;

use super::*;
use crate::margin::confidence;

/// Runs a search to its end. `result` is asked for each run with its place: whether it passes and whether the fault acts.
fn end(search: &mut Search, mut result: impl FnMut(u32) -> (bool, bool)) -> (Step, u32) {
    for runs in 0.. {
        match search.next() {
            Step::Run(place) => {
                let (passed, acted) = result(place);
                search.record(place, passed, acted);
            }
            end => return (end, runs),
        }
    }
    unreachable!("a search ends")
}

/// Like [`end`], with a fault that always acts.
fn run(search: &mut Search, mut passes: impl FnMut(u32) -> bool) -> (Outcome, u32) {
    match end(search, |place| (passes(place), true)) {
        (Step::Done(outcome), runs) => (outcome, runs),
        (step, _) => panic!("{step:?}"),
    }
}

fn outcome(last: u32, repeat: u32, passes: impl FnMut(u32) -> bool) -> Outcome {
    run(&mut Search::new(last, repeat), passes).0
}

/// SplitMix64, as a source of chances: returns true with this probability.
fn chances(mut state: u64) -> impl FnMut(f64) -> bool {
    move |probability| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((mixed >> 11) as f64 / (1u64 << 53) as f64) < probability
    }
}

proptest! {
    #[test]
    fn each_threshold_is_found(last in 1..100_000u32, any: u32, repeat in 1..5u32) {
        let fails = 1 + any % last;
        let mut search = Search::new(last, repeat);
        let (outcome, runs) = run(&mut search, |place| place < fails);
        prop_assert_eq!(outcome, Outcome::Found { passes: fails - 1, fails: Some(fails) });
        let bisected = u32::BITS - (last - 1).leading_zeros();
        let [ends, probes] = [2, 2];
        prop_assert!(runs <= (ends + bisected + probes) * repeat, "{} runs", runs);
        prop_assert!(search.seen().values().all(|tally| tally.runs() == repeat));
    }

    #[test]
    fn a_search_ends_whatever_happens(
        last in 1..2000u32, repeat in 1..5u32, seed: u64, passing in 0.0..1.0, acting in 0.0..1.2,
    ) {
        let mut chances = chances(seed);
        let mut search = Search::new(last, repeat);
        let (_, runs) = end(&mut search, |_| (chances(passing), chances(acting)));
        let most = search.seen().values().map(|_| repeat * MAX_RUNS).sum::<u32>();
        prop_assert!(runs <= most, "{runs} of at most {most}");
    }
}

#[test]
fn the_ends_come_first() {
    assert_eq!(outcome(500, 3, |_| false), Outcome::FailsAtEasyEnd);
    let mut search = Search::new(500, 3);
    assert_eq!(run(&mut search, |_| true), (Outcome::PassesAtHardEnd, 3 + 15 + 3));
    assert_eq!(search.seen().len(), 3);
    assert_eq!(outcome(1, 1, |place| place == 0), Outcome::Found { passes: 0, fails: Some(1) });
}

#[test]
fn failures_without_the_fault_are_not_a_limit() {
    // The end of the range, a value that is bisected, and one that is probed.
    for (unrelated, at) in [(500..=500, 500), (240..=260, 250), (1..=1, 1)] {
        let mut search = Search::new(500, 3);
        let result = |place| (place < 4 && !unrelated.contains(&place), !unrelated.contains(&place));
        assert_eq!(end(&mut search, result).0, Step::Unrelated(at));
        assert_eq!((search.tally(at).unrelated, search.tally(at).failed), (3, 0));
    }
    let mut search = Search::new(500, 3);
    assert_eq!(end(&mut search, |_| (false, false)).0, Step::Done(Outcome::FailsAtEasyEnd));
}

#[test]
fn few_failures_without_the_fault_do_not_count() {
    const SEARCHES: u64 = 1000;
    let mut right = 0;
    for seed in 0..SEARCHES {
        let mut chances = chances(seed);
        let threshold = 1 + (seed * 7919 % 500) as u32;
        let mut search = Search::new(500, 3);
        // A tenth of the runs fails before the fault can act.
        let result = |place| match chances(0.1) {
            true => (false, false),
            false => (place < threshold, true),
        };
        match end(&mut search, result).0 {
            Step::Done(Outcome::Found { passes, fails: Some(fails) }) => {
                right += u64::from((passes, fails) == (threshold - 1, threshold));
            }
            Step::Done(Outcome::FailsAtEasyEnd) | Step::Unrelated(_) => {}
            step => panic!("{step:?}"),
        }
    }
    assert!(right >= SEARCHES * 95 / 100, "{right} were right");
}

#[test]
fn islands_on_either_side_are_found() {
    let island = |place: u32| place < 20 || (350..400).contains(&place);
    assert_eq!(outcome(500, 3, island), Outcome::NotMonotonic { passes: 19 });
    let hole = |place: u32| place < 300 && !(100..150).contains(&place);
    assert_eq!(outcome(500, 3, hole), Outcome::NotMonotonic { passes: 0 });
    let hole_between_ends = |place: u32| !(200..300).contains(&place);
    assert_eq!(outcome(500, 3, hole_between_ends), Outcome::NotMonotonic { passes: 0 });
}

#[test]
fn a_gradual_change_is_between_two_values() {
    let mut number = 0;
    // From 40 to 59, every other run fails.
    let gradual = |place: u32| {
        number += 1;
        place < 40 || (place < 60 && number % 2 == 0)
    };
    let found = outcome(100, 3, gradual);
    assert_eq!(found, Outcome::Found { passes: 39, fails: Some(60) });
}

#[test]
fn an_interval_has_the_limit_as_often_as_it_says() {
    const SEARCHES: u64 = 1000;
    let (mut found, mut right) = (0, 0);
    for seed in 0..SEARCHES {
        let mut chances = chances(seed);
        // From a command that always fails by itself in some runs to one that never does.
        let noise = [0.0, 0.05, 0.1, 0.2][(seed % 4) as usize];
        let threshold = 1 + (seed * 7919 % 500) as u32;
        let mut search = Search::new(500, 3);
        let (outcome, _) = run(&mut search, |place| !chances(if place < threshold { noise } else { 1.0 }));
        let Outcome::Found { passes, fails } = outcome else { continue };
        let (low, high) = confidence::limit(search.seen(), (passes, fails.unwrap_or(500)));
        found += 1;
        right += u64::from(low < threshold && threshold <= high);
    }
    assert!(found >= SEARCHES * 9 / 10, "{found} were found");
    assert!(right as f64 >= found as f64 * confidence::CONFIDENCE, "{right} of {found}");
}

#[test]
fn chance_is_not_taken_for_a_limit() {
    const SEARCHES: u64 = 1000;
    let (mut limits, mut unseen) = (0, 0);
    for seed in 0..SEARCHES {
        let mut chances = chances(seed);
        let mut search = Search::new(500, 3);
        match run(&mut search, |_| !chances(0.2)).0 {
            Outcome::Found { fails: Some(_), .. } => limits += 1,
            Outcome::PassesAtHardEnd if search.seen().values().all(|tally| tally.failed == 0) => unseen += 1,
            _ => {}
        }
    }
    // At 20 % of failing runs, 18 runs pass with a probability of 1.8 %.
    assert!(limits <= SEARCHES / 200, "{limits} limits");
    assert!(unseen <= SEARCHES * 3 / 100, "no failure was seen in {unseen}");
}
