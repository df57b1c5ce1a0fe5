//! Requests that a server has received recently, so that a repeated request gets the same answer.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use tokio::time::Instant;

use crate::id::RequestId;

/// Time that requests are remembered. Clients repeat a request for a shorter time.
const KEEP: Duration = Duration::from_secs(60);
/// Maximum number of remembered requests, which take about 4 MB.
const MAX_REQUESTS: usize = 8192;

/// Requests by their IDs. The oldest is forgotten when there are too many.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    requests: HashMap<RequestId, Entry>,
    order: VecDeque<(Instant, RequestId)>,
}

#[derive(Debug)]
struct Entry {
    /// Inbox of the client. The answer contains the session, so no other client may get it.
    reply: Subject,
    answer: Option<Bytes>,
}

/// State of a received request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The request has not been received before, and is remembered from now on.
    New,
    /// The request is not decided yet.
    Pending,
    /// The request was answered with this message.
    Answered(Bytes),
    /// Another client has sent a request with the same ID.
    Foreign,
}

impl Remembered {
    /// Records that a request has arrived.
    pub(crate) fn on_request(&mut self, id: &RequestId, reply: &Subject, now: Instant) -> Known {
        let known = self.get(id, reply);
        if known == Known::New {
            while let Some((came, oldest)) = self.order.front()
                && (self.order.len() >= MAX_REQUESTS || *came + KEEP <= now)
            {
                self.requests.remove(oldest);
                self.order.pop_front();
            }
            self.requests.insert(id.clone(), Entry { reply: reply.clone(), answer: None });
            self.order.push_back((now, id.clone()));
        }
        known
    }

    /// Returns the state of a request without remembering it.
    pub(crate) fn get(&self, id: &RequestId, reply: &Subject) -> Known {
        match self.requests.get(id) {
            None => Known::New,
            Some(entry) if entry.reply != *reply => Known::Foreign,
            Some(Entry { answer: None, .. }) => Known::Pending,
            Some(Entry { answer: Some(answer), .. }) => Known::Answered(answer.clone()),
        }
    }

    /// Records the answer to a request.
    pub(crate) fn on_answer(&mut self, id: &RequestId, answer: Bytes) {
        if let Some(entry) = self.requests.get_mut(id) {
            entry.answer = Some(answer);
        }
    }

    /// Forgets a request. It may be decided differently when it is received again.
    pub(crate) fn forget(&mut self, id: &RequestId) {
        // From the end: a request that is forgotten arrived recently.
        if self.requests.remove(id).is_some()
            && let Some(place) = self.order.iter().rposition(|(_, other)| other == id)
        {
            self.order.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> RequestId {
        RequestId::parse(&format!("request-{number}")).unwrap()
    }

    #[test]
    fn a_repeated_request_gets_the_answer_of_the_first() {
        let (mut remembered, now, inbox) = (Remembered::default(), Instant::now(), Subject::from("inbox"));
        assert_eq!(remembered.on_request(&id(1), &inbox, now), Known::New);
        assert_eq!(remembered.on_request(&id(1), &inbox, now), Known::Pending);
        remembered.on_answer(&id(1), Bytes::from("yes"));
        assert_eq!(remembered.on_request(&id(1), &inbox, now), Known::Answered(Bytes::from("yes")));
        assert_eq!(remembered.on_request(&id(1), &"another".into(), now), Known::Foreign);
        assert_eq!(remembered.on_request(&id(2), &inbox, now), Known::New);
    }

    #[test]
    fn a_forgotten_request_is_new() {
        let (mut remembered, now, inbox) = (Remembered::default(), Instant::now(), Subject::from("inbox"));
        remembered.on_request(&id(1), &inbox, now);
        remembered.forget(&id(1));
        remembered.on_answer(&id(1), Bytes::from("late"));
        assert_eq!(remembered.on_request(&id(1), &inbox, now), Known::New);
        assert_eq!(remembered.order.len(), 1);
    }

    #[test]
    fn old_requests_and_those_beyond_the_limit_are_forgotten() {
        let (mut remembered, now, inbox) = (Remembered::default(), Instant::now(), Subject::from("inbox"));
        for number in 0..MAX_REQUESTS + 10 {
            remembered.on_request(&id(number), &inbox, now);
        }
        assert_eq!((remembered.requests.len(), remembered.order.len()), (MAX_REQUESTS, MAX_REQUESTS));
        assert_eq!(remembered.get(&id(9), &inbox), Known::New);
        assert_eq!(remembered.get(&id(10), &inbox), Known::Pending);
        remembered.on_request(&id(0), &inbox, now + KEEP);
        assert_eq!((remembered.requests.len(), remembered.order.len()), (1, 1));
    }
}
