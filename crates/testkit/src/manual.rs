//! The commands that the documentation shows.

use std::fs;
use std::path::{Path, PathBuf};

/// A command, and the file that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Below the project's directory.
    pub file: PathBuf,
    /// Besides the program's name.
    pub args: Vec<String>,
}

/// All commands in blocks of README.md and docs that start `program`.
///
/// # Panics
///
/// When a file cannot be read.
pub fn commands(program: &str) -> Vec<Shown> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_dir(project.join("docs")).expect("there are docs");
    let mut files: Vec<_> = docs.map(|entry| entry.expect("a file").path()).collect();
    files.push(project.join("README.md"));
    files.sort();
    let mut shown = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = path.strip_prefix(&project).expect("it is in the project").to_owned();
        let blocks = text.split("\n```").skip(1).step_by(2);
        for block in blocks.filter(|block| block.starts_with("sh\n") || block.starts_with("console\n")) {
            for line in block.replace("\\\n", " ").lines() {
                let mut words = words(line.strip_prefix("$ ").unwrap_or(line)).into_iter();
                if words.next().is_some_and(|word| word == program) {
                    shown.push(Shown { file: file.clone(), args: words.collect() });
                }
            }
        }
    }
    shown
}

/// The words of a command up to a comment, a pipe or a redirection, without their quotes.
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
