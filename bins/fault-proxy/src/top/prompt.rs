//! The line that adds a fault.

use anyhow::{Result, anyhow};
use clap::Parser;

use crate::args::FaultCommand;

/// Parser of the arguments of `ctl fault add`.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    command: FaultCommand,
}

/// Parses what follows the proxy in `ctl fault add PROXY`, for example `latency mean=200ms on=select`.
///
/// # Errors
/// The errors of `ctl fault add`, without the usage.
pub(super) fn parse(proxy: &str, line: &str) -> Result<FaultCommand> {
    // The name of the proxy may look like a flag.
    let words = ["add".to_owned(), "PROXY".to_owned()].into_iter().chain(words(line)?);
    let Line { mut command } = Line::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let problem = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        match problem.split_whitespace().collect::<Vec<_>>().join(" ") {
            // clap names the arguments on further lines.
            missing if missing.contains("required arguments") => {
                anyhow!("a type is required, for example latency mean=200ms")
            }
            problem => anyhow!("{problem}"),
        }
    })?;
    if let FaultCommand::Add { proxy: of, .. } = &mut command {
        proxy.clone_into(of);
    }
    Ok(command)
}

/// Splits a line at spaces that are not quoted.
fn words(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(quote) => Err(anyhow!("the quote {quote} is not closed")),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        parse("db", line).expect_err(line).to_string()
    }

    #[test]
    fn a_line_is_that_of_ctl_fault_add() {
        let command = parse("--db", "latency mean=200ms on='a b' --name late --ttl 30s").unwrap();
        let FaultCommand::Add { proxy, kind, attributes, name, ttl, .. } = command else {
            panic!("an addition")
        };
        assert_eq!(
            (&*proxy, &*kind, name.as_deref(), ttl.as_deref()),
            ("--db", "latency", Some("late"), Some("30s"))
        );
        let attributes: Vec<_> =
            attributes.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(attributes, ["mean=200ms", "on=a b"]);
    }

    #[test]
    fn an_error_is_one_line() {
        assert_eq!(refused(""), "a type is required, for example latency mean=200ms");
        assert_eq!(refused("latency 'a"), "the quote ' is not closed");
        let error = refused("latency mean");
        assert!(error.contains("invalid value 'mean'") && error.ends_with("write KEY=VALUE"), "{error}");
        let error = refused("latency --ttl 30");
        assert!(error.contains("no unit: use 30s") && !error.contains('\n'), "{error}");
        assert!(refused("latency --nome x").contains("unexpected argument '--nome'"));
    }

    #[test]
    fn words_are_split_at_spaces() {
        assert_eq!(words("  a  b=\"c d\" '' e'f'g ").unwrap(), ["a", "b=c d", "", "efg"]);
    }
}
