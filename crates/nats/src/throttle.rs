//! Log lines that strangers could make come in floods.

use proxy_relay::Throttle;
use tokio::time::Instant;
use tracing::warn;

/// Warnings of messages that make no sense, or that are refused.
#[derive(Debug, Default)]
pub(crate) struct MessageWarnings(Throttle);

impl MessageWarnings {
    /// `line` is told how many messages it is about: `a message`, `7 messages`.
    pub(crate) fn warn(&self, line: impl FnOnce(&str) -> String) {
        if let Some(count) = self.0.pass(Instant::now(), "") {
            let times = if count == 1 { "a message".to_owned() } else { format!("{count} messages") };
            warn!("{}", line(&times));
        }
    }
}

/// No later warning tells of those that were left out.
impl Drop for MessageWarnings {
    fn drop(&mut self) {
        if let Some((count, _)) = self.0.rest(None) {
            warn!(count, "messages dropped or refused since the last warning about them");
        }
    }
}
