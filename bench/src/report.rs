//! Results: medians, ratios and targets, as Markdown.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};

use super::dist_directory;
use super::peers::PeerKind;

/// One figure of every peer, with one sample per round.
#[derive(Debug)]
pub(super) struct Row {
    label: String,
    samples: BTreeMap<PeerKind, Vec<f64>>,
    summary: fn(&[f64]) -> f64,
}

impl Row {
    pub(super) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), samples: BTreeMap::new(), summary: median }
    }

    pub(super) fn record(&mut self, kind: PeerKind, sample: f64) {
        self.samples.entry(kind).or_default().push(sample);
    }

    /// Shows the sum over the rounds instead of the median, for errors that must not happen even once.
    pub(super) fn summed(self) -> Self {
        Self { summary: |samples| samples.iter().sum(), ..self }
    }

    /// Returns the value over all rounds, or NaN if the figure does not apply to this peer.
    pub(super) fn value(&self, kind: PeerKind) -> f64 {
        self.samples.get(&kind).map_or(f64::NAN, |samples| (self.summary)(samples))
    }

    /// Returns the differences between each sample and the sample of `base` in the same round.
    pub(super) fn over(&self, base: PeerKind, label: &str) -> Self {
        let bases = self.samples.get(&base).map_or(&[][..], Vec::as_slice);
        let samples = self.samples.iter().filter(|(kind, _)| **kind != base).map(|(kind, samples)| {
            (*kind, samples.iter().zip(bases).map(|(sample, base)| sample - base).collect())
        });
        Self { label: label.to_owned(), samples: samples.collect(), ..*self }
    }

    fn cells(&self) -> Vec<String> {
        let ratio = |other| self.value(PeerKind::Ours) / self.value(other);
        let ratios = [ratio(PeerKind::Haproxy), ratio(PeerKind::Nginx)];
        let values = PeerKind::ALL.map(|kind| self.value(kind));
        let figures = values.into_iter().chain(ratios).map(figure);
        std::iter::once(self.label.clone()).chain(figures).collect()
    }
}

/// A target of fault-proxy, and whether it is reached.
#[derive(Debug)]
pub(super) struct Target {
    label: String,
    measured: f64,
    wanted: String,
    reached: bool,
}

impl Target {
    pub(super) fn new(label: &str, measured: f64, wanted: String, reached: bool) -> Self {
        Self { label: label.to_owned(), measured, wanted, reached }
    }

    pub(super) fn at_least(row: &Row, bound_name: &str, bound: f64) -> Self {
        let measured = row.value(PeerKind::Ours);
        let wanted = format!("≥ {} ({bound_name})", figure(bound));
        Self::new(&row.label, measured, wanted, measured >= bound)
    }

    pub(super) fn at_most(row: &Row, bound_name: &str, bound: f64) -> Self {
        let measured = row.value(PeerKind::Ours);
        let wanted = format!("≤ {} ({bound_name})", figure(bound));
        Self::new(&row.label, measured, wanted, measured <= bound)
    }

    fn verdict(&self) -> &'static str {
        if self.reached { "reached" } else { "missed" }
    }
}

