//! Maximum size of messages, as far as NATS does not announce it before the login.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use base64_simd::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Minimum size with which sessions open and carry payloads in either encoding, in bytes.
pub(crate) const MIN_MESSAGE: usize = 384;
/// Maximum size of messages that sessions publish. A plain one contains 32 KiB of data in base64.
pub(super) const MAX_MESSAGE: usize = 44 << 10;
/// Sizes to try when NATS refuses a message. Each costs a connection to NATS.
const STEPS: [usize; 3] = [4 << 10, 512, MIN_MESSAGE];

/// Maximum size of a message that the server accepts, in bytes. async-nats ignores the second INFO, which contains the
/// limit of the account or user.
#[derive(Debug)]
pub(super) struct PayloadLimit {
    /// Configured limit.
    max: usize,
    /// Size that NATS has not refused so far. 0 if it refuses messages of [`MIN_MESSAGE`] bytes.
    learned: AtomicUsize,
    /// Limit in the JWT of the user.
    of_user: AtomicUsize,
    /// Size of the message that is sent to measure the limit. 0 if no measurement is running.
    probed: AtomicUsize,
    /// Number of messages that NATS has refused.
    refusals: AtomicU64,
}

impl PayloadLimit {
    pub(super) fn new(max_message: usize) -> Self {
        let max = max_message.min(MAX_MESSAGE);
        Self {
            max,
            learned: AtomicUsize::new(max),
            of_user: AtomicUsize::new(usize::MAX),
            probed: AtomicUsize::new(0),
            refusals: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self) -> usize {
        self.learned.load(Ordering::Relaxed).min(self.of_user.load(Ordering::Relaxed))
    }

    /// Returns the limit that is known without a refusal, if the server accepts messages of `max_payload` bytes.
    pub(super) fn announced(&self, max_payload: usize) -> usize {
        self.max.min(self.of_user.load(Ordering::Relaxed)).min(max_payload)
    }

    /// Returns the next size to try if refusals have led to a smaller limit than `announced`.
    pub(super) fn next_longer(&self, announced: usize) -> Option<usize> {
        let learned = self.learned.load(Ordering::Relaxed);
        let longer = STEPS.into_iter().rev().find(|step| *step > learned).unwrap_or(announced);
        Some(longer.min(announced)).filter(|longer| *longer > learned)
    }

    /// Records the JWT of the user's login, if there is one.
    pub(super) fn on_login(&self, jwt: Option<&str>) {
        let limit = jwt.and_then(payload_claim).unwrap_or(usize::MAX);
        self.of_user.store(limit, Ordering::Relaxed);
    }

    /// Records that a message of this size is sent to measure the limit. 0 ends the measurement.
    pub(super) fn set_probed(&self, size: usize) {
        self.probed.store(size, Ordering::Relaxed);
    }

    pub(super) fn is_probed(&self) -> bool {
        self.probed.load(Ordering::Relaxed) > 0
    }

    /// Records that NATS has accepted the message that was sent to measure the limit.
    pub(super) fn on_taken(&self, size: usize) {
        self.learned.store(size, Ordering::Relaxed);
    }

    /// Counts a message that NATS has refused as too long.
    pub(super) fn count_refusal(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Lowers the limit after a refusal. Outside of a measurement, the refused message is one of the longest that
    /// sessions send.
    pub(super) fn on_refusal(&self) {
        let refused = match self.probed.load(Ordering::Relaxed) {
            0 => self.get(),
            probed => probed,
        };
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
    fn longer_messages_are_tried_step_by_step_and_one_that_is_refused_changes_nothing() {
        for (limit, sizes) in
            [(0, &[][..]), (400, &[384]), (600, &[384, 512]), (9000, &[384, 512, 4096, 9000])]
        {
            let learned = PayloadLimit::new(usize::MAX);
            while learned.get() > 0 {
                learned.on_refusal();
            }
            let mut taken = Vec::new();
            while let Some(size) = learned.next_longer(learned.announced(9000)) {
                learned.set_probed(size);
                if size > limit {
                    learned.on_refusal();
                    break;
                }
                learned.on_taken(size);
                taken.push(size);
            }
            assert_eq!((&*taken, learned.get()), (sizes, sizes.last().copied().unwrap_or(0)), "{limit}");
        }
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
