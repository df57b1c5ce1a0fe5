//! What a connection of the HTTP server does at the moment.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;

/// Whether a connection waits for its client, and since when. Clones are of the same connection.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    state: Arc<Mutex<State>>,
    /// Whether another connection waits for a place.
    is_full: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    /// There is a request whose body has come, and whose response has not been handed over.
    is_working: bool,
    has_asked: bool,
    /// The last time that something moved.
    since: Instant,
}

impl Activity {
    /// Creates the state of a connection that has just been accepted.
    pub(super) fn new(is_full: Arc<AtomicBool>) -> Self {
        let state = State { is_working: false, has_asked: false, since: Instant::now() };
        Self { state: Arc::new(Mutex::new(state)), is_full }
    }

    /// Whether a request is in progress, and when something moved last. A request whose body has not come to its end
    /// waits for its client.
    pub(super) fn state(&self) -> (bool, Instant) {
        let state = self.lock();
        (state.is_working, state.since)
    }

    /// Whether a request's head has come.
    pub(super) fn has_request(&self) -> bool {
        self.lock().has_asked
    }

    /// Follows a request's body.
    pub(super) fn request(&self, request: Request<Incoming>) -> Request<Body> {
        self.lock().has_asked = true;
        request.map(|body| self.follow(Body::new(body), true))
    }

    /// Follows a response's body. While another connection waits for a place, it is the last response of this one.
    pub(super) fn response(&self, mut response: Response) -> Response {
        if self.is_full.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| self.follow(body, false))
    }

    fn follow(&self, body: Body, works_after: bool) -> Body {
        let mark = Mark { activity: self.clone(), works_after };
        mark.moved();
        Body::new(TrackedBody { body, mark })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

struct TrackedBody {
    body: Body,
    mark: Mark,
}

impl HttpBody for TrackedBody {
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
