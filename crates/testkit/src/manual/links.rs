//! Links of the documentation, as lychee finds them.

use std::path::PathBuf;
use std::process::Command;

use super::{directory, pages};
use crate::clients;

/// Returns the pages that the table of contents does not link to.
///
/// # Panics
///
/// Panics if lychee fails.
pub fn left_out_of_contents() -> Vec<PathBuf> {
    let links = lychee(&["--dump", "docs/SUMMARY.md"]);
    let is_linked = |page: &str| links.lines().any(|link| link.ends_with(&format!("/docs/{page}")));
    let pages = pages().into_iter().map(|page| {
        page.strip_prefix(directory()).expect("all pages are in the directory of pages").to_owned()
    });
    pages
        .filter(|page| !page.ends_with("SUMMARY.md") && !is_linked(page.to_str().expect("it is UTF-8")))
        .collect()
}

/// Checks that all links of the documentation and of all READMEs to files and headings are valid.
///
/// # Panics
///
/// Panics if a link is broken, with the output of lychee.
pub fn check_links() {
    lychee(&[
        "--include-fragments",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs",
        "crates/*/README.md",
    ]);
}

/// Runs lychee in the project's directory without network access. Returns what it prints.
fn lychee(args: &[&str]) -> String {
    let mut lychee = Command::new(clients::python_program("lychee"));
    lychee.args(["--offline", "--no-progress"]).args(args).current_dir(directory().join(".."));
    let output = lychee.output().expect("lychee is installed");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert!(output.status.success(), "lychee {args:?}:\n{printed}");
    printed
}
