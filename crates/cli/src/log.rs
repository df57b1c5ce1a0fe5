//! The log, written to stderr or a file by a separate thread: a blocked stderr does not block sessions.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry};

use crate::open::open_blocking;
use crate::terminal::allows_color;

mod args;
mod held;
mod text;
#[cfg(feature = "otlp")]
mod traces;
#[cfg(not(feature = "otlp"))]
#[path = "log/no_traces.rs"]
mod traces;

pub use args::LogArgs;
pub use held::HeldLog;
use held::Stderr;
use text::{Fields, ShortLine};
use traces::Traces;

/// Time limit for the writing thread to end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// True if the log of the process is JSON on stderr.
static JSON_ON_STDERR: AtomicBool = AtomicBool::new(false);

/// Target of events that are not logged, but added to traces as events of the session.
pub const TRACED: &str = "traced";

/// Format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text for users.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// The log of the process. Dropping it writes the pending lines, and waits up to 1 s for a blocked file.
#[derive(Debug)]
pub struct Log {
    stderr: Stderr,
    /// Writer of a log on stderr. It also prints other texts, which keeps them in order with the log lines.
    lines: Option<NonBlocking>,
    /// Guard of the writing thread.
    guard: Option<WorkerGuard>,
    /// Disconnected when the writing thread has written all lines.
    written: Receiver<()>,
    file: Option<PathBuf>,
    /// Exporter of traces, if the environment asks for one.
    traces: Option<Traces>,
}

impl Log {
    /// Starts logging for the whole process.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened, or a variable of OpenTelemetry is invalid.
    ///
    /// # Panics
    /// Panics if the process already has a log.
    pub fn init(settings: &LogArgs) -> Result<Self> {
        let stderr = Stderr::default();
        let builder = NonBlockingBuilder::default().thread_name("log");
        let (writes, written) = sync_channel(0);
        let (writer, guard) = match &settings.log_file {
            Some(path) => {
                let log = path.clone();
                let open = move || File::options().append(true).create(true).open(log);
                let name = path.display();
                let notice = || {
                    let line = "is blocked: the program starts when something reads from it";
                    writeln!(io::stderr(), "--log-file {name} {line}").ok();
                };
                // A signal still ends the process, because no handler is installed yet.
                let file = open_blocking(open, notice, || false)
                    .with_context(|| format!("cannot write --log-file {name}"))?;
                builder.finish(LogFile {
                    file,
                    path: path.clone(),
                    has_failed: false,
                    stderr: stderr.clone(),
                    _writes: writes,
                })
            }
            None => builder.finish(stderr.clone()),
        };
        let lines = settings.log_file.is_none().then(|| writer.clone());
        let is_on_terminal = settings.log_file.is_none() && io::stderr().is_terminal();
        let human = tracing_subscriber::fmt::layer()
            .with_target(false)
            .fmt_fields(Fields { is_short: is_on_terminal })
            .with_ansi(is_on_terminal && allows_color());
        let targets = targets(settings.log_level);
        let traces = Traces::from_env()?;
        match settings.log_format {
            LogFormat::Human if is_on_terminal => {
                install(human.event_format(ShortLine).with_writer(writer), targets, traces.as_ref());
            }
            LogFormat::Human => install(human.with_writer(writer), targets, traces.as_ref()),
            LogFormat::Json => install(json(writer), targets, traces.as_ref()),
        }
        let is_json_on_stderr = settings.log_format == LogFormat::Json && settings.log_file.is_none();
        JSON_ON_STDERR.store(is_json_on_stderr, Ordering::Relaxed);
        Ok(Self { stderr, lines, guard: Some(guard), written, file: settings.log_file.clone(), traces })
    }

    /// Prints a text to stderr, unless the log lines there are JSON.
    pub fn print(&self, text: &str) {
        if !is_json_on_stderr() {
            // Ignore a closed stderr.
            match &self.lines {
                Some(lines) => writeln!(lines.clone(), "{text}").ok(),
                None => self.stderr.clone().write_all(format!("{text}\n").as_bytes()).ok(),
            };
        }
    }

