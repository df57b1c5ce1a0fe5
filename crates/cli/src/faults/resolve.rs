use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use anyhow::{Result, anyhow};
use proxy_fault::{Fault, FaultParams, Reading, Run, Schedule};
use tracing::warn;

use super::args::in_flags;

/// Resolves a fault of flags and variables.
///
/// # Errors
/// When a parameter makes no sense or is missing; it is named as a flag.
pub fn of_flags(params: &FaultParams, run: &Run) -> Result<Fault> {
    let fault_type = params.fault_type();
    let fault = params.resolve(run).map_err(|error| anyhow!(in_flags(&error, fault_type)))?;
    warn_of_joined_periods(params, &format!("--{}-sched", fault_type.name), run);
    Ok(fault)
}

/// Warns if the fault's schedule, which stands at `place`, is read as what was probably meant.
pub fn warn_of_joined_periods(params: &FaultParams, place: &str, run: &Run) {
    let Some(text) = &params.common.schedule else { return };
    let is_joined = Schedule::parse(text, run.reading).is_ok_and(|schedule| schedule.joined_periods());
    if is_joined && run.reading == Reading::Usual {
        warn!(
            "{place}: `{text}` is read as one window; write `,` for `;` to say so, \
             or --strict-schedules if two are meant"
        );
    }
}

/// A seed, another one each time.
pub fn any_seed() -> u64 {
    // Short enough to be typed.
    RandomState::new().hash_one(()) >> 32
}
