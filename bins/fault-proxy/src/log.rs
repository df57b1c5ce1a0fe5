//! The log: to stderr, from a thread of its own, so that a reader of stderr that stalls never stalls a session.

use std::io::{self, IsTerminal};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

use crate::args::{LogArgs, LogFormat};

/// Starts logging; what is pending is written when the guard drops.
pub(crate) fn init(args: &LogArgs) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().thread_name("log").finish(io::stderr());
    let log = tracing_subscriber::fmt()
        .with_max_level(args.log_level)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(writer);
    match args.log_format {
        LogFormat::Human => log.init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(true).with_span_list(false).init()
        }
    }
    guard
}