/// Returns the nearest-rank percentile. `quantile` must be between 0 and 1, and `times` must not be empty.
pub(super) fn percentile(times: &[Duration], quantile: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    #[expect(clippy::cast_possible_truncation, reason = "at most the number of times")]
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

pub(super) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Displays about three significant digits.
pub(super) fn figure(value: f64) -> String {
    match value.abs() {
        size if size.is_nan() => "–".to_owned(),
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(super) fn print_table(title: &str, rows: &[Row]) {
    let rounds = rows.iter().flat_map(|row| row.samples.values().map(Vec::len)).max().unwrap_or_default();
    println!("\n### {title} ({rounds} rounds)\n\n{}", table(rows));
}

fn table(rows: &[Row]) -> Table {
    let names = PeerKind::ALL.map(|kind| kind.to_string());
    let header =
        ["".to_owned()].into_iter().chain(names).chain(["ours/HAProxy", "ours/nginx"].map(str::to_owned));
    markdown(header.collect(), rows.iter().map(Row::cells))
}

pub(super) fn print_targets(targets: &[Target]) {
    println!("\n### Targets\n\n{}", targets_table(targets));
}

fn targets_table(targets: &[Target]) -> Table {
    let rows = targets.iter().map(|target| {
        vec![
            target.label.clone(),
            figure(target.measured),
            target.wanted.clone(),
            target.verdict().to_owned(),
        ]
    });
    markdown(["", "ours", "wanted", ""].map(str::to_owned).to_vec(), rows)
}

pub(super) fn markdown(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Prints the measured programs, the machine, and the command that repeats the measurement.
pub(super) fn print_heading(program: &str, others: &[String]) -> Result<()> {
    let program = dist_directory()?.join(program);
    let versions = [&[first_line(Command::new(&program).arg("--version"))?], others].concat();
    let cores = thread::available_parallelism()?;
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the kernel's version")?;
    let date = first_line(Command::new("date").args(["--utc", "+%F"]))?;
    let args: Vec<String> = env::args().skip(1).collect();
    let kernel = kernel.trim();
    println!(
        "`cargo xtask bench {}`: {cores} cores, Linux {kernel}, {}, {date}",
        args.join(" "),
        versions.join(", ")
    );
    Ok(())
}

/// Returns the first line that a command prints. nginx prints its version to stderr.
pub(super) fn first_line(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    // HAProxy appends its home page.
    Ok(text.lines().next().unwrap_or_default().split(" - ").next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(samples: &[(PeerKind, f64)]) -> Row {
        let mut row = Row::new("a figure");
        for &(kind, sample) in samples {
            row.record(kind, sample);
        }
        row
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_micros).collect();
        assert_eq!(percentile(&times, 0.50), Duration::from_micros(100));
        assert_eq!(percentile(&times, 0.99), Duration::from_micros(198));
        assert_eq!(percentile(&times[..1], 0.99), Duration::from_micros(200));
    }

    #[test]
    fn the_median_stands_between_two_middle_samples() {
        assert_eq!(figure(median(&[3.0, 1.0, 2.0])), "2.00");
        assert_eq!(figure(median(&[4.0, 1.0, 2.0, 3.0])), "2.50");
    }

    #[test]
    fn a_summed_row_hides_no_round() {
        let row = row(&[(PeerKind::Ours, 0.0), (PeerKind::Ours, 3.0), (PeerKind::Ours, 0.0)]);
        assert_eq!(figure(row.value(PeerKind::Ours)), "0");
        assert_eq!(figure(row.summed().value(PeerKind::Ours)), "3.00");
    }

    #[test]
    fn what_is_added_is_a_difference_within_a_round() {
        let row = row(&[
            (PeerKind::Direct, 10.0),
            (PeerKind::Direct, 30.0),
            (PeerKind::Direct, 20.0),
            (PeerKind::Ours, 15.0),
            (PeerKind::Ours, 36.0),
            (PeerKind::Ours, 27.0),
        ]);
        let added = row.over(PeerKind::Direct, "added");
        assert_eq!(figure(added.value(PeerKind::Ours)), "6.00");
        assert!(added.value(PeerKind::Direct).is_nan());
    }

    #[test]
    fn the_table_shows_every_peer_and_the_ratios() {
        let row = row(&[
            (PeerKind::Direct, 2000.0),
            (PeerKind::Ours, 1.5),
            (PeerKind::Haproxy, 1.0),
            (PeerKind::Nginx, 12.0),
        ]);
        let table = table(&[row]).to_string();
        let cells: Vec<Vec<&str>> =
            table.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
        assert_eq!(
            cells[0],
            ["", "direct", "ours", "ours (splice)", "HAProxy", "nginx", "ours/HAProxy", "ours/nginx"]
        );
        assert_eq!(cells[2], ["a figure", "2000", "1.50", "–", "1.00", "12.0", "1.50", "0.12"]);
    }

    #[test]
    fn a_target_is_reached_at_its_bound_and_missed_beyond() {
        let row = row(&[(PeerKind::Ours, 1.2)]);
        assert_eq!(Target::at_least(&row, "", 1.2).verdict(), "reached");
        assert_eq!(Target::at_least(&row, "", 1.3).verdict(), "missed");
        assert_eq!(Target::at_most(&row, "", 1.2).verdict(), "reached");
        assert_eq!(Target::at_most(&row, "", 1.1).verdict(), "missed");
    }

    #[test]
    fn a_target_without_a_measurement_is_missed() {
        let row = row(&[]);
        assert_eq!(Target::at_most(&row, "", 1.0).verdict(), "missed");
        assert_eq!(Target::at_least(&row, "", f64::NAN).verdict(), "missed");
    }
}
