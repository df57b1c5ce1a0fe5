//! How far results of a search can be trusted.

use std::collections::BTreeMap;

use super::search::Tally;

/// Confidence of all intervals.
pub(super) const CONFIDENCE: f64 = 0.95;

/// The quantile of the normal distribution that leaves 2.5 % on either side.
const Z: f64 = 1.959_964;

/// Returns the range of places that the limit is in with the [`CONFIDENCE`], at least the range `found`.
///
/// The model has one step: the command fails with one probability up to the limit and with another above it. Both are unknown and
/// have uniform priors, as has the place of the limit. The likelihood of the results with the limit in a gap between tested places is
/// then the product of two beta functions. Bayesian inference about a change point: A. F. M. Smith, Biometrika 62 (1975), 407–416. It
/// does not depend on the order of the runs or on the rule that chose them.
pub(super) fn limit(seen: &BTreeMap<u32, Tally>, found: (u32, u32)) -> (u32, u32) {
    let tested: Vec<_> = seen.iter().collect();
    let gaps: Vec<_> = tested.windows(2).map(|pair| (*pair[0].0, *pair[1].0)).collect();
    let weights: Vec<_> = gaps
        .iter()
        .map(|(low, high)| {
            let sum = |is_below: bool| {
                let tallies = seen.iter().filter(|(place, _)| (*place <= low) == is_below);
                tallies.fold((0, 0), |sum, (_, tally)| (sum.0 + tally.failed, sum.1 + tally.passed))
            };
            f64::from(high - low).ln() + ln_beta(sum(true)) + ln_beta(sum(false))
        })
        .collect();
    let max = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<_> = weights.into_iter().map(|weight| (weight - max).exp()).collect();
    let enough = weights.iter().sum::<f64>() * CONFIDENCE;
    let mut first = gaps.iter().position(|(low, _)| *low >= found.0).unwrap_or(0);
    let mut end = gaps.iter().rposition(|(_, high)| *high <= found.1).map_or(gaps.len(), |index| index + 1);
    while weights[first..end].iter().sum::<f64>() < enough {
        let below = first.checked_sub(1).map_or(-1.0, |index| weights[index]);
        let above = weights.get(end).copied().unwrap_or(-1.0);
        match (below, above) {
            (below, above) if below < 0.0 && above < 0.0 => break,
            (below, above) if below > above => first -= 1,
            _ => end += 1,
        }
    }
    (gaps[first].0, gaps[end - 1].1)
}

/// Returns the logarithm of the beta function of these counts, each plus 1.
fn ln_beta((failed, passed): (u32, u32)) -> f64 {
    let ln_factorial = |n: u32| (2..=n).map(|k| f64::from(k).ln()).sum::<f64>();
    ln_factorial(failed) + ln_factorial(passed) - ln_factorial(failed + passed + 1)
}

/// Returns the interval of the probability to fail, with the [`CONFIDENCE`]: the score interval of E. B. Wilson, Journal of the
/// American Statistical Association 22 (1927), 209–212.
pub(super) fn failing(tally: Tally) -> (f64, f64) {
    let (runs, failed) = (f64::from(tally.runs()), f64::from(tally.failed));
    let share = failed / runs;
    let scale = 1.0 + Z * Z / runs;
    let middle = (share + Z * Z / (2.0 * runs)) / scale;
    let half = Z * (share * (1.0 - share) / runs + Z * Z / (4.0 * runs * runs)).sqrt() / scale;
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(results: &[(u32, u32, u32)]) -> BTreeMap<u32, Tally> {
        results
            .iter()
            .map(|(place, passed, failed)| {
                (*place, Tally { passed: *passed, failed: *failed, ..Tally::default() })
            })
            .collect()
    }

    #[test]
    fn the_interval_is_that_of_published_examples() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        for (failed, runs, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (from, to) = failing(Tally { passed: runs - failed, failed, ..Tally::default() });
            assert!((from - low).abs() < 5e-5 && (to - high).abs() < 5e-5, "{failed}/{runs}: {from} {to}");
        }
    }

    #[test]
    fn clear_results_leave_one_gap_and_single_runs_do_not() {
        // The values of a search from 0 to 500 for the limit 47.
        let passed = [0, 15, 31, 38, 42, 46, 47].map(|place| (place, true));
        let failed = [48, 50, 54, 62, 125, 250, 375, 500].map(|place| (place, false));
        let all = |runs: u32| {
            let tally = |passes: bool| if passes { (runs, 0) } else { (0, runs) };
            let counted = |(place, passes)| (place, tally(passes).0, tally(passes).1);
            seen(&passed.into_iter().chain(failed).map(counted).collect::<Vec<_>>())
        };
        assert_eq!(limit(&all(3), (47, 48)), (47, 48));
        let (low, high) = limit(&all(1), (47, 48));
        assert!(low < 47 && high > 48, "{low} {high}");
    }

    #[test]
    fn results_that_contradict_each_other_widen_the_range() {
        let clear = [(0, 15, 0), (40, 3, 0), (45, 3, 0), (50, 0, 3), (60, 0, 3), (100, 0, 15)];
        assert_eq!(limit(&seen(&clear), (45, 50)), (45, 50));
        let noisy = [(0, 12, 3), (40, 3, 0), (45, 5, 2), (50, 2, 5), (60, 0, 3), (100, 0, 15)];
        let (low, high) = limit(&seen(&noisy), (45, 50));
        assert!(low <= 45 && high >= 60, "{low} {high}");
    }
}
