//! Rate limits for log lines that any client could otherwise cause in large numbers.

use std::fmt;
use std::time::Duration;

use fault_proxy_relay::Throttle;
use tokio::time::Instant;
use tracing::warn;

/// Interval of the warnings of one kind about the NATS connection. A slow consumer causes one warning per message.
const RARE_INTERVAL: Duration = Duration::from_secs(10);

/// A warning about the NATS connection that is logged at most every 10 s.
#[derive(Debug)]
pub(crate) struct RareWarning(Throttle);

impl Default for RareWarning {
    fn default() -> Self {
        Self(Throttle::every(RARE_INTERVAL))
    }
}

impl RareWarning {
    /// Returns the number of warnings that were suppressed since the last one, or `None` if this one must be suppressed
    /// too.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.0.pass(Instant::now(), "").map(|count| count - 1)
    }
}

/// Warnings about messages that are invalid or refused.
#[derive(Debug, Default)]
pub(crate) struct MessageWarnings(Throttle);

impl MessageWarnings {
    /// Logs `line`, which gets the number of messages in words: `a message`, `7 messages`. `subject` is the subject of
    /// the last one, and `reason` is why it is invalid or refused.
    pub(crate) fn warn(
        &self,
        subject: Option<&str>,
        reason: &dyn fmt::Display,
        line: impl FnOnce(&str) -> String,
    ) {
        if let Some(count) = self.0.pass(Instant::now(), "") {
            let times = if count == 1 { "a message".to_owned() } else { format!("{count} messages") };
            warn!(count, subject, %reason, "{}", line(&times));
        }
    }
}

/// Writes one line for the suppressed warnings, because no later warning counts them.
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
