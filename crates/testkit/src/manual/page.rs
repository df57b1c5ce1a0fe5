//! The blocks of a page, parsed into steps.

use std::{fs, ops::RangeInclusive};

use super::{
    directory,
    parts::{Part, parts},
};

/// Ports that do not require privileges.
const PORTS: RangeInclusive<u32> = 1024..=65535;

/// Placeholder for any number of lines if it is alone in a line, and for any text within a line.
pub(super) const ANYTHING: &str = "…";

/// A page of the documentation, as steps.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// One step of a page, with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Line number in the page, from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file to write.
    File { name: String, text: String },
    /// Lines of a file to replace.
    Edit { name: String, removed: String, added: String },
    /// A command, and its complete output.
    Command { command: String, shown: Vec<String> },
    /// A command that continues to run, and its first output.
    Start { command: String, shown: Vec<String> },
    /// Further output of a program that is still running.
    More { program: Option<String>, shown: Vec<String> },
    /// Ctrl-C.
    Interrupt { program: Option<String> },
    /// Output of a program up to its end.
    Rest { program: Option<String>, shown: Vec<String> },
}

impl Page {
    /// Reads the console blocks below `heading`, or all of the page, with the files before them.
    pub(super) fn read(name: &str, heading: Option<&str>) -> Self {
        let path = directory().join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { name: name.to_owned(), steps: steps(&text, heading) }
    }

    /// Returns the ports in its commands and files, each once.
    pub(super) fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.steps.iter().flat_map(|step| ports(step.kind.text())).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

impl Kind {
    fn text(&self) -> &str {
        match self {
            Self::File { text, .. } => text,
            Self::Edit { added, .. } => added,
            Self::Command { command, .. } | Self::Start { command, .. } => command,
            Self::More { .. } | Self::Interrupt { .. } | Self::Rest { .. } => "",
        }
    }
}

/// Returns the steps of a page.
fn steps(page: &str, heading: Option<&str>) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut before, mut inside) = ("", heading.is_none());
    for part in parts(page) {
        match part {
            Part::Line("") => {}
            Part::Line(line) => {
                before = line;
                if let Some(heading) = heading.filter(|_| line.starts_with('#')) {
                    inside = line.trim_start_matches('#').trim() == heading;
                }
            }
            Part::Block { .. } if !inside => {}
            Part::Block { at, info, lines } => {
                let mut words = info.split_whitespace();
                if words.next() == Some("console") {
                    console(&lines, at + 1, words.next(), &mut steps);
                } else if let (Some(name), "diff") = (file_name(before), info) {
                    let name = name.to_owned();
                    let (removed, added) = (marked(&lines, '-'), marked(&lines, '+'));
                    steps.push(Step { line: at, kind: Kind::Edit { name, removed, added } });
                } else if let Some(name) = file_name(before) {
                    let text = lines.iter().flat_map(|line| [line, "\n"]).collect();
                    steps.push(Step { line: at, kind: Kind::File { name: name.to_owned(), text } });
                }
                before = "";
            }
        }
    }
    steps
}

/// Returns the file name at the end of a line, which is in backticks and followed by a colon.
fn file_name(line: &str) -> Option<&str> {
    line.strip_suffix("`:")?.rsplit('`').next().filter(|name| !name.contains(' '))
}

/// Returns the lines of a diff that begin with this mark, without the mark.
fn marked(diff: &[&str], mark: char) -> String {
    diff.iter().filter_map(|line| line.strip_prefix(mark)).flat_map(|line| [line, "\n"]).collect()
}

fn console(block: &[&str], first: usize, program: Option<&str>, steps: &mut Vec<Step>) {
    let program = program.map(str::to_owned);
    let mut lines = block.iter().enumerate().peekable();
    // True if lines belong to a program that was started before.
    let mut running = true;
    while let Some(&(at, line)) = lines.peek() {
        let mut kinds = Vec::new();
        if let Some(command) = line.strip_prefix("$ ") {
            assert!(
                at == 0 || !running,
                "line {}: a program still runs in this terminal: {line:?}",
                first + at
            );
            lines.next();
            let mut command = command.to_owned();
            while let Some(start) = command.strip_suffix('\\').map(str::to_owned) {
                command = start + lines.next().map_or("", |(_, line)| line.trim_start());
            }
            let (shown, goes_on) = shown(&mut lines);
            running = goes_on;
            let kind =
                if goes_on { Kind::Start { command, shown } } else { Kind::Command { command, shown } };
            kinds.push(kind);
        } else {
            assert!(running, "line {}: no program runs that could print {line:?}", first + at);
            let interrupts = *line == "^C";
            if interrupts {
                lines.next();
                kinds.push(Kind::Interrupt { program: program.clone() });
            }
            let (mut shown, mut goes_on) = shown(&mut lines);
            let to_be_interrupted = lines.peek().is_some_and(|(_, line)| **line == "^C");
            // Before the terminal shows a prompt, the program has ended.
            if goes_on && lines.peek().is_some_and(|(_, line)| line.starts_with("$ ")) {
                shown.push(ANYTHING.to_owned());
                goes_on = false;
            }
            let program = program.clone();
            kinds.push(if goes_on || to_be_interrupted {
                Kind::More { program, shown }
            } else {
                Kind::Rest { program, shown }
            });
            running = to_be_interrupted;
        }
        steps.extend(kinds.into_iter().map(|kind| Step { line: first + at, kind }));
    }
}