    /// Waits until the log lines on stderr are written, so that a text on stdout follows them. A blocked stderr delays this by
    /// 500 ms at most.
    pub fn wait_written(&self) {
        if let Some(lines) = &self.lines {
            self.stderr.wait_written(lines, CLOSE_TIMEOUT);
        }
    }

    /// Returns true if traces are exported. Use this instead of `tracing::enabled!`, after which filters of
    /// layers may drop the next event.
    pub fn exports_traces(&self) -> bool {
        self.traces.is_some()
    }

    /// Returns true if a view can cover the log on stderr: it is a terminal, and the log lines there are not JSON.
    pub fn leaves_room_for_a_view(&self) -> bool {
        io::stderr().is_terminal() && !is_json_on_stderr()
    }

    /// Keeps what would be written to stderr until the guard is dropped.
    pub fn hold(&self) -> HeldLog {
        self.stderr.hold()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        drop(self.guard.take());
        let Some(file) = &self.file else { return };
        if self.written.recv_timeout(CLOSE_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            let file = file.display();
            writeln!(io::stderr(), "--log-file {file}: the last lines are not written: the file is blocked")
                .ok();
        }
    }
}

/// Returns true if the log of the process is JSON on stderr. Every line there is then a record.
pub fn is_json_on_stderr() -> bool {
    JSON_ON_STDERR.load(Ordering::Relaxed)
}

/// Writes the record that `log` logs to stderr, in JSON. It is written immediately and at any level, also after the end of the log.
/// Ignores a closed stderr.
pub(crate) fn write_record(log: impl FnOnce()) {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(json(io::stderr)), log);
}

/// Returns the layer that writes records in JSON.
fn json<W>(to: W) -> impl Layer<Registry> + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt::layer().with_target(false).with_writer(to).json();
    log.flatten_event(true).with_current_span(true).with_span_list(false)
}

/// Starts the log, and the export of traces.
fn install(log: impl Layer<Registry> + Send + Sync + 'static, targets: Targets, traces: Option<&Traces>) {
    match traces {
        // One filter for both layers is faster than one filter for each.
        None => tracing_subscriber::registry().with(log).with(targets).init(),
        Some(traces) => {
            tracing_subscriber::registry().with(log.with_filter(targets)).with(traces.layer()).init()
        }
    }
}

/// Returns a filter for `level`. Events of the NATS client are only shown from DEBUG on, because it logs each of them at INFO.
fn targets(level: LevelFilter) -> Targets {
    let of_nats = if level < LevelFilter::DEBUG { LevelFilter::OFF } else { level };
    Targets::new()
        .with_default(level)
        .with_target("async_nats", of_nats)
        .with_target(TRACED, LevelFilter::OFF)
}

struct LogFile {
    file: File,
    path: PathBuf,
    /// True after the notice that lines are lost.
    has_failed: bool,
    stderr: Stderr,
    _writes: SyncSender<()>,
}

impl Write for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let written = self.file.write(lines);
        // The writing thread ignores errors.
        if let Err(error) = &written
            && error.kind() != io::ErrorKind::Interrupted
            && !std::mem::replace(&mut self.has_failed, true)
        {
            let notice = format!("--log-file {}: lines are lost: {error}\n", self.path.display());
            self.stderr.write_all(notice.as_bytes()).ok();
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_nats_client_is_heard_when_one_looks_closer() {
        let is_logged = |level, target, event| targets(level).would_enable(target, &event);
        assert!(!is_logged(LevelFilter::INFO, "async_nats::connector", Level::INFO));
        assert!(!is_logged(LevelFilter::INFO, "async_nats::connector", Level::ERROR));
        assert!(is_logged(LevelFilter::INFO, "fault_proxy_relay", Level::INFO));
        assert!(is_logged(LevelFilter::DEBUG, "async_nats", Level::INFO));
        assert!(!is_logged(LevelFilter::ERROR, "async_nats", Level::WARN));
    }
}
