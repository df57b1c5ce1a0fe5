//! Draws which segments are lost, one after the other.

use rand::{Rng, RngExt};

use super::model::{LossModel, bad_share};

/// A Markov chain with ordered states. A step leads to the next state, to the previous state, or to the same
/// state.
///
/// All models have this form. The state of a Bernoulli chain is the outcome itself. In every state, a small
/// draw leads to the next state and a large draw to the previous one. Two chains in different states that get
/// the same draws therefore reach the same state after some of them, and then stay together.
#[derive(Debug)]
pub(super) struct LossProcess {
    ladder: Vec<State>,
    start: Start,
    /// Index of the current state. `None` before the first segment.
    state: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    loss: f64,
    to_next: f64,
    to_previous: f64,
}

/// The state of the first segment.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// The second of two states with this probability, otherwise the first.
    Second(f64),
    At(usize),
}

const fn state(loss: f64, to_next: f64, to_previous: f64) -> State {
    State { loss, to_next, to_previous }
}

const EXCELLENT_TO_BAD: [State; 5] = [
    state(0.0, 0.1, 0.0),
    state(0.1, 0.05, 0.05),
    state(0.3, 0.1, 0.1),
    state(0.6, 0.1, 0.2),
    state(0.9, 0.0, 0.3),
];

impl LossProcess {
    pub(super) fn new(model: &LossModel) -> Self {
        let two = |first, second, share_of_second| (vec![first, second], Start::Second(share_of_second));
        let (ladder, start) = match *model {
            LossModel::Bernoulli { rate, correlation } => two(
                state(0.0, rate * (1.0 - correlation), 0.0),
                state(1.0, 0.0, (1.0 - rate) * (1.0 - correlation)),
                rate,
            ),
            LossModel::GilbertElliott { good_to_bad, bad_to_good, good_loss, bad_loss } => two(
                state(good_loss, good_to_bad, 0.0),
                state(bad_loss, 0.0, bad_to_good),
                bad_share(good_to_bad, bad_to_good),
            ),
            LossModel::FiveState => (EXCELLENT_TO_BAD.to_vec(), Start::At(1)),
        };
        Self { ladder, start, state: None }
    }

