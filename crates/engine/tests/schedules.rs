//! Runs the examples of docs/schedules.md through the parser.

use std::time::Duration;

use fault_proxy_engine::{ParseMode, Schedule};

const DOCS: &str = include_str!("../../../docs/schedules.md");

/// Returns the fenced blocks of the page whose info string is `info`.
fn blocks(info: &str) -> Vec<&'static str> {
    let opening = format!("\n```{info}\n");
    let blocks: Vec<_> =
        DOCS.split(&opening).skip(1).filter_map(|rest| rest.split("\n```\n").next()).collect();
    assert!(!blocks.is_empty(), "the page has no block of {info}");
    blocks
}

#[test]
fn each_example_is_a_schedule() {
    for text in blocks("schedule").into_iter().flat_map(str::lines) {
        for reading in [ParseMode::Lenient, ParseMode::Strict] {
            let schedule = Schedule::parse(text, reading).unwrap_or_else(|error| panic!("{error}"));
            assert!(schedule.resolve(Some(Duration::from_secs(600))).is_ok());
        }
    }
}

#[test]
fn each_error_is_what_the_parser_prints() {
    for block in blocks("text refused") {
        let input = block.lines().nth(1).and_then(|line| line.strip_prefix("  ")).expect(block);
        let error = Schedule::parse(input, ParseMode::Lenient)
            .and_then(|schedule| schedule.resolve(None))
            .expect_err(input);
        assert_eq!(error.to_string(), block);
    }
}
