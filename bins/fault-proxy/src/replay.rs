//! Compares the decisions of a run with those of a journal.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use fault_proxy_engine::{Decision, Direction, JournalEntry};
use parking_lot::Mutex;
use proxy_cli::terminal::counted;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::journal::{FORMAT, Header};

/// A line of a journal.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    /// A change by a client. A replay has no control API, so it does not repeat changes.
    Change {
        change: Changed,
    },
    Decision(Recorded),
}

/// A change by a client of the control API.
#[derive(Debug, Deserialize)]
struct Changed {
    proxy: String,
    /// The proxy, or the faults that were added or changed.
    after: Value,
}

impl Changed {
    /// Returns the names of the faults that the client added or changed.
    fn faults(&self) -> impl Iterator<Item = &str> {
        let of_proxy = self.after.get("toxics");
        let faults = of_proxy.unwrap_or(&self.after).as_array().into_iter().flatten();
        faults.filter_map(|fault| fault["name"].as_str())
    }
}

/// A decision in a journal without its time, which differs between runs.
#[derive(Debug, Deserialize)]
struct Recorded {
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    verdict: Decision,
}

/// Identifies the place of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
struct Place {
    #[serde(flatten)]
    session: SessionId,
    direction: Option<Direction>,
    fault: String,
    offset: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
struct SessionId {
    proxy: String,
    session: u64,
}

/// Reads the header and the decisions of a journal. An incomplete last line is left out. It is the result of
/// a run that was killed, or of a full disk.
pub(crate) fn read<S: for<'de> Deserialize<'de>>(path: &Path) -> Result<(Header<S>, Comparison)> {
    let read = || -> Result<(Header<S>, Comparison)> {
        let mut lines = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line)? == 0 {
            bail!("it is empty");
        }
        let header: Header<S> =
            serde_json::from_slice(&line).context("its first line is not a journal header")?;
        if header.journal != FORMAT {
            bail!("it has format {}, this version reads {FORMAT}", header.journal);
        }
        let mut counts = Counts::default();
        for number in 2.. {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let whole = line.strip_suffix(b"\n");
            match serde_json::from_slice(whole.unwrap_or(&line)) {
                Ok(line) => counts.expect(line),
                Err(_) if whole.is_none() => counts.is_cut = true,
                Err(error) if error.is_data() => {
                    bail!("line {number} is neither a decision nor a change of this version")
                }
                Err(error) => bail!("line {number} is not JSON from column {} on", error.column()),
            }
        }
        Ok((header, Comparison(Arc::new(Mutex::new(counts)))))
    };
    read().with_context(|| format!("cannot replay {}", path.display()))
}

/// Comparison of the decisions of a run with those of a journal.
#[derive(Debug, Clone)]
pub(crate) struct Comparison(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// Decisions of the journal by place.
    places: HashMap<Place, AtPlace>,
    /// Sessions in which the run decided something.
    sessions: HashSet<SessionId>,
    same: u64,
    /// Number of decisions of the run that the journal does not have, at its places and at other places.
    different: u64,
    elsewhere: u64,
    /// Number of changes in the journal.
    changes: u64,
    /// Names of proxies and faults that clients of the control API added or changed.
    of_clients: HashSet<(String, String)>,
    /// True if the last line of the journal is incomplete.
    is_cut: bool,
}

/// Decisions at one place.
#[derive(Debug, Default)]
struct AtPlace {
    /// Decisions of the journal that the run has not repeated.
    expected: Vec<Decision>,
    /// True if the run made a decision at this place.
    is_reached: bool,
}

/// Numbers of decisions.
#[derive(Debug, Serialize)]
struct Compared {
    /// Decisions of the journal, whether they were repeated or not.
    decisions: u64,
    repeated: u64,
    not_repeated: u64,
    /// Decisions of the run that are not in the journal.
    not_in_journal: u64,
    /// Decisions that were not repeated, at a place where the run decided otherwise.
    decided_otherwise: u64,
    /// Decisions that were not repeated, at an offset of a session where the run decided nothing.
    at_offsets_without_decision: u64,
    /// Decisions that were not repeated, of a fault that a client of the control API added or changed in the
    /// recorded run.
    of_client_faults: u64,
    /// Decisions that were not repeated, of a session that the run did not have.
    of_missing_sessions: u64,
    /// Decisions of the run at places that the journal does not have.
    at_new_offsets: u64,
    /// Changes by clients of the control API in the journal, which a replay does not repeat.
    changes: u64,
}

