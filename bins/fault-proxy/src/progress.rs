//! The progress bar of a run that has an end.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proxy_cli::log::Log;
use tokio::time::Instant;

use crate::timeline::Timeline;

const REFRESH: Duration = Duration::from_millis(250);

/// On stderr, drawn by a thread of its own; gone when it drops.
pub(crate) struct Progress<'a> {
    log: &'a Log,
    bar: ProgressBar,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl<'a> Progress<'a> {
    /// Of a run that started at `started` and takes `duration`.
    pub(crate) fn start(log: &'a Log, timeline: Timeline, started: Instant, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(millis), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {wide_msg}").expect("the template is a constant");
        bar.set_style(style);
        log.keep_clear_of(Some(bar.clone()));
        let (stop, stopped) = mpsc::channel();
        let ticking = bar.clone();
        let thread = thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(REFRESH) {
                let elapsed = started.elapsed();
                ticking.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(millis).min(millis));
                ticking.set_message(message(&timeline, elapsed, duration));
            }
        });
        Self { log, bar, ticker: Some((stop, thread)) }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            thread.join().ok();
        }
        self.log.keep_clear_of(None);
        self.bar.finish_and_clear();
    }
}

fn message(timeline: &Timeline, elapsed: Duration, duration: Duration) -> String {
    let left = duration.saturating_sub(elapsed);
    // rounded up
    let left = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
    if left.is_zero() {
        return "draining".to_owned();
    }
    let on = timeline.on_at(elapsed);
    let on = if on.is_empty() { String::new() } else { format!("  on: {}", on.join(", ")) };
    format!("{} left{on}", humantime::format_duration(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_tells_the_time_left() {
        let timeline = Timeline::of(&[]);
        let message = |elapsed| message(&timeline, Duration::from_millis(elapsed), Duration::from_secs(90));
        assert_eq!(message(0), "1m 30s left");
        assert_eq!(message(88_500), "2s left");
        assert_eq!(message(90_000), "draining");
    }
}
