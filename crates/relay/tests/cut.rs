//! Streams that end their session, even with undelivered data.

mod support;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use fault_proxy_relay::{CloseReason, Config, Route, Stream};
use support::{ConnectTo, Prepared, Running};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A peer that does not read, not even its half-close, and sends as long as `sends` is set.
struct Stalled {
    sends: bool,
    /// Set once the relay asks the one that sends.
    is_cut: Arc<AtomicBool>,
    cut_by_reset: bool,
}

impl AsyncRead for Stalled {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_cut.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        if !self.sends {
            return Poll::Pending;
        }
        buf.put_slice(&[7; 1000][..buf.remaining().min(1000)]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stalled {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Stream for Stalled {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn poll_terminated(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sends {
            self.is_cut.store(true, Ordering::Relaxed);
        } else if !self.is_cut.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Poll::Ready(if self.cut_by_reset { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) })
    }
}

/// A client that reads only after it has sent everything.
struct Uploading {
    left: AtomicUsize,
    is_cut: Arc<AtomicBool>,
}

impl AsyncRead for Uploading {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_cut.load(Ordering::Relaxed) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncWrite for Uploading {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.left.load(Ordering::Relaxed) {
            0 => Poll::Ready(Ok(bytes.len())),
            _ => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Uploading {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn poll_terminated(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_cut.load(Ordering::Relaxed) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_discard(&mut self, _: &mut Context<'_>) -> Poll<usize> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        Poll::Ready(left)
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_still_sends_receives_what_was_read_before_the_cut() {
    let is_cut = Arc::<AtomicBool>::default();
    let client = Box::new(Uploading { left: AtomicUsize::new(100), is_cut: Arc::clone(&is_cut) });
    let listener = Prepared::new(vec![Ok(client)]);
    let upstream = Box::new(Stalled { sends: true, is_cut, cut_by_reset: false });
    let route = Route::to(ConnectTo::new(upstream));
    let mut running = Running::start_with(Config::default(), listener, route, ([127, 0, 0, 1], 0).into());
    let summary = running.summary().await;
    assert_eq!((summary.bytes.to_downstream, &summary.downstream_end), (1000, &CloseReason::Finished));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_cut_does_not_wait_long_for_a_peer_that_takes_nothing() {
    for cut_by_reset in [false, true] {
        let is_cut = Arc::new(AtomicBool::new(false));
        let stalled = |sends| Box::new(Stalled { sends, is_cut: Arc::clone(&is_cut), cut_by_reset });
        let listener = Prepared::new(vec![Ok(stalled(true))]);
        let route = Route::to(ConnectTo::new(stalled(false)));
        let mut running = Running::start_with(Config::default(), listener, route, ([127, 0, 0, 1], 0).into());
        let summary = running.summary().await;
        let expected = if cut_by_reset { CloseReason::Aborted } else { CloseReason::Finished };
        assert_eq!(summary.downstream_end, expected, "{summary:?}");
    }
}
