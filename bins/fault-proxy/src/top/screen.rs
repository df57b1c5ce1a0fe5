//! The terminal while a view covers it.

use std::env;
use std::io::{self, IsTerminal, Stderr, stderr, stdin};
use std::mem::ManuallyDrop;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use proxy_cli::sys;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Size;
use ratatui::{Frame, Terminal};

/// Returns why no view can be shown, if so. stdin and stderr must be a terminal that has a size and moves its cursor, and the
/// process must not be in the background, where it would be stopped.
pub(super) fn obstacle() -> Option<&'static str> {
    let is_dumb = || env::var_os("TERM").is_some_and(|term| term == "dumb");
    let has_size = || size().is_ok_and(|(columns, rows)| columns > 0 && rows > 0);
    match () {
        () if !stdin().is_terminal() => Some("stdin is not a terminal"),
        () if !stderr().is_terminal() => Some("stderr is not a terminal"),
        () if is_dumb() => Some("TERM is `dumb`, set it to the type of the terminal"),
        () if !sys::is_in_foreground() => Some("the process is in the background"),
        () if !has_size() => Some("the terminal has no size, set it with stty rows 24 cols 80"),
        () => None,
    }
}

/// The alternate screen of the terminal, without echo. Dropping it restores the terminal, and so does a panic of any thread.
pub(super) struct Screen {
    // Its drop shows the cursor, and panics if the terminal is closed.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stderr>>>,
    is_shown: Arc<AtomicBool>,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let is_shown = Arc::new(AtomicBool::new(false));
        let (of_hook, previous) = (Arc::clone(&is_shown), panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            restore(&of_hook);
            previous(info);
        }));
        let terminal = ManuallyDrop::new(Terminal::new(CrosstermBackend::new(stderr()))?);
        let mut screen = Self { terminal, is_shown };
        screen.show()?;
        Ok(screen)
    }

    fn show(&mut self) -> io::Result<()> {
        self.is_shown.store(true, Ordering::Relaxed);
        enable_raw_mode()?;
        execute!(stderr(), EnterAlternateScreen)?;
        self.clear()
    }

    /// Returns false after a panic.
    pub(super) fn is_shown(&self) -> bool {
        self.is_shown.load(Ordering::Relaxed)
    }

    pub(super) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }

    /// Draws everything again the next time.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        execute!(stderr(), Clear(ClearType::All))?;
        // Terminal::clear would ask the terminal for the position of its cursor, and not all terminals answer.
        // Each call empties one of the two buffers.
        self.terminal.swap_buffers();
        self.terminal.swap_buffers();
        Ok(())
    }

    /// Stops the process. Returns when it continues: with true, unless it continues in the background.
    pub(super) fn suspend(&mut self) -> io::Result<bool> {
        restore(&self.is_shown);
        sys::suspend();
        if !sys::is_in_foreground() {
            return Ok(false);
        }
        self.show()?;
        Ok(true)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore(&self.is_shown);
    }
}

fn restore(is_shown: &AtomicBool) {
    if is_shown.swap(false, Ordering::Relaxed) {
        // A closed terminal needs no restoring.
        disable_raw_mode().ok();
        execute!(stderr(), LeaveAlternateScreen, Show).ok();
    }
}
