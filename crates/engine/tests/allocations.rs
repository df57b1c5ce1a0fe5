//! Memory of the engine. The core does not allocate memory for each chunk: its queues only grow to the amount
//! of data in flight. Held data takes at most four times the limit, however small its chunks are.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use fault_proxy_engine::bench::Core;
use fault_proxy_engine::faults::{Bandwidth, Jitter, Latency, PacketLoss, Slicer};
use fault_proxy_engine::{Delay, Effect, Engine, Fault, FaultStream, LossModel, Settings};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Builder;
use tokio::time::advance;

#[test]
fn chunks_allocate_nothing_once_the_queues_have_grown() {
    let ms = Duration::from_millis(1);
    let mut core = Core::new(vec![
        Fault::new("latency", Effect::from(Latency::new(Delay::Uniform { min: ms, max: 5 * ms }))),
        Fault::new("bandwidth", Effect::from(Bandwidth::new(1e9).with_burst(1000))),
        Fault::new("jitter", Effect::from(Jitter::new(3 * ms, 50.0))),
    ]);
    let (mut now, mut gone, mut bytes) = (Duration::ZERO, 0, [0; 4096]);
    let mut chunks = |count: usize| {
        for _ in 0..count {
            now += Duration::from_micros(10);
            gone += core.chunk(now, &mut bytes);
        }
    };
    chunks(100_000);
    let allocated = allocation_counter::measure(|| chunks(20_000));
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
    assert!(gone > 119_000 * 4096, "{gone}");
}

const LIMIT: usize = 512 << 10;

/// A source that returns one chunk on every second poll.
#[derive(Debug)]
struct Pieces {
    size: usize,
    has_one: bool,
    /// Number of bytes that were read.
    read: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.has_one = !self.has_one;
        if !self.has_one {
            return Poll::Pending;
        }
        let len = self.size.min(buf.remaining());
        buf.initialize_unfilled_to(len);
        buf.advance(len);
        self.read += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls the streams in turn, with a short time in between, until none of them reads any more. Returns the
/// number of bytes that each has read.
async fn fill(streams: &mut [FaultStream<Pieces>], pause: Duration) -> Vec<usize> {
    let mut idle = 0;
    while idle < 10 * streams.len() {
        for stream in &mut *streams {
            let before = stream.get_ref().read;
            poll_fn(|cx| {
                let _ = Pin::new(&mut *stream).poll_fill_buf(cx);
                Poll::Ready(())
            })
            .await;
            idle = if stream.get_ref().read > before { 0 } else { idle + 1 };
            advance(pause).await;
        }
    }
    streams.iter().map(|stream| stream.get_ref().read).collect()
}

/// Faults that hold all data until the test ends.
fn holding() -> [(&'static str, Vec<Effect>); 7] {
    let day = Duration::from_secs(86_400);
    let latency = Effect::from(Latency::new(Delay::Constant(day)));
    let short = Effect::from(Latency::new(Delay::Constant(Duration::from_secs(1))));
    let drawn = Effect::from(Latency::new(Delay::Uniform { min: day, max: day * 2 }));
    let loss = |rate| {
        Effect::from(PacketLoss::new(LossModel::Bernoulli { rate, correlation: 0.0 }, Some(day), 1460))
    };
    [
        ("latency", vec![latency.clone()]),
        ("latency drawn", vec![drawn]),
        ("jitter", vec![Effect::from(Jitter::new(day, 1e6))]),
        ("slicer behind latency", vec![short, Effect::from(Slicer::new(1, 0, day))]),
        ("bandwidth", vec![Effect::from(Bandwidth::new(1e-3).with_burst(1))]),
        ("packet loss", vec![loss(1.0)]),
        ("packet loss and latency", vec![loss(0.0), latency]),
    ]
}

fn engine(flow_limit: usize, total_limit: usize) -> Engine {
    let mut settings = Settings::default();
    settings.flow_limit = flow_limit;
    settings.total_limit = total_limit;
    Engine::new(settings)
}

/// Fills sessions. Returns the number of bytes that each has read, and the maximum memory that this took.
fn filled(engine: &Engine, effects: &[Effect], sessions: usize, size: usize) -> (Vec<usize>, u64) {
    let named = |(number, effect): (usize, &Effect)| Fault::new(number.to_string(), effect.clone());
    let faults = engine.proxy("db", effects.iter().enumerate().map(named).collect());
    let session = |_| {
        let chunks = Pieces { size, has_one: false, read: 0 };
        faults.session().client(chunks)
    };
    let mut streams: Vec<_> = (0..sessions).map(session).collect();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    // The pause is long enough to make each chunk a segment.
    let pause = Duration::from_millis(11);
    let mut read = Vec::new();
    let allocated = allocation_counter::measure(|| read = runtime.block_on(fill(&mut streams, pause)));
    (read, allocated.bytes_max)
}

#[test]
fn what_a_flow_holds_takes_at_most_four_times_its_limit() {
    for (name, effects) in holding() {
        for size in [1, 2, 20, 200, 5000] {
            let engine = engine(LIMIT, usize::MAX);
            let (read, memory) = filled(&engine, &effects, 1, size);
            assert!(memory <= 4 * LIMIT as u64, "{name}, {size} bytes: {memory} for {read:?}");
            // A bandwidth, a slicer and a sender hold less than the limit in any case.
            let least = (size.min(100) * LIMIT / 400).min(60 << 10);
            assert!(read[0] >= least, "{name}, {size} bytes: {read:?}");
            assert_eq!(engine.held(), 0, "{name}");
        }
    }
}

#[test]
fn what_all_flows_hold_takes_at_most_four_times_their_limit_and_is_given_back() {
    for (name, effects) in holding() {
        for size in [1, 20, 200] {
            let engine = engine(usize::MAX, LIMIT);
            let (read, memory) = filled(&engine, &effects, 8, size);
            assert!(memory <= 4 * LIMIT as u64, "{name}, {size} bytes: {memory} for {read:?}");
            let (again, _) = filled(&engine, &effects, 8, size);
            assert_eq!(again, read, "{name}, {size} bytes: not all was given back");
        }
    }
}
