//! Which segments are lost, as configured.

/// Which segments of a flow are lost. Each segment has its own draws. The state of a model also
/// depends on the segments before it.
///
/// All parameters are ratios or probabilities from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LossModel {
    /// Each segment is lost with the same probability.
    Bernoulli {
        /// Ratio of lost segments. It does not depend on the correlation.
        rate: f64,
        /// Correlation with the outcome of the previous segment. With 0, the segments are independent. With
        /// 1, all are like the first.
        ///
        /// With rate p and correlation ρ, P(lost | last lost) = p + ρ(1 − p) and P(lost | last passed) = p(1 − ρ),
        /// whose stationary share is p.
        correlation: f64,
    },
    /// A good and a bad state, each with a separate loss (E. N. Gilbert, "Capacity of a Burst-Noise Channel", 1960;
    /// E. O. Elliott, "Estimates of Error Rates for Codes on Burst-Noise Channels", 1963). A flow starts in the
    /// chain's stationary distribution, so that short flows see the same share as long ones.
    GilbertElliott {
        /// Probability, after each segment in the good state, that it turns bad.
        good_to_bad: f64,
        /// Probability, after each segment in the bad state, that it turns good.
        bad_to_good: f64,
        /// Share of segments that are lost in the good state.
        good_loss: f64,
        /// Share of segments that are lost in the bad state.
        bad_loss: f64,
    },
    /// A fixed chain of five states, excellent, good, fair, poor and bad, with losses of 0, 0.1, 0.3, 0.6 and 0.9. A flow
    /// starts in good. Bursts are long, and a fifth of all segments is lost.
    FiveState,
}

impl LossModel {
    /// Returns the stationary ratio of lost segments, 0 to 1.
    pub fn share(&self) -> f64 {
        match *self {
            Self::Bernoulli { rate, .. } => rate,
            Self::GilbertElliott { good_to_bad, bad_to_good, good_loss, bad_loss } => {
                let bad = bad_share(good_to_bad, bad_to_good);
                good_loss + bad * (bad_loss - good_loss)
            }
            // The stationary distribution of the states is 6, 12, 6, 3 and 1 of 28.
            Self::FiveState => (12.0 * 0.1 + 6.0 * 0.3 + 3.0 * 0.6 + 0.9) / 28.0,
        }
    }
}

/// Returns the stationary probability of the bad state. A chain that never changes its state stays good.
pub(super) fn bad_share(good_to_bad: f64, bad_to_good: f64) -> f64 {
    let moves = good_to_bad + bad_to_good;
    if moves > 0.0 { good_to_bad / moves } else { 0.0 }
}
