//! Metrics of the process, with the [names that Prometheus's client libraries use][names].
//!
//! [names]: https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics

use std::fmt;

use procfs::process::{LimitValue, Process};
use procfs::{ProcResult, boot_time_secs, ticks_per_second};
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Unit;

use super::write::{gauges, series};

/// Values of the running process.
struct Values {
    cpu_seconds: f64,
    start_time_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    open_fds: usize,
    /// `None` without a limit.
    max_fds: Option<u64>,
    threads: i64,
}

#[allow(clippy::cast_precision_loss, reason = "the values are far below 2^52")]
fn values() -> ProcResult<Values> {
    let process = Process::myself()?;
    let (stat, ticks) = (process.stat()?, ticks_per_second() as f64);
    let max_fds = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Value(limit) => Some(limit),
        LimitValue::Unlimited => None,
    };
    Ok(Values {
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
        start_time_seconds: boot_time_secs()? as f64 + stat.starttime as f64 / ticks,
        resident_bytes: stat.rss * procfs::page_size(),
        virtual_bytes: stat.vsize,
        open_fds: process.fd_count()?,
        max_fds,
        threads: stat.num_threads,
    })
}

/// Leaves the metrics out if `/proc` cannot be read.
#[allow(clippy::cast_precision_loss, reason = "the values are far below 2^52")]
pub(super) fn encode(mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let Ok(values) = values() else { return Ok(()) };
    let cpu = [(Vec::new(), ConstCounter::new(values.cpu_seconds))];
    let described = ("process_cpu", "User and system CPU time", Some(&Unit::Seconds));
    series(&mut encoder, described, MetricType::Counter, cpu)?;
    let mut gauge = |name, help, value| gauges(&mut encoder, name, help, [(Vec::new(), value)]);
    let start = values.start_time_seconds;
    gauge("process_start_time_seconds", "Start of the process since 1970-01-01 UTC", start)?;
    gauge("process_resident_memory_bytes", "Resident memory", values.resident_bytes as f64)?;
    gauge("process_virtual_memory_bytes", "Virtual memory", values.virtual_bytes as f64)?;
    gauge("process_open_fds", "Open file descriptors", values.open_fds as f64)?;
    if let Some(max) = values.max_fds {
        gauge("process_max_fds", "Limit of open file descriptors", max as f64)?;
    }
    gauge("process_threads", "Threads", values.threads as f64)
}