impl Comparison {
    /// Compares a decision of the run.
    pub(crate) fn record(&self, decision: &JournalEntry) {
        let session = SessionId { proxy: decision.proxy.to_string(), session: decision.session };
        let (direction, fault) = (decision.direction, decision.fault.to_string());
        let place = Place { session, direction, fault, offset: decision.offset };
        self.0.lock().count(place, decision.decision);
    }

    /// Formats the result for the user.
    pub(crate) fn report(&self) -> String {
        self.compared().report()
    }

    /// Formats the result as JSON.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.compared())
    }

    /// Returns true if the last line of the journal is incomplete.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.lock().is_cut
    }

    fn compared(&self) -> Compared {
        self.0.lock().compared()
    }
}

impl Counts {
    /// Adds a line of the journal.
    fn expect(&mut self, line: Line) {
        match line {
            Line::Change { change } => {
                self.changes += 1;
                let faults = change.faults().map(|fault| (change.proxy.clone(), fault.to_owned()));
                self.of_clients.extend(faults);
            }
            Line::Decision(Recorded { place, verdict }) => {
                self.places.entry(place).or_default().expected.push(verdict);
            }
        }
    }

    fn is_of_client(&self, place: &Place) -> bool {
        // Most journals have no changes.
        !self.of_clients.is_empty()
            && self.of_clients.contains(&(place.session.proxy.clone(), place.fault.clone()))
    }

    fn count(&mut self, place: Place, verdict: Decision) {
        if let Some(there) = self.places.get_mut(&place) {
            there.is_reached = true;
            match there.expected.iter().position(|expected| *expected == verdict) {
                Some(index) => {
                    there.expected.swap_remove(index);
                    self.same += 1;
                }
                None => self.different += 1,
            }
        } else {
            self.elsewhere += 1;
        }
        if !self.sessions.contains(&place.session) {
            self.sessions.insert(place.session);
        }
    }

    fn compared(&self) -> Compared {
        let (mut left_here, mut left_elsewhere, mut left_sessions, mut left_clients) = (0, 0, 0, 0);
        for (place, there) in &self.places {
            let left = there.expected.len() as u64;
            if there.is_reached {
                left_here += left;
            } else if self.is_of_client(place) {
                left_clients += left;
            } else if self.sessions.contains(&place.session) {
                left_elsewhere += left;
            } else {
                left_sessions += left;
            }
        }
        let (same, different, elsewhere) = (self.same, self.different, self.elsewhere);
        let left = left_here + left_elsewhere + left_sessions + left_clients;
        Compared {
            decisions: same + left,
            repeated: same,
            not_repeated: left,
            not_in_journal: different + elsewhere,
            decided_otherwise: left_here,
            at_offsets_without_decision: left_elsewhere,
            of_client_faults: left_clients,
            of_missing_sessions: left_sessions,
            at_new_offsets: elsewhere,
            changes: self.changes,
        }
    }
}

