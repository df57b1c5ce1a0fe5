//! How long messages may be, as far as NATS does not announce it before the login.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64_simd::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Smallest size with which sessions open and carry payloads in either encoding, in bytes.
pub(crate) const MIN_MESSAGE: usize = 384;
/// No session publishes longer messages. A plain one carries 32 KiB of data in base64.
pub(super) const MAX_MESSAGE: usize = 44 << 10;
/// Sizes to try when NATS refuses a message. Each costs a connection to NATS.
const STEPS: [usize; 3] = [4 << 10, 512, MIN_MESSAGE];

/// Size of the longest message that the server takes, in bytes. async-nats ignores the second INFO, which has the limit of the account
/// or user.
#[derive(Debug)]
pub(super) struct PayloadLimit {
    /// As configured at first. 0 if NATS refuses messages of [`MIN_MESSAGE`] bytes.
    learned: AtomicUsize,
    /// In the JWT that the user has logged in with.
    of_user: AtomicUsize,
    /// One message at a time is sent to find the limit.
    is_probed: AtomicBool,
}

impl PayloadLimit {
    pub(super) fn new(max_message: usize) -> Self {
        Self {
            learned: AtomicUsize::new(max_message.min(MAX_MESSAGE)),
            of_user: AtomicUsize::new(usize::MAX),
            is_probed: AtomicBool::new(false),
        }
    }

    pub(super) fn get(&self) -> usize {
        self.learned.load(Ordering::Relaxed).min(self.of_user.load(Ordering::Relaxed))
    }

    /// The user logs in with this JWT, if with any.
    pub(super) fn on_login(&self, jwt: Option<&str>) {
        let limit = jwt.and_then(payload_claim).unwrap_or(usize::MAX);
        self.of_user.store(limit, Ordering::Relaxed);
    }

    pub(super) fn set_probed(&self, is_probed: bool) {
        self.is_probed.store(is_probed, Ordering::Relaxed);
    }

    pub(super) fn is_probed(&self) -> bool {
        self.is_probed.load(Ordering::Relaxed)
    }

    /// NATS has refused a message as too long.
    pub(super) fn on_refusal(&self) {
        let refused = self.get();
        let learned = STEPS.into_iter().find(|step| *step < refused).unwrap_or(0);
        self.learned.store(learned, Ordering::Relaxed);
    }
}

/// Returns the payload limit of a user. The claim is -1 for no limit, and 0 if the limits are those of a scoped signing key.
fn payload_claim(jwt: &str) -> Option<usize> {
    #[derive(Deserialize)]
    struct Claims {
        nats: Limits,
    }
    #[derive(Deserialize)]
    struct Limits {
        payload: i64,
    }
    let claims = URL_SAFE_NO_PAD.decode_to_vec(jwt.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    usize::try_from(claims.nats.payload).ok().filter(|payload| *payload > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("header.{}.signature", URL_SAFE_NO_PAD.encode_to_string(claims))
    }

    #[test]
    fn each_refusal_makes_messages_shorter_down_to_none() {
        let limit = PayloadLimit::new(usize::MAX);
        let mut sizes = Vec::new();
        while limit.get() > 0 {
            sizes.push(limit.get());
            limit.on_refusal();
        }
        assert_eq!(sizes, [MAX_MESSAGE, 4096, 512, MIN_MESSAGE]);
    }

    #[test]
    fn the_limit_of_a_user_is_that_of_the_latest_login() {
        let limit = PayloadLimit::new(usize::MAX);
        limit.on_login(Some(&jwt(r#"{"nats":{"payload":8192,"subs":-1}}"#)));
        assert_eq!(limit.get(), 8192);
        limit.on_login(Some(&jwt(r#"{"nats":{"payload":1024}}"#)));
        assert_eq!(limit.get(), 1024);
        for unlimited in [r#"{"nats":{"payload":-1}}"#, r#"{"nats":{"payload":0}}"#, "{}", "not JSON"] {
            limit.on_login(Some(&jwt(unlimited)));
            assert_eq!(limit.get(), MAX_MESSAGE, "{unlimited}");
        }
        limit.on_login(Some("no dots"));
        assert_eq!(limit.get(), MAX_MESSAGE);
    }
}
