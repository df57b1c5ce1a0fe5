//! Search for the value from which a command fails.
//!
//! Values are places on a grid: 0 is the easy end, `last` is the hard end. The search neither runs commands nor knows what a place
//! means. It receives the result of each run and returns the place of the next one.

use std::collections::{BTreeMap, BTreeSet};

/// Place of the easy end.
const EASY: u32 = 0;

/// Limit of the runs of one value, in multiples of the lead that decides.
const MAX_RUNS: u32 = 5;

/// Results of the runs at one value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u32,
    pub(super) failed: u32,
    /// Runs in which the fault acted, of those that passed or failed.
    pub(super) acted: u32,
    /// Runs that failed although the fault did not act. They do not count as failed.
    pub(super) unrelated: u32,
}

impl Tally {
    /// Returns the number of runs that count.
    pub(super) fn runs(self) -> u32 {
        self.passed + self.failed
    }

    pub(super) fn all_runs(self) -> u32 {
        self.runs() + self.unrelated
    }

    fn is_mixed(self) -> bool {
        self.passed > 0 && self.failed > 0
    }
}

/// Verdict of the runs at a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More runs are needed.
    Open,
    Passes,
    Fails,
    /// Neither led by enough in the maximum number of runs.
    Undecided,
    /// Most runs failed although the fault did not act.
    Unrelated,
}

/// Next step of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Run the command at this place.
    Run(u32),
    /// At this place, the command fails for another reason than the fault. The search cannot continue.
    Unrelated(u32),
    Done(Outcome),
}

/// Result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The command does not pass at the easy end.
    FailsAtEasyEnd,
    /// The command passes at the hard end.
    PassesAtHardEnd,
    /// The command passes up to a value and fails from another. All values that were tested agree.
    Found {
        passes: u32,
        /// `None` if the command neither passes nor fails at the hard end.
        fails: Option<u32>,
    },
    /// The command fails at a value below another at which it passes.
    NotMonotonic {
        /// Highest value below all that do not pass.
        passes: u32,
    },
}

/// The state of a search: all results so far.
#[derive(Debug)]
pub(super) struct Search {
    last: u32,
    repeat: u32,
    seen: BTreeMap<u32, Tally>,
}

impl Search {
    /// Starts a search. A value passes or fails once one of the two results leads by `repeat` runs. Unrelated failures end the search
    /// once they lead over all other runs of a value by as many.
    pub(super) fn new(last: u32, repeat: u32) -> Self {
        Self { last, repeat, seen: BTreeMap::new() }
    }

    /// Results so far, in the order of their places.
    pub(super) fn seen(&self) -> &BTreeMap<u32, Tally> {
        &self.seen
    }

    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// Records the result of a run, and whether the fault acted in it. Returns false if the run does not count.
    ///
    /// At the easy end, each failure counts: the command must pass there.
    pub(super) fn record(&mut self, place: u32, passed: bool, acted: bool) -> bool {
        let tally = self.seen.entry(place).or_default();
        if !passed && !acted && place != EASY {
            tally.unrelated += 1;
            return false;
        }
        if passed {
            tally.passed += 1
        } else {
            tally.failed += 1
        }
        tally.acted += u32::from(acted);
        true
    }

    pub(super) fn tally(&self, place: u32) -> Tally {
        self.seen.get(&place).copied().unwrap_or_default()
    }

    pub(super) fn verdict(&self, place: u32) -> Verdict {
        let tally = self.tally(place);
        if tally.unrelated >= tally.runs() + self.repeat {
            Verdict::Unrelated
        } else if tally.passed >= tally.failed + self.repeat {
            Verdict::Passes
        } else if tally.failed >= tally.passed + self.repeat {
            Verdict::Fails
        } else if tally.all_runs() >= self.max_runs() {
            Verdict::Undecided
        } else {
            Verdict::Open
        }
    }

    /// Returns what to do next. The answer depends only on the results so far.
    pub(super) fn next(&self) -> Step {
        self.outcome().map_or_else(|step| step, Step::Done)
    }

    fn max_runs(&self) -> u32 {
        self.repeat * MAX_RUNS
    }

