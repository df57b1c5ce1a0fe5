//! The examples of docs/mapping.md are what the parser does.

use fault_proxy_mapping::{Mapping, Scheme};

const DOCS: &str = include_str!("../../../docs/mapping.md");

/// The fenced blocks of the page whose opening line is the fence and `info`.
fn blocks(info: &str) -> Vec<&'static str> {
    let opening = format!("\n```{info}\n");
    let blocks: Vec<_> =
        DOCS.split(&opening).skip(1).filter_map(|rest| rest.split("\n```\n").next()).collect();
    assert!(!blocks.is_empty(), "the page has no block of {info}");
    blocks
}

#[test]
fn the_page_has_every_scheme() {
    for scheme in Scheme::ALL {
        assert!(DOCS.contains(&format!("| `{scheme}://` |")), "no row of {scheme}");
        assert!(DOCS.contains(&format!("\"{scheme}\"")), "the grammar lacks {scheme}");
    }
}

#[test]
fn each_accepted_example_is_a_mapping() {
    for text in blocks("text accepted").into_iter().flat_map(str::lines) {
        assert!(text.parse::<Mapping>().is_ok(), "{text}");
    }
}

#[test]
fn each_error_is_what_the_parser_prints() {
    for block in blocks("text refused") {
        let input = block.lines().nth(1).and_then(|line| line.strip_prefix("  ")).expect(block);
        assert_eq!(input.parse::<Mapping>().expect_err(input).to_string(), block);
    }
}

#[test]
fn each_written_form_is_what_the_parser_makes_of_it() {
    for line in blocks("text written as").into_iter().flat_map(str::lines) {
        let (text, written) = line.split_once(" -> ").expect(line);
        assert_eq!(text.trim_end().parse::<Mapping>().expect(text).to_string(), written);
    }
}
