//! Text output to a terminal.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};

use anyhow::{Context, Result};
use tracing::error;

use crate::log::{is_json_on_stderr, write_record};

/// Escapes the control characters of a name, so that it stays on one line and cannot control the terminal.
pub fn escape_control(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Like [`escape_control`], for a text of several lines.
pub fn plain_lines(text: &str) -> String {
    text.lines().map(escape_control).collect::<Vec<_>>().join("\n")
}

/// Returns false if the variable `NO_COLOR` asks for output without colors.
pub fn allows_color() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Returns a number with its noun, which gets an `s` unless the number is 1: `1 session`, `2 sessions`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Prints an error and its causes on stderr, as a record if the log there is JSON. Ignores a closed stderr.
pub fn print_error(program: &str, problem: impl Display) {
    let problem = format!("{problem:#}");
    print_line(program, &problem, || error!(error = problem, "{program} failed"));
}

/// Prints a line on stderr or, if the log there is JSON, the record that `log` logs. Ignores a closed stderr.
pub fn print_line(program: &str, line: impl Display, log: impl FnOnce()) {
    if is_json_on_stderr() {
        write_record(log);
    } else {
        writeln!(io::stderr(), "{program}: {}", plain_lines(&line.to_string())).ok();
    }
}

/// Prints a text and a newline to stdout. Returns false if stdout is closed, which is not an error.
///
/// # Errors
/// Returns an error if stdout cannot be written, for example because a disk is full.
pub fn print(text: impl Display) -> Result<bool> {
    write(&mut io::stdout(), format!("{text}\n").as_bytes())
}

/// Like [`print`], for any bytes and any writer.
pub(crate) fn write(stdout: &mut impl Write, output: &[u8]) -> Result<bool> {
    match stdout.write_all(output).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).context("cannot write to stdout"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_nothing_else_is() {
        assert_eq!(
            escape_control("a\u{1b}]0;b\u{7}\r\n\t\u{9b}2J\u{7f}"),
            r"a\u{1b}]0;b\u{7}\r\n\t\u{9b}2J\u{7f}"
        );
        for name in ["", "1=psql://db:5432", r"'\n' is no newline", "fäult-🐢"] {
            assert_eq!(escape_control(name), name);
        }
        assert_eq!([0, 1, 2].map(|count| counted(count, "time")), ["0 times", "1 time", "2 times"]);
        assert_eq!(plain_lines("a\u{1b}[2J\r\n  b\t\n\nc\n"), "a\\u{1b}[2J\n  b\\t\n\nc");
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error_and_a_full_disk_is_one() {
        let (reader, mut pipe) = io::pipe().unwrap();
        assert!(write(&mut pipe, b"read").unwrap());
        drop(reader);
        assert!(!write(&mut pipe, b"unread").unwrap());
        #[cfg(target_os = "linux")]
        {
            let full = write(&mut std::fs::File::create("/dev/full").unwrap(), b"lost").unwrap_err();
            assert!(format!("{full:#}").starts_with("cannot write to stdout: No space left"), "{full:#}");
        }
    }
}
