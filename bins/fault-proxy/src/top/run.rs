//! The view of a run on its terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fault_proxy_control::proxies::Proxies;
use proxy_cli::log::{HeldLog, Log};
use proxy_cli::signals::EndRequest;
use proxy_cli::sys;
use tracing::{info, warn};

use super::source::Source;
use super::{Display, Left, screen};
use crate::ctl::Api;

/// The view of a run. A separate thread draws it until it is left by a key or closed. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct View {
    is_closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl View {
    /// Holds the log for a view, which shows it, if there is a terminal for the view.
    pub(crate) fn hold(log: &Log) -> Option<HeldLog> {
        (log.leaves_room_for_a_view() && screen::obstacle().is_none()).then(|| log.hold())
    }

    /// Covers the terminal with the view. `api` changes faults. The keys end the run by `end`, and so does the end of the
    /// terminal if `ends_with_terminal`.
    pub(crate) fn start(
        held: HeldLog,
        proxies: Proxies,
        api: Option<Api>,
        end: EndRequest,
        ends_with_terminal: bool,
    ) -> Option<Self> {
        let source = Source::Run { proxies, api };
        let opened = source.snapshot().and_then(|snapshot| Display::open(source, snapshot, Some(held)));
        let mut display = match opened {
            Ok(display) => display,
            Err(error) => {
                warn!(error = %format_args!("{error:#}"), "no view: {error:#}");
                return None;
            }
        };
        let is_closed = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&is_closed);
        let thread = thread::spawn(move || {
            let left = display.follow(|| closed.load(Ordering::Relaxed));
            let is_interrupted_again =
                matches!(left, Ok(Left::Interrupt)) && display.is_interrupted_again().unwrap_or(false);
            drop(display);
            match left {
                Ok(Left::Over) => {}
                Ok(Left::Interrupt) => {
                    end.send("Ctrl-C");
                    if is_interrupted_again {
                        end.send("Ctrl-C");
                    }
                }
                Ok(Left::Key) => {
                    info!(
                        "the view is closed and the run continues: Ctrl-C ends it, `fault-proxy top` shows it again"
                    );
                }
                Err(error) => {
                    warn!(%error, "the view is closed");
                    if ends_with_terminal && sys::wait_for_stdin(Duration::ZERO).is_err() {
                        end.send("closed terminal");
                    }
                }
            }
        });
        Some(Self { is_closed, thread: Some(thread) })
    }

    /// Restores the terminal soon.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed.
            thread.join().ok();
        }
    }
}
