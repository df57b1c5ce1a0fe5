//! Where the documentation leads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    directory, pages,
    parts::{Part, parts},
};

/// The pages that the table of contents leaves out, and those that it has and that are not there.
///
/// # Panics
///
/// When a file cannot be read.
pub fn astray_in_contents() -> Vec<PathBuf> {
    let contents = directory().join("SUMMARY.md");
    let linked: Vec<PathBuf> =
        links(&read(&contents)).into_iter().map(|link| directory().join(link)).collect();
    let pages: Vec<PathBuf> = pages().into_iter().filter(|page| *page != contents).collect();
    let left_out = pages.iter().filter(|page| !linked.contains(page));
    left_out.chain(linked.iter().filter(|link| !pages.contains(link))).cloned().collect()
}

/// The links of the documentation and README.md to files or headings that are not there, each with its page.
///
/// # Panics
///
/// When a file cannot be read.
pub fn broken_links() -> Vec<(PathBuf, String)> {
    let mut files = pages();
    files.push(directory().join("../README.md"));
    let mut broken = Vec::new();
    for file in files {
        for link in links(&read(&file)).into_iter().filter(|link| !link.contains("://")) {
            if !leads_somewhere(&file, &link) {
                broken.push((file.clone(), link));
            }
        }
    }
    broken
}

fn leads_somewhere(page: &Path, link: &str) -> bool {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let beside = page.parent().expect("it is a file").join(path);
    let target = if path.is_empty() { page } else { &beside };
    target.exists() && anchor.is_none_or(|anchor| anchors(&read(target)).iter().any(|other| other == anchor))
}

/// What links in a text lead to.
fn links(text: &str) -> Vec<String> {
    let text = prose(text).collect::<Vec<_>>().join("\n");
    let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    targets.map(str::to_owned).collect()
}

/// The names that headings have as anchors.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let same = anchors.iter().filter(|other| **other == anchor).count();
        anchors.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
    }
    anchors
}

/// Without blocks of code, whose lines may look like anything.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    parts(text).filter_map(|part| match part {
        Part::Line(line) => Some(line),
        Part::Block { .. } => None,
    })
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_anchors_are_those_of_prose() {
        let page =
            "# The `x` of y: z\n[a](b.md#c) and [d](e)\n```sh\n# no heading [f](g)\n```\n## Same\n## Same\n";
        assert_eq!(links(page), ["b.md#c", "e"]);
        assert_eq!(anchors(page), ["the-x-of-y-z", "same", "same-1"]);
    }
}
