//! The commands that the documentation shows.
//!
//! | module | content |
//! |---|---|
//! | [`reader`] | runs the commands of a page |
//! | [`links`] | links between pages |
//!
//! This module finds commands, to check that a program accepts them.

pub mod links;
mod page;
mod parts;
mod printed;
pub mod reader;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};

use parts::{Part, parts};

pub use links::{check_links, left_out_of_contents};
pub use reader::Reader;

/// A command, and the file that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Path below `docs`, or README.md.
    pub file: PathBuf,
    /// Arguments without the program's name.
    pub args: Vec<String>,
}

/// Returns all commands in blocks of README.md and docs that start `program`.
///
/// # Panics
///
/// Panics if a file cannot be read.
pub fn commands(program: &str) -> Vec<Shown> {
    let project = directory().join("..");
    let mut files = pages();
    files.push(project.join("README.md"));
    let mut shown = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file =
            path.strip_prefix(directory()).or(path.strip_prefix(&project)).expect("it is in the project");
        for part in parts(&text) {
            let Part::Block { info, lines, .. } = part else { continue };
            let console = info.starts_with("console");
            for line in lines.join("\n").replace("\\\n", " ").lines().filter(|_| console || info == "sh") {
                let command = if console { line.strip_prefix("$ ") } else { Some(line) };
                let mut words = words(command.unwrap_or_default()).into_iter();
                if words.next().is_some_and(|word| word == program) {
                    shown.push(Shown { file: file.to_owned(), args: words.collect() });
                }
            }
        }
    }
    shown
}

/// Returns the pages below docs with blocks of commands and their output.
///
/// # Panics
///
/// Panics if a page cannot be read.
pub fn pages_with_commands() -> Vec<String> {
    let has_commands = |page: &PathBuf| {
        let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        parts(&text).any(|part| matches!(part, Part::Block { info, .. } if info.starts_with("console")))
    };
    let name = |page: PathBuf| {
        let name = page.strip_prefix(directory()).expect("all pages are in the directory of pages");
        name.to_str().expect("it is UTF-8").to_owned()
    };
    pages().into_iter().filter(has_commands).map(name).collect()
}

/// Returns the directory of the documentation.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// Returns all pages of the documentation, in order.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut directories = vec![directory()];
    while let Some(directory) = directories.pop() {
        for entry in
            fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            let path = entry.expect("a file").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// Returns the words of a command up to a comment, a pipe or a redirection, without their quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('#' | '|' | '>' | '&', None) if word.is_none() => return words,
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(words("a 'b c' --d=\"e  f\" '' # g"), ["a", "b c", "--d=e  f", ""]);
        assert_eq!(words("a b > c"), ["a", "b"]);
        assert_eq!(words("a 1=x#y|z"), ["a", "1=x#y|z"]);
    }
}
