//! The log: to stderr or a file, from a thread of its own, so that a reader of stderr that stalls never stalls a session.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

use crate::args::{LogArgs, LogFormat};

/// What is pending is written when it drops.
#[derive(Debug)]
pub(crate) struct Log {
    bar: SharedBar,
    is_json_on_stderr: bool,
    _flush_at_end: WorkerGuard,
}

/// The progress bar that is on stderr at present.
type SharedBar = Arc<Mutex<Option<ProgressBar>>>;

impl Log {
    /// Starts logging.
    pub(crate) fn init(args: &LogArgs) -> Result<Self> {
        let format = args.log_format.unwrap_or_default();
        let bar = SharedBar::default();
        let builder = NonBlockingBuilder::default().thread_name("log");
        let (writer, guard) = match &args.log_file {
            Some(path) => {
                let file = File::options().append(true).create(true).open(path);
                builder.finish(file.with_context(|| format!("cannot write --log-file {}", path.display()))?)
            }
            None => builder.finish(BesideBar(Arc::clone(&bar))),
        };
        let log = tracing_subscriber::fmt()
            .with_max_level(args.log_level.unwrap_or(LevelFilter::INFO))
            .with_target(false)
            .with_ansi(args.log_file.is_none() && io::stderr().is_terminal())
            .with_writer(writer);
        match format {
            LogFormat::Human => log.init(),
            LogFormat::Json => {
                log.json().flatten_event(true).with_current_span(true).with_span_list(false).init()
            }
        }
        let is_json_on_stderr = format == LogFormat::Json && args.log_file.is_none();
        Ok(Self { bar, is_json_on_stderr, _flush_at_end: guard })
    }

    /// Prints a text for people on stderr, unless what is there is for programs.
    pub(crate) fn print(&self, text: &str) {
        if !self.is_json_on_stderr {
            // Nobody may be there to read it.
            writeln!(io::stderr(), "{text}").ok();
        }
    }

    /// Whether a progress bar can be on stderr: somebody sees it, and no program reads what it would be among.
    pub(crate) fn leaves_room_for_a_bar(&self) -> bool {
        io::stderr().is_terminal() && !self.is_json_on_stderr
    }

    /// From now on, lines are written above this bar, or there is no bar.
    pub(crate) fn keep_clear_of(&self, bar: Option<ProgressBar>) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }
}

struct BesideBar(SharedBar);

impl Write for BesideBar {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let bar = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            Some(bar) => bar.suspend(|| io::stderr().write_all(lines))?,
            None => io::stderr().write_all(lines)?,
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