    /// Returns true if the next segment is lost. It always uses two draws, which belong to that segment only.
    pub(super) fn is_lost(&mut self, rng: &mut impl Rng) -> bool {
        let step = rng.random::<f64>();
        let state = match (self.state, self.start) {
            (None, Start::Second(share)) => usize::from(step < share),
            (None, Start::At(state)) => state,
            (Some(state), _) => {
                let State { to_next, to_previous, .. } = self.ladder[state];
                if step < to_next {
                    state + 1
                } else if step >= 1.0 - to_previous {
                    state - 1
                } else {
                    state
                }
            }
        };
        self.state = Some(state);
        rng.random::<f64>() < self.ladder[state].loss
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::stage::rng::{DrawKey, FaultRng};

    fn outcomes(model: &LossModel, seed: u64, count: usize) -> Vec<bool> {
        let mut draws = FaultRng::seed_from_u64(seed);
        let mut process = LossProcess::new(model);
        (0..count).map(|_| process.is_lost(&mut draws)).collect()
    }

    fn share(outcomes: &[bool]) -> f64 {
        outcomes.iter().filter(|lost| **lost).count() as f64 / outcomes.len() as f64
    }

    #[test]
    fn the_loss_of_each_model_converges_to_its_share() {
        let models = [
            LossModel::Bernoulli { rate: 0.05, correlation: 0.0 },
            LossModel::Bernoulli { rate: 0.05, correlation: 0.6 },
            LossModel::Bernoulli { rate: 0.7, correlation: 0.25 },
            LossModel::GilbertElliott {
                good_to_bad: 0.01,
                bad_to_good: 0.2,
                good_loss: 0.001,
                bad_loss: 0.5,
            },
            LossModel::GilbertElliott { good_to_bad: 0.0, bad_to_good: 0.0, good_loss: 0.1, bad_loss: 1.0 },
            LossModel::FiveState,
        ];
        for model in models {
            let measured = share(&outcomes(&model, 3, 1_000_000));
            let expected = model.share();
            assert!((measured / expected - 1.0).abs() < 0.03, "{model:?}: {measured}, expected {expected}");
        }
        assert!((LossModel::FiveState.share() - 0.2036).abs() < 1e-4);
    }

    #[test]
    fn correlated_losses_follow_the_formula() {
        let lost = outcomes(&LossModel::Bernoulli { rate: 0.1, correlation: 0.5 }, 1, 1_000_000);
        let after = |before: bool| -> Vec<bool> {
            lost.windows(2).filter(|pair| pair[0] == before).map(|pair| pair[1]).collect()
        };
        assert!((share(&after(true)) - 0.55).abs() < 0.01);
        assert!((share(&after(false)) - 0.05).abs() < 0.001);
    }

    #[test]
    fn bursts_of_gilbert_elliott_are_as_long_as_asked() {
        let model = LossModel::GilbertElliott {
            good_to_bad: 0.01,
            bad_to_good: 0.125,
            good_loss: 0.0,
            bad_loss: 1.0,
        };
        let lost = outcomes(&model, 1, 1_000_000);
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        let length = lost.iter().filter(|lost| **lost).count() as f64 / bursts as f64;
        assert!((length - 8.0).abs() < 0.3, "{length}");
    }

    #[test]
    fn short_flows_see_the_same_share_as_long_ones() {
        for model in [
            LossModel::Bernoulli { rate: 0.2, correlation: 0.9 },
            LossModel::GilbertElliott { good_to_bad: 0.01, bad_to_good: 0.04, good_loss: 0.0, bad_loss: 1.0 },
        ] {
            let firsts: Vec<bool> = (0..20_000).map(|seed| outcomes(&model, seed, 1)[0]).collect();
            assert!((share(&firsts) - 0.2).abs() < 0.01, "{model:?}: {}", share(&firsts));
        }
    }

    #[test]
    fn a_five_state_flow_starts_in_good() {
        let firsts: Vec<bool> = (0..20_000).map(|seed| outcomes(&LossModel::FiveState, seed, 1)[0]).collect();
        assert!((share(&firsts) - 0.1).abs() < 0.01);
    }

    /// Returns the offsets of the segments that are lost. Each segment is identified by its offset.
    fn lost(model: &LossModel, seed: u64, offsets: &[u64]) -> Vec<u64> {
        let (key, mut process) = (DrawKey::new(seed, "db", 1, None, "loss"), LossProcess::new(model));
        offsets.iter().copied().filter(|offset| process.is_lost(&mut key.at(*offset))).collect()
    }

    #[test]
    fn another_cut_changes_the_fate_of_its_own_segments_and_soon_no_other() {
        let models = [
            (LossModel::Bernoulli { rate: 0.2, correlation: 0.0 }, 0),
            (LossModel::Bernoulli { rate: 0.2, correlation: 0.5 }, 30),
            (
                LossModel::GilbertElliott {
                    good_to_bad: 0.1,
                    bad_to_good: 0.3,
                    good_loss: 0.01,
                    bad_loss: 0.8,
                },
                60,
            ),
            (LossModel::FiveState, 600),
        ];
        // The first ten segments are cut in two.
        let whole: Vec<u64> = (0..2000).map(|number| number * 1000).collect();
        let cut: Vec<u64> = (0..20).map(|number| number * 500).chain(whole[10..].iter().copied()).collect();
        for (model, met) in models {
            for seed in 0..20 {
                let rest = |offsets| -> Vec<u64> {
                    let lost = lost(&model, seed, offsets).into_iter();
                    lost.filter(|offset| *offset >= (10 + met) * 1000).collect()
                };
                assert!(!rest(&whole).is_empty(), "{model:?}");
                assert_eq!(rest(&whole), rest(&cut), "{model:?}, seed {seed}");
            }
        }
    }

    #[test]
    fn a_rate_of_nought_loses_nothing_and_a_rate_of_one_all() {
        for correlation in [0.0, 0.5, 1.0] {
            assert!(!outcomes(&LossModel::Bernoulli { rate: 0.0, correlation }, 1, 1000).contains(&true));
            assert!(!outcomes(&LossModel::Bernoulli { rate: 1.0, correlation }, 1, 1000).contains(&false));
        }
    }
}
