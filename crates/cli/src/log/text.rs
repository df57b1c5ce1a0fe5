//! Log lines for people.

use std::fmt::{self, Debug, Display};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::terminal::plain_lines;

/// Fields of a session that a line on a terminal leaves out. The name of the proxy and the number of the session identify it.
const LEFT_OUT: [&str; 3] = ["listener", "client.addr", "upstream.addr"];

/// Fields whose values the message has in other words. Only records in JSON have them.
const ONLY_IN_JSON: [&str; 2] = ["clients", "drain_timeout_ms"];

/// Fields that a line leaves out if its message contains their value.
const REPEATED: [&str; 20] = [
    "control",
    "error",
    "fault",
    "flag",
    "listeners",
    "max_sessions",
    "meant",
    "open_files",
    "path",
    "possible_sessions",
    "proxies",
    "reason",
    "schedule",
    "seed",
    "setting",
    "signal",
    "state",
    "subject",
    "upstream",
    "variable",
];

/// Format of fields. Control characters are escaped and further lines are indented, so that names cannot look like log lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// Whether a record is one short line.
    pub(super) is_short: bool,
}

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, to: Writer<'writer>, fields: R) -> fmt::Result {
        let message = String::new();
        let mut line = Line { to, is_short: self.is_short, is_empty: true, message, written: Ok(()) };
        fields.record(&mut line);
        line.written
    }
}

struct Line<'writer> {
    to: Writer<'writer>,
    is_short: bool,
    is_empty: bool,
    message: String,
    written: fmt::Result,
}

impl Line<'_> {
    /// Returns true for a field that the line does not have.
    fn leaves_out(&self, name: &str, value: &str) -> bool {
        let is_repeated = || REPEATED.contains(&name) && self.message.contains(value.trim_matches('"'));
        self.is_short && LEFT_OUT.contains(&name) || ONLY_IN_JSON.contains(&name) || is_repeated()
    }

    fn write(&mut self, name: &str, value: &str) -> fmt::Result {
        if !self.is_empty {
            self.to.write_char(' ')?;
        }
        self.is_empty = false;
        match name {
            "message" => self.to.write_str(value),
            "session.id" if self.is_short => self.to.write_fmt(format_args!("#{value}")),
            name if self.to.has_ansi_escapes() => {
                write!(self.to, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}")
            }
            name => write!(self.to, "{name}={value}"),
        }
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let (name, value) = (field.name(), format!("{value:?}"));
        if self.written.is_err() || self.leaves_out(name, &value) {
            return;
        }
        let further = if self.is_short { " " } else { "\n    " };
        self.written = self.write(name, &plain_lines(&value).replace('\n', further));
        if name == "message" {
            self.message = value;
        }
    }
}

/// Format of a record that is one short line: the time of day in UTC, the level, the session, and the message with its fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShortLine;

impl<S, N> FormatEvent<S, N> for ShortLine
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (time, level) = (Clock(now.as_secs()), event.metadata().level());
        if to.has_ansi_escapes() {
            let color = match *level {
                Level::ERROR => 31,
                Level::WARN => 33,
                Level::INFO => 32,
                Level::DEBUG => 34,
                Level::TRACE => 35,
            };
            write!(to, "\u{1b}[2m{time}\u{1b}[0m \u{1b}[{color}m{level:>5}\u{1b}[0m ")?;
        } else {
            write!(to, "{time} {level:>5} ")?;
        }
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                write!(to, "{} ", fields.fields.trim_end())?;
            }
        }
        context.format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}

/// Seconds since the start of some day.
struct Clock(u64);

impl Display for Clock {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [hours, minutes, seconds] = [self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60];
        write!(to, "{hours:02}:{minutes:02}:{seconds:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing::{Dispatch, dispatcher, info, info_span};
    use tracing_subscriber::prelude::*;
    use tracing_subscriber::{fmt, registry};

    use super::{Clock, Fields, ShortLine};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce(Written) -> Dispatch) -> String {
        let written = Written::default();
        dispatcher::with_default(&log(written.clone()), || {
            let span = info_span!("session", session.id = 7, proxy = "db", listener = "x", client.addr = "y");
            span.in_scope(|| info!(bytes = 5, name = %"two\nlines\u{1b}[2J", "session ended"));
        });
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_short_record_is_one_line_without_the_addresses() {
        let log = fmt::layer().with_ansi(false).fmt_fields(Fields { is_short: true }).event_format(ShortLine);
        let line = logged(|to| registry().with(log.with_writer(move || to.clone())).into());
        let (time, rest) = line.split_at(9);
        assert!(time.ends_with('Z'), "{line}");
        assert_eq!(rest, "  INFO #7 proxy=\"db\" session ended bytes=5 name=two lines\\u{1b}[2J\n");
    }

    #[test]
    fn a_line_does_not_repeat_its_message() {
        let written = Written::default();
        let to = written.clone();
        let log = fmt::layer().with_ansi(false).without_time().fmt_fields(Fields { is_short: false });
        dispatcher::with_default(&registry().with(log.with_writer(move || to.clone())).into(), || {
            info!(proxy = "db", clients = 2, reason = %"a \"loop\"", "2 clients reset, the last because a \"loop\"");
            info!(upstream = %"closed", seed = 7, "session ended");
            info!(path = %"a.pem", max_sessions = 9, "clients can trust a.pem");
        });
        let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = lines.lines().map(|line| line.split_once(": ").unwrap().1).collect();
        let expected = [
            "2 clients reset, the last because a \"loop\" proxy=\"db\"",
            "session ended upstream=closed seed=7",
            "clients can trust a.pem max_sessions=9",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_whole_record_has_all_fields() {
        let log = fmt::layer().with_ansi(false).fmt_fields(Fields { is_short: false });
        let lines = logged(|to| registry().with(log.with_writer(move || to.clone())).into());
        assert!(lines.contains("name=two\n    lines\\u{1b}[2J\n"), "{lines}");
        assert!(lines.contains("session.id=7 proxy=\"db\" listener=\"x\" client.addr=\"y\""), "{lines}");
    }

    #[test]
    fn the_clock_shows_the_time_of_day() {
        assert_eq!(Clock(86_400 * 3 + 3_723).to_string(), "01:02:03Z");
    }
}
