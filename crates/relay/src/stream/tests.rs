//! Calls that a wrapper passes on to the stream that it wraps.

use std::pin::Pin;
use std::task::Waker;

use tokio::io::ReadBuf;

use super::*;

/// Answers no method with its default, and records those that are called.
#[derive(Default)]
struct Recorder(Vec<&'static str>);

impl Stream for Recorder {
    fn abort(&mut self) {
        self.0.push("abort");
    }

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        None
    }

    fn poll_terminated(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.push("poll_terminated");
        Poll::Ready(Ok(()))
    }

    fn poll_sent(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.0.push("poll_sent");
        Poll::Pending
    }

    fn set_nodelay(&mut self) {
        self.0.push("set_nodelay");
    }

    fn acknowledge(&mut self) {
        self.0.push("acknowledge");
    }

    fn settle(&mut self) {
        self.0.push("settle");
    }

    fn report_again(&mut self) {
        self.0.push("report_again");
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.0.push("take_error");
        Some(io::ErrorKind::ConnectionReset.into())
    }
}

/// Implements what it must.
#[derive(Default)]
struct Wrapper(Recorder);

impl Stream for Wrapper {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        Some(&mut self.0)
    }
}

macro_rules! moves_no_byte {
    ($($stream:ty),*) => {$(
        impl AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                _: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Poll::Pending
            }
        }

        impl AsyncWrite for $stream {
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
    )*};
}

moves_no_byte!(Recorder, Wrapper);

#[test]
fn a_wrapper_passes_on_what_it_does_not_implement() {
    let (mut wrapper, mut cx) = (Wrapper::default(), Context::from_waker(Waker::noop()));
    wrapper.abort();
    assert!(wrapper.poll_terminated(&mut cx).is_ready());
    assert!(wrapper.poll_sent(&mut cx).is_pending());
    wrapper.set_nodelay();
    wrapper.acknowledge();
    wrapper.settle();
    wrapper.report_again();
    assert!(wrapper.take_error().is_some());
    let Wrapper(Recorder(calls)) = wrapper;
    let expected = [
        "abort",
        "poll_terminated",
        "poll_sent",
        "set_nodelay",
        "acknowledge",
        "settle",
        "report_again",
        "take_error",
    ];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn a_stream_that_wraps_none_has_nothing_to_wait_for() {
    let (mut stream, _peer) = tokio::io::duplex(8);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(stream.poll_terminated(&mut cx).is_pending());
    assert!(stream.poll_sent(&mut cx).is_ready());
    stream.set_nodelay();
    stream.acknowledge();
    stream.settle();
    stream.report_again();
    assert!(stream.take_error().is_none());
}
