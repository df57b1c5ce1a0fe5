//! Live view of a run on a terminal: sessions, rates, faults and their schedules.

mod lines;

use std::io::stderr;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fault_proxy_control::proxies::Proxies;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proxy_cli::log::Log;
use terminal_size::{Width, terminal_size_of};

use self::lines::lines;

/// Interval between updates, and the period of the rates.
const REFRESH: Duration = Duration::from_millis(500);
/// Width if the terminal does not report one.
const DEFAULT_WIDTH: usize = 80;

/// The live view on stderr, below the log. A separate thread draws it until it drops.
pub(crate) struct View<'a> {
    log: &'a Log,
    bar: ProgressBar,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl<'a> View<'a> {
    /// Starts the view of a run.
    pub(crate) fn start(log: &'a Log, proxies: Proxies) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is a constant"));
        log.set_progress_bar(Some(bar.clone()));
        let (stop, stopped) = mpsc::channel();
        let shown = bar.clone();
        let thread = thread::spawn(move || {
            let mut before = proxies.state();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(REFRESH) {
                let now = proxies.state();
                shown.set_message(lines(&before, &now, width()).join("\n"));
                shown.tick();
                before = now;
            }
        });
        Self { log, bar, ticker: Some((stop, thread)) }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            thread.join().ok();
        }
        self.log.set_progress_bar(None);
        self.bar.finish_and_clear();
    }
}

fn width() -> usize {
    terminal_size_of(stderr()).map_or(DEFAULT_WIDTH, |(Width(width), _)| width.into())
}
