//! Targets that are numbers instead of the results of other peers.

use super::report::{Target, figure};

pub(super) fn at_most(label: &str, measured: f64, bound: f64) -> Target {
    Target::new(label, measured, format!("≤ {}", figure(bound)), measured <= bound)
}

pub(super) fn at_least(label: &str, measured: f64, bound: f64) -> Target {
    Target::new(label, measured, format!("≥ {}", figure(bound)), measured >= bound)
}

/// Creates a target that is reached within `tolerance` of 1.
pub(super) fn about_one(label: &str, measured: f64, tolerance: f64) -> Target {
    let (low, high) = (1.0 - tolerance, 1.0 + tolerance);
    let wanted = format!("{} to {}", figure(low), figure(high));
    Target::new(label, measured, wanted, (low..=high).contains(&measured))
}
