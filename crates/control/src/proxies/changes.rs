//! Record of the changes by clients of the API.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;
use tracing::info;

use super::{Proxies, millis};

/// Maximum number of changes that are kept.
const MAX_CHANGES: usize = 1000;

/// Maximum size of the texts of all kept changes, in bytes. The body of a change may be large.
const MAX_BYTES: usize = 4 << 20;

/// Maximum length of a text in a log line, in characters.
const MAX_LOGGED: usize = 1000;

/// Client of the API that makes changes. The expiry of faults is a client too.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Client {
    #[serde(rename = "client")]
    name: String,
    user_agent: Option<String>,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr, user_agent: Option<String>) -> Self {
        Self { name: addr.to_string(), user_agent }
    }

    /// Returns the client to which the removal of expired faults is attributed.
    pub(super) fn ttl() -> Self {
        Self { name: "ttl".to_owned(), user_agent: None }
    }
}

/// A change of a proxy or of its faults. It serializes as in `GET /changes`.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Number of the change, from 1 in the order of the changes.
    number: u64,
    /// Time since the start of the run.
    at_ms: u64,
    /// Time since 1970-01-01 UTC.
    unix_ms: u64,
    #[serde(flatten)]
    client: Client,
    action: &'static str,
    proxy: String,
    before: Value,
    after: Value,
}

/// The latest changes, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Changes {
    count: u64,
    bytes: usize,
    /// The changes, each with the length of its texts.
    latest: VecDeque<(usize, Change)>,
}

impl Changes {
    fn push(&mut self, len: usize, change: impl FnOnce(u64) -> Change) {
        self.count += 1;
        self.bytes += len;
        self.latest.push_back((len, change(self.count)));
        while self.latest.len() > MAX_CHANGES || self.bytes > MAX_BYTES && self.latest.len() > 1 {
            self.bytes -= self.latest.pop_front().map_or(0, |(len, _)| len);
        }
    }
}

impl Proxies {
    /// Returns a handle whose changes are logged and attributed to `client`.
    pub(crate) fn on_behalf_of(&self, client: Client) -> Self {
        Self { client: Some(Arc::new(client)), ..self.clone() }
    }

    /// Returns the latest changes by clients of the API, the oldest first.
    pub fn changes(&self) -> Vec<Change> {
        self.inner.changes().latest.iter().map(|(_, change)| change.clone()).collect()
    }

    /// Waits for changes after the one with this number, and returns those that are kept. Only one caller may wait at a time.
    ///
    /// # Cancel safety
    /// Dropping the future loses no change.
    pub async fn changes_after(&self, number: u64) -> Vec<Change> {
        loop {
            let changes = self.changes();
            let new: Vec<_> = changes.into_iter().filter(|change| change.number > number).collect();
            if !new.is_empty() {
                return new;
            }
            self.inner.changed.notified().await;
        }
    }

    pub(super) fn change_count(&self) -> u64 {
        self.inner.changes().count
    }

    /// Logs and keeps a change if a client of the API makes it and it has an effect.
    pub(super) fn record(&self, action: &'static str, proxy: &str, before: Value, after: Value) {
        if before != after {
            self.record_change(action, proxy, before, after);
        }
    }

    /// Like [`record`](Self::record), even if the change is not visible in the values.
    pub(super) fn record_change(&self, action: &'static str, proxy: &str, before: Value, after: Value) {
        let Some(client) = &self.client else { return };
        let texts = [&before, &after].map(Value::to_string);
        let len = texts.iter().chain(&client.user_agent).map(String::len).sum();
        let [logged_before, logged_after] = texts.each_ref().map(|text| short(text));
        info!(
            client = %client.name,
            user_agent = client.user_agent,
            action,
            proxy,
            before = %logged_before,
            after = %logged_after,
            "changed by the control API"
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = self.engine().now();
        self.inner.changes().push(len, |number| Change {
            number,
            at_ms: millis(at),
            unix_ms: millis(now),
            client: Client::clone(client),
            action,
            proxy: proxy.to_owned(),
            before,
            after,
        });
        self.inner.changed.notify_one();
    }
}

impl Change {
    /// Returns the number of the change. The first is 1, and each further change is one more than the
    /// previous one.
    pub fn number(&self) -> u64 {
        self.number
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_LOGGED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_latest_changes_are_kept_within_both_limits() {
        let client = Client::new(([127, 0, 0, 1], 1).into(), None);
        let change = |number| Change {
            number,
            at_ms: 0,
            unix_ms: 0,
            client: client.clone(),
            action: "create",
            proxy: "db".to_owned(),
            before: json!(null),
            after: json!(null),
        };
        let mut changes = Changes::default();
        for _ in 0..MAX_CHANGES + 5 {
            changes.push(10, change);
        }
        assert_eq!(changes.latest.len(), MAX_CHANGES);
        assert_eq!(changes.latest.front().map(|(_, change)| change.number), Some(6));
        assert_eq!(changes.bytes, MAX_CHANGES * 10);
        changes.push(MAX_BYTES - 15, change);
        assert_eq!((changes.latest.len(), changes.bytes), (2, MAX_BYTES - 5));
        changes.push(MAX_BYTES * 2, change);
        assert_eq!(changes.latest.len(), 1);
    }

    #[test]
    fn a_long_text_is_short_in_the_log() {
        assert_eq!(short("abc"), "abc");
        assert_eq!(short(&"ä".repeat(MAX_LOGGED + 1)).chars().count(), MAX_LOGGED + 1);
    }
}