impl Compared {
    fn report(&self) -> String {
        let Self { repeated: same, not_repeated: left, not_in_journal: new, .. } = *self;
        let left_here = self.decided_otherwise;
        let mut report = format!(
            "replayed {same} of {}; {left} were not made again, {new} were not in the journal",
            counted(self.decisions, "decision"),
        );
        if left + new > 0 {
            let _ = write!(report, "\nat offsets of both runs: {same} of {} are the same", same + left_here);
        }
        let mut explain = |count: u64, what: &str| {
            if count > 0 {
                let _ = write!(report, "\n{count} {what}");
            }
        };
        explain(
            left_here,
            "were decided otherwise: by the time when bytes arrived, by a schedule, or by the segments before them",
        );
        explain(
            self.at_offsets_without_decision,
            "are at offsets where this run decided nothing: its segments began elsewhere, or these bytes did not arrive",
        );
        explain(
            self.of_client_faults,
            "are of faults that clients of the control API added or changed, which a replay does not repeat",
        );
        explain(self.of_missing_sessions, "are of sessions that this run did not have");
        explain(self.at_new_offsets, "of this run are at offsets that the journal does not have");
        if self.changes > 0 {
            let changes = counted(self.changes, "change");
            let _ = write!(report, "\n{changes} by clients of the control API could not be repeated");
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(session: u64, offset: u64) -> Place {
        let session = SessionId { proxy: "db".to_owned(), session };
        Place { session, direction: Some(Direction::ToUpstream), fault: "latency".to_owned(), offset }
    }

    fn hold(delay_ns: u64) -> Decision {
        Decision::Hold { delay_ns }
    }

    fn journal(decisions: &[(u64, u64, u64)]) -> Counts {
        let mut counts = Counts::default();
        for (session, offset, delay) in decisions {
            counts.places.entry(place(*session, *offset)).or_default().expected.push(hold(*delay));
        }
        counts
    }

    #[test]
    fn a_run_that_repeats_everything_needs_no_explanation() {
        let mut counts = journal(&[(1, 0, 5), (1, 10, 6), (2, 0, 7)]);
        for (session, offset, delay) in [(2, 0, 7), (1, 0, 5), (1, 10, 6)] {
            counts.count(place(session, offset), hold(delay));
        }
        let all = "replayed 3 of 3 decisions; 0 were not made again, 0 were not in the journal";
        assert_eq!(counts.compared().report(), all);
    }

    #[test]
    fn what_differs_is_explained() {
        let mut counts = journal(&[(1, 0, 5), (1, 10, 6), (1, 20, 7), (2, 0, 8)]);
        for (offset, delay) in [(0, 5), (10, 9), (15, 1), (25, 1)] {
            counts.count(place(1, offset), hold(delay));
        }
        let lines = counts.compared().report();
        let expected = [
            "replayed 1 of 4 decisions; 3 were not made again, 3 were not in the journal",
            "at offsets of both runs: 1 of 2 are the same",
            "1 were decided otherwise: ",
            "1 are at offsets where this run decided nothing: ",
            "1 are of sessions that this run did not have",
            "2 of this run are at offsets that the journal does not have",
        ];
        assert_eq!(lines.lines().count(), expected.len(), "{lines}");
        for (line, expected) in lines.lines().zip(expected) {
            assert!(line.starts_with(expected), "{line}");
        }
    }

    #[test]
    fn decisions_of_faults_that_clients_made_have_a_reason_of_their_own() {
        let mut counts = journal(&[(1, 0, 5), (2, 0, 5)]);
        let change = r#"{"change": {"proxy": "db", "after": [{"name": "latency"}]}}"#;
        counts.expect(serde_json::from_str(change).unwrap());
        counts.count(place(1, 10), hold(1));
        let compared = counts.compared();
        assert_eq!(
            (compared.of_client_faults, compared.of_missing_sessions, compared.not_repeated),
            (2, 0, 2)
        );
        assert!(
            compared.report().contains("\n2 are of faults that clients of the control API added or changed")
        );
        let created =
            r#"{"change": {"proxy": "web", "after": {"name": "web", "toxics": [{"name": "slow"}]}}}"#;
        counts.expect(serde_json::from_str(created).unwrap());
        let deleted = r#"{"change": {"proxy": "web", "after": null}}"#;
        counts.expect(serde_json::from_str(deleted).unwrap());
        assert!(counts.of_clients.contains(&("web".to_owned(), "slow".to_owned())));
        assert_eq!((counts.of_clients.len(), counts.changes), (2, 3));
    }

    #[test]
    fn a_decision_made_twice_counts_twice() {
        let mut counts = journal(&[(1, 0, 5)]);
        counts.count(place(1, 0), hold(5));
        counts.count(place(1, 0), hold(5));
        assert!(
            counts
                .compared()
                .report()
                .starts_with("replayed 1 of 1 decision; 0 were not made again, 1 were not in the journal")
        );
    }
}
