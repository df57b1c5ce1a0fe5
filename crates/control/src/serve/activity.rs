//! What a connection of the HTTP server does at the moment.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;

/// Whether a connection waits for its client, and since when. Clones are of the same connection.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// There is a request whose body has come, and whose response has not been handed over.
    is_working: bool,
    has_asked: bool,
    /// The last time that something moved.
    since: Instant,
}

impl Activity {
    /// Of a connection that was accepted now.
    pub(super) fn new() -> Self {
        let state = State { is_working: false, has_asked: false, since: Instant::now() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Whether a request is in progress, and when something moved last. A request whose body has not come to its end
    /// waits for its client.
    pub(super) fn state(&self) -> (bool, Instant) {
        let state = self.lock();
        (state.is_working, state.since)
    }

    /// Whether a request's head has come.
    pub(super) fn has_asked(&self) -> bool {
        self.lock().has_asked
    }

    /// Follows a request's body.
    pub(super) fn request(&self, request: Request<Incoming>) -> Request<Body> {
        self.lock().has_asked = true;
        request.map(|body| self.follow(Body::new(body), true))
    }

    /// Follows a response's body.
    pub(super) fn response(&self, response: Response) -> Response {
        response.map(|body| self.follow(body, false))
    }

    fn follow(&self, body: Body, works_after: bool) -> Body {
        let mark = Mark { activity: self.clone(), works_after };
        mark.moved();
        Body::new(Followed { body, mark })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the end of a body when it drops.
struct Mark {
    activity: Activity,
    works_after: bool,
}

impl Mark {
    fn moved(&self) {
        self.activity.lock().since = Instant::now();
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.is_working = self.works_after;
        state.since = Instant::now();
    }
}

struct Followed {
    body: Body,
    mark: Mark,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // A request's body that trickles in is still waiting for its client.
        if polled.is_ready() && !self.mark.works_after {
            self.mark.moved();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
