//! Runs the commands of a documentation page.

use rustix::process::Signal;
use std::{
    fmt::Display,
    fs,
    os::unix::fs::symlink,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{
    page::{Kind, Page, Step, with_ports},
    printed::matched,
    shell::Shell,
};
use crate::session::PATIENCE;
use crate::{Daemon, free_port};

/// Default port of the control API.
const CONTROL: u16 = 8474;

/// Runs the console blocks of a page, command after command, and compares what they print with what the page shows.
///
/// - bash runs the commands in a separate directory, without the variables of the caller. `$?` is the exit
///   status of the previous command. A block is one terminal: while a program continues to run, the next
///   command must be in another block.
/// - Output is compared line by line, without the widths of columns. A line `…` stands for any number of
///   lines, and `…` in a line for any text. A number directly before it is a lower bound.
/// - If `…` is the last line of an output, the program continues to run once it has printed the lines above, unless
///   a prompt follows in the same block.
///   A block that does not begin with a prompt shows the further output of the last program that is still
///   running, or of the program that is named after ```` ```console ````. `^C` is Ctrl-C. Without `^C` or a
///   last `…`, the block shows the output up to the end of the program, without its log, whose lines may be
///   late.
/// - A block below a line that ends with a file name and a colon is first written to that file. In a `diff`,
///   the lines with `-` are replaced in the file by the lines with `+`.
/// - Ports in commands and files are replaced by free ports.
///
/// Dropping the reader kills all programs and the processes that they started. If the thread of the test
/// ends, only the programs themselves are killed.
#[derive(Debug)]
pub struct Reader {
    page: Page,
    shell: Shell,
    ports: Vec<(u16, u16)>,
    running: Vec<Running>,
    code: i32,
    commands: usize,
}

/// A program in a separate terminal.
#[derive(Debug)]
struct Running {
    name: String,
    daemon: Daemon,
    /// Number of lines that were compared.
    compared: usize,
}

impl Reader {
    /// Creates a reader of a page in docs. `programs` is a directory with the project's programs.
    ///
    /// # Panics
    ///
    /// Panics if the page does not exist.
    pub fn of(page: &str, programs: &Path) -> Self {
        Self::new(Page::read(page, None), programs)
    }

    /// Creates a reader of one section of a page, without its subsections.
    ///
    /// # Panics
    ///
    /// Panics if the page or the section does not exist.
    pub fn of_section(page: &str, heading: &str, programs: &Path) -> Self {
        Self::new(Page::read(page, Some(heading)), programs)
    }

    fn new(page: Page, programs: &Path) -> Self {
        let mut fixed = page.ports();
        if !fixed.contains(&CONTROL) {
            fixed.push(CONTROL);
        }
        let ports = fixed.into_iter().map(|port| (port, free_port())).collect();
        let shell = Shell::with(programs);
        let reader = Self { page, shell, ports, running: Vec::new(), code: 0, commands: 0 };
        let control = reader.here("127.0.0.1:8474");
        reader.with_variable("FAULT_CONTROL", &control).with_variable("FAULT_CONTROL_ADDR", &control)
    }

    /// Replaces the page's `port` by `server`, on which a server of the test listens.
    #[must_use]
    pub fn with_server(mut self, port: u16, server: u16) -> Self {
        let known = self.ports.iter_mut().find(|(fixed, _)| *fixed == port);
        known.unwrap_or_else(|| panic!("{} has no port {port}", self.page.name)).1 = server;
        self
    }

    /// Puts a copy of a file into the page's directory.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be copied.
    #[must_use]
    pub fn with_file(self, name: &str, file: &Path) -> Self {
        fs::copy(file, self.shell.directory().join(name)).expect("the directory is ours");
        self
    }

    /// Puts a link to a directory into the page's directory.
    ///
    /// # Panics
    ///
    /// Panics if the link cannot be created.
    #[must_use]
    pub fn with_directory(self, name: &str, directory: &Path) -> Self {
        symlink(directory, self.shell.directory().join(name)).expect("the directory is ours");
        self
    }

    /// Sets a variable in the environment of the commands.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: impl Display) -> Self {
        self.shell.set(name, value);
        self
    }

    /// Runs all steps of the page. Returns the number of commands.
    ///
    /// # Panics
    ///
    /// Panics if something differs from the page, or if a program is not installed.
    pub fn follow(mut self) -> usize {
        for step in self.page.steps.clone() {
            self.take(step);
        }
        self.commands
    }

    fn take(&mut self, Step { line, kind }: Step) {
        let place = format!("docs/{}:{line}", self.page.name);
        match kind {
            Kind::File { name, text } => {
                fs::write(self.shell.directory().join(name), self.here(&text))
                    .expect("the directory is ours");
            }
            Kind::Edit { name, removed, added } => {
                let file = self.shell.directory().join(name);
                let (text, removed) = (fs::read_to_string(&file).expect(&place), self.here(&removed));
                assert_eq!(text.matches(&removed).count(), 1, "{place}: {removed}");
                fs::write(file, text.replace(&removed, &self.here(&added))).expect("the directory is ours");
            }
            Kind::Command { command, shown } => {
                let daemon = self.start(&command, false);
                self.ends(&place, Running { name: command, daemon, compared: 0 }, &shown);
            }
            Kind::Start { command, shown } => {
                let daemon = self.start(&command, true);
                let name = command.split_whitespace().next().unwrap_or_default().to_owned();
                self.running.push(Running { name, daemon, compared: 0 });
                self.prints(&place, self.running.len() - 1, &shown);
            }
            Kind::More { program, shown } => {
                let at = self.named(&place, program.as_deref());
                self.prints(&place, at, &shown);
            }
            Kind::Interrupt { program } => {
                let at = self.named(&place, program.as_deref());
                self.running[at].daemon.signal(Signal::INT);
            }
            Kind::Rest { program, shown } => {
                let at = self.named(&place, program.as_deref());
                let running = self.running.remove(at);
                self.ends(&place, running, &shown);
            }
        }
    }

    /// Returns the index of the running program with this name, or of the last one.
    fn named(&self, place: &str, program: Option<&str>) -> usize {
        let found = self.running.iter().rposition(|running| program.is_none_or(|name| name == running.name));
        found.unwrap_or_else(|| panic!("{place}: {} is not running", program.unwrap_or("the program")))
    }

    fn start(&mut self, command: &str, alone: bool) -> Daemon {
        self.commands += 1;
        self.shell.start(&self.here(command), alone, self.code)
    }

    /// Waits until the program has printed these lines.
    fn prints(&mut self, place: &str, at: usize, shown: &[String]) {
        let shown: Vec<String> = shown.iter().map(|line| self.here(line)).collect();
        let running = &mut self.running[at];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = has_ended(&running.daemon);
            if ended {
                // Waits until all its output has been read.
                running.daemon.wait(PATIENCE);
            }
            let printed = running.daemon.lines().split_off(running.compared);
            if let Some(compared) = matched(&shown, &printed, false) {
                running.compared += compared;
                return;
            }
            assert!(
                !ended && Instant::now() < deadline,
                "{}",
                differs(place, &running.name, &shown, &printed)
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of the program, and compares the rest of its output.
    fn ends(&mut self, place: &str, running: Running, shown: &[String]) {
        let status = running.daemon.wait(PATIENCE);
        self.code = status.code().unwrap_or(128);
        let shown: Vec<String> = shown.iter().map(|line| self.here(line)).collect();
        let mut printed = running.daemon.lines().split_off(running.compared);
        printed.retain(|line| !is_log(line));
        let as_shown = matched(&shown, &printed, true).is_some();
        assert!(as_shown, "{}", differs(place, &running.name, &shown, &printed));
    }

    /// Returns the text with the ports of this run.
    fn here(&self, text: &str) -> String {
        with_ports(text, &self.ports)
    }
}

fn has_ended(daemon: &Daemon) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", daemon.pid()));
    !status.is_ok_and(|status| !status.contains(") Z "))
}

/// Returns true for a line of a program's log, which begins with the time.
fn is_log(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes.len() > 10 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T'
}

fn differs(place: &str, command: &str, shown: &[String], printed: &[String]) -> String {
    format!("{place}: {command}\nshown:\n{}\nprinted:\n{}\n", shown.join("\n"), printed.join("\n"))
}