    fn outcome(&self) -> Result<Outcome, Step> {
        if self.decided(EASY)? != Verdict::Passes {
            return Ok(Outcome::FailsAtEasyEnd);
        }
        let mut visited = BTreeSet::from([EASY, self.last]);
        if self.decided(self.last)? == Verdict::Passes {
            // The whole result is that of one value, so that more runs are worth their time.
            self.repeated(self.last)?;
            if self.is_noisy() {
                self.repeated(EASY)?;
            }
            self.probe((EASY, self.last), &visited)?;
            let fails = self.seen.keys().any(|place| self.verdict(*place) == Verdict::Fails);
            return Ok(if fails { Outcome::NotMonotonic { passes: EASY } } else { Outcome::PassesAtHardEnd });
        }
        let (passes, above) =
            self.bisect((EASY, self.last), &mut visited, |verdict| verdict == Verdict::Passes)?;
        let fails = if self.verdict(self.last) != Verdict::Fails {
            None
        } else if self.verdict(above) == Verdict::Fails {
            Some(above)
        } else {
            Some(self.bisect((above, self.last), &mut visited, |verdict| verdict != Verdict::Fails)?.1)
        };
        if self.is_noisy() {
            self.repeated(EASY)?;
            if self.tally(EASY).failed > 0 {
                // Both sides of the limit may be wrong by chance, and then all further values were as well.
                for place in [Some(self.last), Some(passes), fails].into_iter().flatten() {
                    self.repeated(place)?;
                }
            }
        }
        self.probe((EASY, passes), &visited)?;
        if let Some(fails) = fails {
            self.probe((fails, self.last), &visited)?;
        }
        let is_other = |(place, verdict): (u32, Verdict)| match verdict {
            Verdict::Passes => fails.is_some_and(|fails| place > fails),
            Verdict::Fails => place < passes,
            Verdict::Undecided => place < passes || fails.is_some_and(|fails| place > fails),
            Verdict::Open | Verdict::Unrelated => false,
        };
        let places = || self.seen.keys().map(|place| (*place, self.verdict(*place)));
        if !places().any(is_other) {
            return Ok(Outcome::Found { passes, fails });
        }
        let passes = places().take_while(|(_, verdict)| *verdict == Verdict::Passes).last();
        Ok(Outcome::NotMonotonic { passes: passes.map_or(EASY, |(place, _)| place) })
    }

    /// Returns the verdict on a value, or the step that is needed first.
    fn decided(&self, place: u32) -> Result<Verdict, Step> {
        match self.verdict(place) {
            Verdict::Open => Err(Step::Run(place)),
            Verdict::Unrelated => Err(Step::Unrelated(place)),
            verdict => Ok(verdict),
        }
    }

    /// Requires the maximum number of runs at a value.
    fn repeated(&self, place: u32) -> Result<(), Step> {
        if self.tally(place).all_runs() < self.max_runs() { Err(Step::Run(place)) } else { Ok(()) }
    }

    /// Narrows a range whose low end is below and whose high end is not, until they are neighbors.
    fn bisect(
        &self,
        (mut low, mut high): (u32, u32),
        visited: &mut BTreeSet<u32>,
        is_below: impl Fn(Verdict) -> bool,
    ) -> Result<(u32, u32), Step> {
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            visited.insert(middle);
            if is_below(self.decided(middle)?) { low = middle } else { high = middle }
        }
        Ok((low, high))
    }

    /// Tests the middle of the widest gap between tested values of a range. A bisection alone cannot see that a result is not
    /// monotonic, because it never tests a value on the far side of one that it has tested.
    fn probe(&self, (low, high): (u32, u32), visited: &BTreeSet<u32>) -> Result<(), Step> {
        let mut probes = self.seen.range(low..=high).map(|(place, _)| *place);
        if let Some(probe) = probes.find(|place| !visited.contains(place)) {
            return self.decided(probe).map(drop);
        }
        let tested: Vec<_> = visited.range(low..=high).copied().collect();
        let gaps = tested.windows(2).map(|pair| (pair[1] - pair[0], pair[0]));
        match gaps.max() {
            Some((width, low)) if width > 1 => Err(Step::Run(low + width / 2)),
            _ => Ok(()),
        }
    }

    /// Returns true if the command may fail by itself: a value had both results, or a run failed without the fault.
    fn is_noisy(&self) -> bool {
        self.seen.values().any(|tally| tally.is_mixed() || tally.unrelated > 0)
    }
}

#[cfg(test)]
mod tests;