/// Returns the lines up to the next prompt or Ctrl-C, and whether the last one announced more output. That
/// last line is left out.
fn shown<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, &'a &'a str)>>,
) -> (Vec<String>, bool) {
    let mut shown = Vec::new();
    while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("$ ") && **line != "^C") {
        shown.push((*line).to_owned());
    }
    let goes_on = shown.last().is_some_and(|line| line == ANYTHING);
    if goes_on {
        shown.pop();
    }
    (shown, goes_on)
}

/// Returns the ports in a text: `HOST:PORT`, `-p PORT`, `--port PORT`, `PORT=UPSTREAM`.
fn ports(text: &str) -> Vec<u16> {
    let mut ports = Vec::new();
    for (at, number) in numbers(text) {
        let (before, after) = (&text[..at], &text[at + number.len()..]);
        let named = [":", "-p ", "--port "].iter().any(|end| before.ends_with(end)) || after.starts_with('=');
        let port = number.parse().ok().filter(|port| named && PORTS.contains(port));
        ports.extend(port.and_then(|port| u16::try_from(port).ok()));
    }
    ports
}

/// Returns the text with its ports replaced.
pub(super) fn with_ports(text: &str, other: &[(u16, u16)]) -> String {
    let (mut result, mut done) = (String::new(), 0);
    for (at, number) in numbers(text) {
        if let Some((_, port)) = other.iter().find(|(port, _)| number == port.to_string()) {
            result += &text[done..at];
            result += &port.to_string();
            done = at + number.len();
        }
    }
    result + &text[done..]
}

/// Returns the integers that are not part of a word or of a decimal number, with their positions.
fn numbers(text: &str) -> Vec<(usize, &str)> {
    let between = |c: char| !(c.is_alphanumeric() || c == '.' || c == '_');
    let (mut numbers, mut at) = (Vec::new(), 0);
    for part in text.split_inclusive(between) {
        let word = part.trim_end_matches(between);
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            numbers.push((at, word));
        }
        at += part.len();
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn blocks_are_steps() {
        let page = "A file, `a.toml`:\n\n```toml\nx = 1\n```\n\n```console\n$ start \\\n    it\nready\n…\n```\n\n```console\n$ say\n1\n2\n```\n\n\
                    ```sh\nnot this\n```\n\n```console start\n…\nmore\n^C\nend\n```\n";
        let text = "x = 1\n".to_owned();
        let program = Some("start".to_owned());
        let kinds: Vec<_> = steps(page, None).into_iter().map(|step| (step.line, step.kind)).collect();
        assert_eq!(
            kinds,
            [
                (3, Kind::File { name: "a.toml".to_owned(), text }),
                (8, Kind::Start { command: "start it".to_owned(), shown: lines(&["ready"]) }),
                (15, Kind::Command { command: "say".to_owned(), shown: lines(&["1", "2"]) }),
                (25, Kind::More { program: program.clone(), shown: lines(&["…", "more"]) }),
                (27, Kind::Interrupt { program: program.clone() }),
                (27, Kind::Rest { program, shown: lines(&["end"]) }),
            ]
        );
    }

    #[test]
    fn a_program_has_ended_before_the_next_prompt() {
        let page = "```console\n$ start\n…\n```\n\n```console\n^C\n…\n$ say\n1\n```\n";
        let kinds: Vec<_> = steps(page, None).into_iter().map(|step| step.kind).collect();
        let say = Kind::Command { command: "say".to_owned(), shown: lines(&["1"]) };
        assert_eq!(
            kinds[1..],
            [Kind::Interrupt { program: None }, Kind::Rest { program: None, shown: lines(&["…"]) }, say]
        );
    }

    #[test]
    fn a_diff_replaces_lines_of_a_file() {
        let page = "In `a.py`:\n\n```diff\n-a\n-b\n+c\n```\n";
        let [removed, added] = ["a\nb\n", "c\n"].map(str::to_owned);
        let kind = Kind::Edit { name: "a.py".to_owned(), removed, added };
        assert_eq!(steps(page, None), [Step { line: 3, kind }]);
    }

    #[test]
    #[should_panic(expected = "line 4: a program still runs in this terminal: \"$ say\"")]
    fn a_terminal_in_which_a_program_runs_takes_no_other_command() {
        steps("```console\n$ start\n…\n$ say\n```\n", None);
    }

    #[test]
    fn a_heading_has_its_blocks_alone() {
        let page = "# A\n```console\n$ a\n```\n## B\n```console\n$ b\n```\n## C\n```console\n$ c\n```\n";
        let kind = Kind::Command { command: "b".to_owned(), shown: Vec::new() };
        assert_eq!(steps(page, Some("B")), [Step { line: 7, kind }]);
    }

    #[test]
    fn ports_are_found_and_replaced() {
        let text = "a -p 6380 --proxy 35432=psql://db:5432 -n 20000 127.0.0.1:80 1.8474 x6380";
        assert_eq!(ports(text), [6380, 35432, 5432]);
        let other = [(6380, 1), (5432, 2)];
        let expected = "a -p 1 --proxy 35432=psql://db:2 -n 20000 127.0.0.1:80 1.8474 x6380";
        assert_eq!(with_ports(text, &other), expected);
    }
}
