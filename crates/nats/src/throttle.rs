//! Log lines that strangers could make come in floods.

use std::time::Duration;

use fault_proxy_relay::Throttle;
use tokio::time::Instant;
use tracing::warn;

/// Interval of the warnings of one kind about the NATS connection: a slow consumer causes one with each message.
const RARE_INTERVAL: Duration = Duration::from_secs(10);

/// A warning about the NATS connection, which is logged every 10 s at most.
#[derive(Debug)]
pub(crate) struct RareWarning(Throttle);

impl Default for RareWarning {
    fn default() -> Self {
        Self(Throttle::every(RARE_INTERVAL))
    }
}

impl RareWarning {
    /// Returns how many warnings were left out since the last one, or `None` if this one is to be left out too.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.0.pass(Instant::now(), "").map(|count| count - 1)
    }
}

/// Warnings of messages that make no sense, or that are refused.
#[derive(Debug, Default)]
pub(crate) struct MessageWarnings(Throttle);

impl MessageWarnings {
    /// Calls `line` with the number of messages in words: `a message`, `7 messages`.
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

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rare_warnings_are_counted_while_they_are_left_out() {
        let warning = RareWarning::default();
        assert_eq!((warning.pass(), warning.pass(), warning.pass()), (Some(0), None, None));
        advance(RARE_INTERVAL).await;
        assert_eq!((warning.pass(), warning.pass()), (Some(2), None));
    }
}
