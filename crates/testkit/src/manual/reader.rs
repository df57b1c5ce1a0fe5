//! A reader who runs the commands of a documentation page.

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
/// - Commands are bash's, in a directory of the page's own, without the caller's variables; `$?` is the last one's exit
///   code. A block is one terminal: where a program goes on running, the next command stands in another block.
/// - Output is compared line by line, without the widths of columns. A line `…` is any number of lines, `…` in a line any
///   text; a number directly before it is a lower bound.
/// - Where `…` is the last line of an output, the program goes on running, as in a terminal of its own, when it has printed
///   the lines above. A block that does not begin with a prompt shows what the last one of them that still runs, or the one
///   whose name stands behind ```` ```console ````, prints next; `^C` is Ctrl-C. Without `^C` or a last `…`, it is
///   what the program prints up to its end, without its log, of which a line may come late.
/// - A block below a line that ends with a file's name and a colon is written to that file first. If it is a `diff`, its lines
///   with `-` are replaced in the file by those with `+`.
/// - Ports in commands and files are replaced by free ones.
///
/// What runs is killed when this is dropped, with all that it started; it alone when the test's thread ends.
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
    /// How many of its lines were compared.
    compared: usize,
}

impl Reader {
    /// Creates a reader of a page in docs. `programs` is a directory with the project's programs.
    ///
    /// # Panics
    ///
    /// When there is no such page.
    pub fn of(page: &str, programs: &Path) -> Self {
        Self::new(Page::read(page, None), programs)
    }

    /// Creates a reader of one section of a page, without its subsections.
    ///
    /// # Panics
    ///
    /// When there is no such page.
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

    /// The page's `port` is one on which a server of the test listens.
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
    /// When it cannot be copied.
    #[must_use]
    pub fn with_file(self, name: &str, file: &Path) -> Self {
        fs::copy(file, self.shell.directory().join(name)).expect("the directory is ours");
        self
    }

    /// Puts a link to a directory into the page's directory.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn with_directory(self, name: &str, directory: &Path) -> Self {
        symlink(directory, self.shell.directory().join(name)).expect("the directory is ours");
        self
    }

    /// With a variable in the environment of its commands.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: impl Display) -> Self {
        self.shell.set(name, value);
        self
    }

    /// Runs all steps of the page. Returns the number of commands.
    ///
    /// # Panics
    ///
    /// When something is not as the page shows it, and when a program is not installed.
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

    /// Which of those that run it is.
    fn named(&self, place: &str, program: Option<&str>) -> usize {
        let found = self.running.iter().rposition(|running| program.is_none_or(|name| name == running.name));
        found.unwrap_or_else(|| panic!("{place}: {} runs no more", program.unwrap_or("what is interrupted")))
    }

    fn start(&mut self, command: &str, alone: bool) -> Daemon {
        self.commands += 1;
        self.shell.start(&self.here(command), alone, self.code)
    }

    /// Waits until it has printed these lines.
    fn prints(&mut self, place: &str, at: usize, shown: &[String]) {
        let shown: Vec<String> = shown.iter().map(|line| self.here(line)).collect();
        let running = &mut self.running[at];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = has_ended(&running.daemon);
            if ended {
                // For all that it printed.
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

    /// Waits for its end, and compares the rest of what it has printed.
    fn ends(&mut self, place: &str, running: Running, shown: &[String]) {
        let status = running.daemon.wait(PATIENCE);
        self.code = status.code().unwrap_or(128);
        let shown: Vec<String> = shown.iter().map(|line| self.here(line)).collect();
        let mut printed = running.daemon.lines().split_off(running.compared);
        printed.retain(|line| !is_log(line));
        let as_shown = matched(&shown, &printed, true).is_some();
        assert!(as_shown, "{}", differs(place, &running.name, &shown, &printed));
    }

    /// With this run's ports.
    fn here(&self, text: &str) -> String {
        with_ports(text, &self.ports)
    }
}

fn has_ended(daemon: &Daemon) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", daemon.pid()));
    !status.is_ok_and(|status| !status.contains(") Z "))
}

/// Whether it is a line of our programs' log, which begins with the time.
fn is_log(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes.len() > 10 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T'
}

fn differs(place: &str, command: &str, shown: &[String], printed: &[String]) -> String {
    format!("{place}: {command}\nshown:\n{}\nprinted:\n{}\n", shown.join("\n"), printed.join("\n"))
}
