//! Metrics of the process, with the [names that Prometheus's client libraries use][names].
//!
//! [names]: https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics

use std::{fmt, fs, io};

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Unit;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::write::{gauges, series};

/// Fields of `/proc/self/stat`. Its times are in clock ticks.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    user_time: u64,
    system_time: u64,
    threads: u64,
    /// Time since the boot.
    start_time: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    /// Returns `None` if a field is missing or is not a number.
    fn parse(text: &str) -> Option<Self> {
        // Field 2 is the name of the program in parentheses. The name can contain spaces and parentheses.
        let (_, fields_from_3) = text.rsplit_once(')')?;
        let fields: Vec<_> = fields_from_3.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse().ok();
        Some(Self {
            user_time: field(14)?,
            system_time: field(15)?,
            threads: field(20)?,
            start_time: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }

    fn read() -> Option<Self> {
        // The name of the program can be invalid UTF-8.
        Self::parse(&String::from_utf8_lossy(&fs::read("/proc/self/stat").ok()?))
    }
}

/// Returns the time of the boot in seconds since 1970, from the text of `/proc/stat`.
fn boot_time(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn open_fds() -> io::Result<u64> {
    // Since Linux 6.2, the size of the directory is its number of entries. Before, it was 0.
    match fs::metadata("/proc/self/fd")?.len() {
        0 => Ok(fs::read_dir("/proc/self/fd")?.count() as u64),
        count => Ok(count),
    }
}

/// Returns a function that writes the metrics. It leaves them out if `/proc` cannot be read.
pub(super) fn encoder() -> impl Fn(DescriptorEncoder<'_>) -> fmt::Result {
    // Read the boot time once, because the kernel computes it from the clock and it changes when the clock is
    // set.
    let boot_time = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_time);
    move |encoder| match (Stat::read(), open_fds(), boot_time) {
        (Some(stat), Ok(open_fds), Some(boot_time)) => encode(encoder, &stat, open_fds, boot_time),
        _ => Ok(()),
    }
}

#[allow(clippy::cast_precision_loss, reason = "the values are far below 2^52")]
fn encode(mut encoder: DescriptorEncoder<'_>, stat: &Stat, open_fds: u64, boot_time: u64) -> fmt::Result {
    let ticks = clock_ticks_per_second() as f64;
    let cpu_seconds = (stat.user_time + stat.system_time) as f64 / ticks;
    let cpu = [(Vec::new(), ConstCounter::new(cpu_seconds))];
    let described = ("process_cpu", "User and system CPU time", Some(&Unit::Seconds));
    series(&mut encoder, described, MetricType::Counter, cpu)?;
    let mut gauge = |name, help, value| gauges(&mut encoder, name, help, [(Vec::new(), value)]);
    let start = boot_time as f64 + stat.start_time as f64 / ticks;
    gauge("process_start_time_seconds", "Start of the process since 1970-01-01 UTC", start)?;
    let resident = stat.resident_pages as f64 * page_size() as f64;
    gauge("process_resident_memory_bytes", "Resident memory", resident)?;
    gauge("process_virtual_memory_bytes", "Virtual memory", stat.virtual_bytes as f64)?;
    gauge("process_open_fds", "Open file descriptors", open_fds as f64)?;
    if let Some(max) = getrlimit(Resource::Nofile).current {
        gauge("process_max_fds", "Limit of open file descriptors", max as f64)?;
    }
    gauge("process_threads", "Threads", stat.threads as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let rest = "S 1 2 3 0 -1 4194304 100 0 5 0 17 4 6 7 20 0 9 0 263 31334 414 18446744073709551615 1 1";
        let expected = Stat {
            user_time: 17,
            system_time: 4,
            threads: 9,
            start_time: 263,
            virtual_bytes: 31334,
            resident_pages: 414,
        };
        for name in ["fault-proxy", "a b) S 1 (c) d", ")", ""] {
            assert_eq!(Stat::parse(&format!("15485 ({name}) {rest}\n")).as_ref(), Some(&expected), "{name}");
        }
    }

    #[test]
    fn a_short_or_strange_text_has_no_fields() {
        for text in
            ["", "1 (a) S 1 2 3", "1 a S", "1 (a) S 1 2 3 0 -1 4 1 0 5 0 x 4 6 7 20 0 9 0 263 31334 414"]
        {
            assert_eq!(Stat::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_boot_time_is_found_among_the_lines() {
        assert_eq!(boot_time("cpu  1 2\nintr 5 6\nbtime 1795925100\nprocesses 9\n"), Some(1_795_925_100));
        assert_eq!(boot_time("cpu  1 2\n"), None);
    }

    #[test]
    fn open_files_are_counted() {
        let files: Vec<_> = (0..100).map(|_| fs::File::open("/proc/self/stat").expect("it exists")).collect();
        assert!(open_fds().expect("/proc is readable") >= files.len() as u64);
    }
}
