//! The view of proxies on a terminal: the command `top`, and `run` on a terminal.

mod app;
mod columns;
mod detail;
mod draw;
mod faults;
mod format;
mod help;
mod order;
mod overview;
mod prompt;
mod run;
mod screen;
mod source;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use proxy_cli::log::HeldLog;
use proxy_cli::signals::Signals;
use proxy_cli::sys;
use ratatui::layout::Size;

use self::app::{Action, App, Change};
use self::draw::{LOG_LINES, Shown};
pub(crate) use self::run::View;
use self::screen::Screen;
use self::source::{Snapshot, Source, Update};
use crate::args::ApiArgs;
use crate::ctl;

/// Time to wait for a key before the next look at updates.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Time without an update after which the view reports that.
const SILENCE: Duration = Duration::from_secs(5);

/// Number of pending updates and changes.
const QUEUE: usize = 16;

/// Time limit for the end of the process after a signal.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The command `top`.
pub(crate) fn top(args: &ApiArgs) -> Result<()> {
    let source = Source::Api(ctl::connect(args)?);
    let snapshot = source.snapshot()?;
    if let Some(obstacle) = screen::obstacle() {
        bail!("top requires a terminal: {obstacle}; use `fault-proxy ctl list` in a script");
    }
    let signals = Signals::with_hangup("fault-proxy", Duration::ZERO, END_TIMEOUT)?;
    let mut view = Display::open(source, snapshot, None)?;
    view.follow(|| signals.have_come()).map(drop).context("cannot use the terminal")
}

/// Why the view was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// By a key, or because the process is in the background now.
    Key,
    /// By Ctrl-C.
    Interrupt,
    /// Because what it shows is over.
    Over,
}

/// The view on the terminal.
struct Display {
    // The terminal is restored before the log continues there.
    screen: Screen,
    log: Option<HeldLog>,
    app: App,
    source: Source,
    snapshot: Snapshot,
    /// Error of the last update, and its time.
    problem: Option<String>,
    updated: Instant,
    /// Size of the terminal and lines of the log that were drawn last, unless something else has changed since.
    drawn: Option<(Size, Vec<String>)>,
    commands: SyncSender<Change>,
    updates: Receiver<Update>,
}

impl Display {
    /// Covers the terminal. `log` is that of this process, if it has one there.
    fn open(source: Source, snapshot: Snapshot, log: Option<HeldLog>) -> Result<Self> {
        let screen = Screen::open().context("cannot use the terminal")?;
        let (commands, received) = sync_channel(QUEUE);
        let (sent, updates) = sync_channel(QUEUE);
        let worker = source.clone();
        // Not joined: a request may take as long as its time limit. The thread ends with the channels.
        thread::Builder::new()
            .name("view-source".to_owned())
            .spawn(move || source::work(&worker, &received, &sent))
            .context("cannot start a thread")?;
        Ok(Self {
            screen,
            log,
            app: App::default(),
            source,
            snapshot,
            problem: None,
            updated: Instant::now(),
            drawn: None,
            commands,
            updates,
        })
    }

    /// Shows the state and handles keys until a key leaves the view, or it is over.
    fn follow(&mut self, is_over: impl Fn() -> bool) -> io::Result<Left> {
        while !is_over() && self.screen.is_shown() {
            self.update();
            self.draw_changes()?;
            // crossterm does not report a closed terminal.
            let wait = sys::wait_for_stdin(POLL_INTERVAL)?.unwrap_or_default();
            // It does not look for events without a time to wait.
            while event::poll(wait.max(Duration::from_millis(1)))? {
                match event::read()? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => {
                        if let Some(left) = self.press(key)? {
                            return Ok(left);
                        }
                    }
                    // The size may be as before, but what was outside of a smaller terminal is lost.
                    Event::Resize(..) => {
                        self.drawn = None;
                        self.screen.clear()?;
                    }
                    _ => {}
                }
            }
        }
        Ok(Left::Over)
    }

    /// Returns true if Ctrl-C was pressed again. The restored terminal would not send a signal for it.
    fn is_interrupted_again(&self) -> io::Result<bool> {
        let is_ctrl_c = |key: KeyEvent| {
            key.code == KeyCode::Char('c')
                && key.modifiers.contains(KeyModifiers::CONTROL)
                && key.kind != KeyEventKind::Release
        };
        while event::poll(Duration::from_millis(1))? {
            if matches!(event::read()?, Event::Key(key) if is_ctrl_c(key)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Handles a key. Returns why it leaves the view, if it does.
    fn press(&mut self, key: KeyEvent) -> io::Result<Option<Left>> {
        self.drawn = None;
        match self.app.press(key, &self.snapshot.state, Instant::now()) {
            Action::Nothing => {}
            Action::Leave => return Ok(Some(Left::Key)),
            Action::Interrupt => return Ok(Some(Left::Interrupt)),
            Action::Suspend => {
                if !self.screen.suspend()? {
                    return Ok(Some(Left::Key));
                }
            }
            Action::Redraw => self.screen.clear()?,
            Action::Change(change) => {
                if self.commands.try_send(change).is_err() {
                    self.app.on_done(Err("earlier changes are not done yet".to_owned()), Instant::now());
                }
            }
        }
        Ok(None)
    }

    /// Takes over updates.
    fn update(&mut self) {
        let now = Instant::now();
        while let Ok(update) = self.updates.try_recv() {
            (self.drawn, self.updated) = (None, now);
            match update {
                Update::Done(result) => self.app.on_done(result, now),
                Update::Snapshot(Ok(snapshot)) => {
                    self.app.on_state(&snapshot.state, now);
                    self.snapshot = snapshot;
                    self.problem = None;
                }
                Update::Snapshot(Err(problem)) => self.problem = Some(problem),
            }
        }
        let silence = now.saturating_duration_since(self.updated);
        if silence >= SILENCE && self.problem.is_none() {
            self.drawn = None;
            self.problem = Some(format!("{} does not respond", self.source.address()));
        }
        self.app.tick(now);
    }

    /// Draws the screen if something has changed.
    fn draw_changes(&mut self) -> io::Result<()> {
        let Self { screen, log, app, source, snapshot, problem, drawn, .. } = self;
        let lines = log.as_ref().map(|log| log.last(LOG_LINES));
        let now = (screen.size()?, lines.clone().unwrap_or_default());
        if drawn.as_ref() == Some(&now) {
            return Ok(());
        }
        let shown = Shown {
            snapshot,
            address: source.address(),
            is_run: matches!(source, Source::Run { .. }),
            problem: problem.as_deref(),
            log: lines.as_deref(),
        };
        screen.draw(|frame| draw::draw(frame, app, &shown))?;
        *drawn = Some(now);
        Ok(())
    }
}
