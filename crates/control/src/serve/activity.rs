//! Activity of a connection of the HTTP server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Activity of a connection: whether it waits for its client, and since when. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    state: Arc<Mutex<State>>,
    /// True while another connection waits for a slot.
    is_full: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    /// True from the complete receipt of a request until its response is complete.
    is_working: bool,
    has_asked: bool,
    /// Time of the last progress.
    since: Instant,
}

impl Activity {
    /// Creates the state of a connection that has just been accepted.
    pub(super) fn new(is_full: Arc<AtomicBool>) -> Self {
        let state = State { is_working: false, has_asked: false, since: Instant::now() };
        Self { state: Arc::new(Mutex::new(state)), is_full }
    }

    /// Returns true if a request is in progress, and the time of the last progress. A request with an
    /// incomplete body still waits for its client and is not in progress.
    pub(super) fn state(&self) -> (bool, Instant) {
        let state = self.state.lock();
        (state.is_working, state.since)
    }

    /// Returns true if the head of a request has arrived.
    pub(super) fn has_request(&self) -> bool {
        self.state.lock().has_asked
    }

    /// Wraps the body of a request to observe its progress.
    pub(super) fn request(&self, request: Request<Incoming>) -> Request<Body> {
        self.state.lock().has_asked = true;
        request.map(|body| self.follow(Body::new(body), true))
    }

    /// Wraps the body of a response to observe its progress. If another connection waits for a slot, this
    /// connection closes after the response.
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
}

/// Guard that records the end of a body when it is dropped.
struct Mark {
    activity: Activity,
    works_after: bool,
}

impl Mark {
    fn moved(&self) {
        self.activity.state.lock().since = Instant::now();
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut state = self.activity.state.lock();
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
        // An incomplete body of a request still waits for its client.
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
