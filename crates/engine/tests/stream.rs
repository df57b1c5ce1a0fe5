//! Streams with faults, without sockets, on a paused clock. Times are exact to one millisecond, the
//! resolution of tokio's timers.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use fault_proxy_engine::faults::{Bandwidth, Blackhole, Latency, LimitData, Reset, SlowClose, Timeout};
use fault_proxy_engine::{
    Decision, Delay, Effect, Engine, Fault, FaultStream, Faults, Journal, Scope, Settings, Side, Windows,
};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf,
    duplex, join, split,
};
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);

fn latency(millis: u64) -> Fault {
    Fault::new("latency", Effect::from(Latency::new(Delay::Constant(Duration::from_millis(millis)))))
}

fn faults(faults: Vec<Fault>) -> Faults {
    Engine::new(Settings::default()).proxy("test", faults)
}

/// Returns the stream of a client with faults, and the server's end of it.
fn client(faults: &Faults, pipe: usize) -> (FaultStream<DuplexStream>, DuplexStream) {
    let (client, server) = duplex(pipe);
    (faults.session().client(client), server)
}

/// Returns the client's end and the server's end of a session, with a relay between them as in a proxy.
async fn relayed(faults: &Faults) -> (DuplexStream, DuplexStream, tokio::task::JoinSet<()>) {
    let ((client, proxy_client), (proxy_server, server)) = (duplex(1 << 16), duplex(1 << 16));
    let (mut down, mut up) = faults.session().wrap(proxy_client, proxy_server);
    let mut relay = tokio::task::JoinSet::new();
    relay.spawn(async move {
        let _ = tokio::io::copy_bidirectional(&mut down, &mut up).await;
    });
    (client, server, relay)
}

#[tokio::test(start_paused = true)]
async fn requests_and_replies_are_each_late() {
    let (mut client, mut server) = client(&faults(vec![latency(100)]), 1 << 16);
    let started = Instant::now();
    client.write_all(b"ping").await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
    let serve = async {
        let mut request = [0; 4];
        server.read_exact(&mut request).await.unwrap();
        let came = started.elapsed();
        server.write_all(b"pong").await.unwrap();
        came
    };
    let mut reply = [0; 4];
    let (came, read) = tokio::join!(serve, client.read_exact(&mut reply));
    read.unwrap();
    assert!((100..=102).contains(&came.as_millis()), "{came:?}");
    assert!((200..=204).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn latency_does_not_slow_a_stream_down() {
    const SIZE: usize = 8 << 20;
    let (mut client, mut server) = client(&faults(vec![latency(100)]), 1 << 16);
    let started = Instant::now();
    let send = async {
        client.write_all(&vec![7; SIZE]).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, read) = tokio::join!(send, server.read_to_end(&mut received));
    assert_eq!((read.unwrap(), received.len()), (SIZE, SIZE));
    assert!(started.elapsed() < 150 * MS, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_writer_and_a_reader_in_two_tasks_do_not_wait_for_each_other() {
    let (client, mut server) = client(&faults(vec![latency(50)]), 1 << 16);
    let (mut reader, mut writer) = split(client);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut reply = [0; 4];
        reader.read_exact(&mut reply).await.unwrap();
    });
    sleep(10 * MS).await;
    tasks.spawn(async move {
        writer.write_all(b"ping").await.unwrap();
        // The stream is neither flushed nor polled again.
        std::future::pending::<()>().await;
    });
    let mut request = [0; 4];
    timeout(1000 * MS, server.read_exact(&mut request)).await.expect("the reader moves it on").unwrap();
    server.write_all(b"pong").await.unwrap();
    timeout(1000 * MS, tasks.join_next()).await.expect("the reply comes").unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn flush_waits_until_the_bytes_are_gone() {
    let (mut client, mut server) = client(&faults(vec![latency(50)]), 1 << 16);
    client.write_all(b"ping").await.unwrap();
    let started = Instant::now();
    client.flush().await.unwrap();
    assert!(started.elapsed() >= 50 * MS);
    let mut request = [0; 4];
    server.read_exact(&mut request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_reaches_a_stream_that_waits() {
    let faults = faults(vec![latency(60_000)]);
    let (mut client, mut server, _relay) = relayed(&faults).await;
    client.write_all(b"ping").await.unwrap();
    sleep(100 * MS).await;
    let changed = Instant::now();
    faults.replace(vec![]);
    let mut request = [0; 4];
    server.read_exact(&mut request).await.unwrap();
    assert!(changed.elapsed() <= 2 * MS, "{:?}", changed.elapsed());
    faults.replace(vec![latency(100)]);
    let changed = Instant::now();
    server.write_all(b"pong").await.unwrap();
    client.read_exact(&mut request).await.unwrap();
    assert!((100..=102).contains(&changed.elapsed().as_millis()), "{:?}", changed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_schedule_reaches_open_sessions() {
    let stall = Effect::from(Blackhole::new(false));
    let stalled =
        Fault { windows: Windows::always().within(100 * MS, Some(400 * MS)), ..Fault::new("stall", stall) };
    let (mut client, mut server, _relay) = relayed(&faults(vec![stalled])).await;
    let started = Instant::now();
    let mut byte = [0];
    for (send_at, come_at) in [(0, 0), (150, 400), (500, 500)] {
        tokio::time::sleep_until(started + send_at * MS).await;
        client.write_all(b"x").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        let came = started.elapsed().as_millis();
        assert!((come_at..=come_at + 2).contains(&came), "sent at {send_at}, came at {came}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_close_comes_behind_the_bytes_and_the_reply_still_comes() {
    let (mut client, mut server, _relay) = relayed(&faults(vec![latency(80)])).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let (mut question, mut answer) = (String::new(), String::new());
    server.read_to_string(&mut question).await.unwrap();
    server.write_all(b"answer").await.unwrap();
    drop(server);
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!((&*question, &*answer), ("question", "answer"));
}

#[tokio::test(start_paused = true)]
async fn a_limit_closes_both_ways_after_its_bytes() {
    let limit = Fault::new("limit-data", Effect::from(LimitData::new(5)));
    let (mut client, mut server, _relay) = relayed(&faults(vec![limit])).await;
    client.write_all(b"12345678").await.unwrap();
    let (mut got, mut back) = (Vec::new(), Vec::new());
    server.read_to_end(&mut got).await.unwrap();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!((&*got, &*back), (&b"12345"[..], &b""[..]));
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_an_error_to_reads_and_writes() {
    let reset = Effect::from(Reset::new(100 * MS, Side::Both));
    let (mut client, _server) = client(&faults(vec![Fault::new("reset", reset)]), 1 << 16);
    let started = Instant::now();
    let read = client.read_u8().await.unwrap_err();
    assert_eq!(read.kind(), ErrorKind::ConnectionReset);
    assert!(started.elapsed() >= 100 * MS);
    assert_eq!(client.write_all(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn a_flow_holds_no_more_than_its_limit() {
    let mut settings = Settings::default();
    settings.flow_limit = 1 << 20;
    let engine = Engine::new(settings);
    let faults = engine.proxy("test", vec![latency(1000)]);
    let (mut client, mut server, _relay) = relayed(&faults).await;
    let send = async {
        client.write_all(&vec![7; 8 << 20]).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let watch = async {
        let mut most = 0;
        for _ in 0..5 {
            sleep(100 * MS).await;
            most = most.max(engine.held());
        }
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        (most, received.len())
    };
    let (_, (most, received)) = tokio::join!(send, watch);
    assert_eq!(received, 8 << 20);
    assert!(((1 << 20)..(2 << 20)).contains(&most), "{most} bytes held");
    assert_eq!(engine.held(), 0);
}

/// Returns the decisions about 1 MiB that is sent in one write, when a flow holds at most `limit` bytes.
async fn decisions_with_limit(limit: usize) -> Vec<(u64, Decision)> {
    let (decisions, recorded) = mpsc::channel();
    let mut settings = Settings::default();
    settings.flow_limit = limit;
    settings.journal = Some(Journal::new(move |decision| {
        decisions.send((decision.offset, decision.decision)).expect("the test receives");
    }));
    let delay = Delay::Normal { mean: 50 * MS, stddev: 10 * MS };
    let drawn = Fault::new("latency", Effect::from(Latency::new(delay)));
    let faults = Engine::new(settings).proxy("test", vec![drawn]);
    let (mut client, mut server) = client(&faults, 2 << 20);
    server.write_all(&vec![7; 1 << 20]).await.expect("the pipe is open");
    drop(server);
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.expect("the pipe is open");
    assert_eq!(received.len(), 1 << 20);
    recorded.try_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn bytes_that_wait_for_room_are_no_pause_of_their_sender() {
    let unlimited = decisions_with_limit(64 << 20).await;
    assert!(unlimited.len() > 700, "{}", unlimited.len());
    assert_eq!(decisions_with_limit(64 << 10).await, unlimited);
}

#[tokio::test(start_paused = true)]
async fn a_bandwidth_for_the_whole_proxy_is_shared() {
    let shared = Effect::from(Bandwidth::new(100_000.0).with_burst(1000).with_scope(Scope::Proxy));
    let faults = faults(vec![Fault::new("bandwidth", shared)]);
    let started = Instant::now();
    let mut sessions = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (mut client, mut server, mut relay) = relayed(&faults).await;
        sessions.spawn(async move {
            let send = async move {
                client.write_all(&[7; 25_000]).await.unwrap();
                client.shutdown().await.unwrap();
                client
            };
            let mut received = Vec::new();
            let (client, read) = tokio::join!(send, server.read_to_end(&mut received));
            read.unwrap();
            drop((client, server));
            relay.join_next().await;
            received.len()
        });
    }
    let received: usize = sessions.join_all().await.into_iter().sum();
    let took = started.elapsed();
    assert_eq!(received, 100_000);
    assert!((970..1100).contains(&took.as_millis()), "{took:?}");
}

/// Both are available when the stream is polled next, as on a busy machine.
#[tokio::test(start_paused = true)]
async fn what_comes_after_a_change_meets_the_new_faults() {
    let faults = faults(Vec::new());
    let (mut client, mut server) = client(&faults, 1 << 16);
    server.write_all(b"one").await.unwrap();
    assert_eq!(client.fill_buf().await.unwrap(), b"one");
    client.consume(3);

    faults.replace(vec![latency(100)]);
    server.write_all(b"two").await.unwrap();
    let changed = Instant::now();
    assert_eq!(client.fill_buf().await.unwrap(), b"two");
    client.consume(3);
    assert!(changed.elapsed() >= 100 * MS, "{:?}", changed.elapsed());

    faults.replace(vec![Fault::new("slow-close", Effect::from(SlowClose::new(100 * MS)))]);
    drop(server);
    let changed = Instant::now();
    assert_eq!(client.fill_buf().await.unwrap(), b"");
    assert!(changed.elapsed() >= 100 * MS, "{:?}", changed.elapsed());
}

/// Gets another fault while it is read.
struct Changing(ReadHalf<DuplexStream>, Faults);

impl AsyncRead for Changing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        if self.1.current().is_empty() {
            self.1.replace(vec![latency(100)]);
        }
        read
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_while_faults_change_meets_the_new_ones() {
    let faults = faults(Vec::new());
    let (client, mut server) = duplex(1 << 16);
    let (reader, writer) = split(client);
    let changing = join(Changing(reader, faults.clone()), writer);
    let mut client = faults.session().client(changing);
    let sent = vec![7; 20_000];
    server.write_all(&sent).await.unwrap();
    let started = Instant::now();
    let mut received = vec![0; sent.len()];
    client.read_exact(&mut received).await.unwrap();
    assert_eq!(received, sent);
    assert!(started.elapsed() >= 100 * MS, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn faults_end_a_session_of_which_nothing_is_read() {
    let faults = faults(Vec::new());
    let (mut client, _server) = client(&faults, 1 << 16);
    let ended = async |client: &mut FaultStream<DuplexStream>| poll_fn(|cx| client.poll_ended(cx)).await;
    assert!(timeout(MS, ended(&mut client)).await.is_err(), "no fault, no end");
    faults.replace(vec![Fault::new("timeout", Effect::from(Timeout::new(Some(100 * MS), false)))]);
    let started = Instant::now();
    ended(&mut client).await.unwrap();
    assert!(started.elapsed() >= 100 * MS, "{:?}", started.elapsed());
}

/// A pipe that ends with a reset.
struct Resets(ReadHalf<DuplexStream>);

impl AsyncRead for Resets {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        let is_end = buf.filled().len() == before;
        Poll::Ready(if is_end { Err(ErrorKind::ConnectionReset.into()) } else { Ok(()) })
    }
}

fn resets(stream: DuplexStream) -> impl AsyncRead + AsyncWrite + Unpin {
    let (reader, writer) = split(stream);
    join(Resets(reader), writer)
}

/// The bytes that were read, and the error that ended the read.
#[derive(Default)]
struct Got(Vec<u8>, Option<ErrorKind>);

impl Got {
    fn poll_from(&mut self, cx: &mut Context<'_>, stream: &mut (impl AsyncRead + Unpin)) {
        let mut room = [0; 4096];
        while self.1.is_none() {
            let mut buf = ReadBuf::new(&mut room);
            match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.0.extend_from_slice(buf.filled()),
                Poll::Ready(Ok(())) => self.1 = Some(ErrorKind::UnexpectedEof),
                Poll::Ready(Err(error)) => self.1 = Some(error.kind()),
                Poll::Pending => return,
            }
        }
    }
}

/// Reads from both streams for this time.
async fn read_both(
    time: Duration,
    (down, requests): (&mut (impl AsyncRead + Unpin), &mut Got),
    (up, responses): (&mut (impl AsyncRead + Unpin), &mut Got),
) {
    let both = poll_fn(|cx| {
        requests.poll_from(cx, down);
        responses.poll_from(cx, up);
        Poll::<()>::Pending
    });
    _ = timeout(time, both).await;
}

/// A peer that has reset its connection does not receive data any more. Data that it sent before still
/// arrives, with the same delay.
#[tokio::test(start_paused = true)]
async fn bytes_for_a_peer_that_has_reset_are_dropped_at_once() {
    for client_resets in [true, false] {
        let engine = Engine::new(Settings::default());
        let faults = engine.proxy("test", vec![latency(60_000)]);
        let ((client, proxy_client), (proxy_server, server)) = (duplex(1 << 16), duplex(1 << 16));
        let (mut down, mut up) = faults.session().wrap(resets(proxy_client), resets(proxy_server));
        let (mut sender, mut peer) = if client_resets { (client, server) } else { (server, client) };
        let (mut requests, mut responses) = (Got::default(), Got::default());
        let mut relay = async |time: Duration| {
            read_both(time, (&mut down, &mut requests), (&mut up, &mut responses)).await;
            let (from_sender, for_sender) =
                if client_resets { (&requests, &responses) } else { (&responses, &requests) };
            assert!(for_sender.0.is_empty() && for_sender.1.is_none());
            (from_sender.0.len(), from_sender.1)
        };
        sender.write_all(&[1; 5000]).await.unwrap();
        peer.write_all(&[2; 40_000]).await.unwrap();
        relay(10 * MS).await;
        assert_eq!(engine.held(), 45_000);
        drop(sender);
        relay(10 * MS).await;
        assert_eq!(engine.held(), 5000, "what was for the sender is dropped");
        peer.write_all(&[2; 40_000]).await.unwrap();
        assert_eq!(relay(59_000 * MS).await, (0, None), "early");
        assert_eq!(engine.held(), 5000, "so is what comes for it later");
        assert_eq!(relay(2000 * MS).await, (5000, Some(ErrorKind::ConnectionReset)));
        assert_eq!(engine.held(), 0);
        drop((down, up));
        assert_eq!(engine.held(), 0);
    }
}

/// A fault holds the reset of one peer as long as the other may notice it.
#[tokio::test(start_paused = true)]
async fn a_session_ends_once_both_peers_have_reset() {
    let stalled = vec![Fault::new("stall", Effect::from(Timeout::new(None, false)))];
    for client_is_first in [true, false] {
        let engine = Engine::new(Settings::default());
        let faults = engine.proxy("test", stalled.clone());
        let ((client, proxy_client), (proxy_server, server)) = (duplex(1 << 16), duplex(1 << 16));
        let (mut down, mut up) = faults.session().wrap(resets(proxy_client), resets(proxy_server));
        let (mut first, mut second) = if client_is_first { (client, server) } else { (server, client) };
        let (mut requests, mut responses) = (Got::default(), Got::default());
        let mut relay = async |time: Duration| {
            read_both(time, (&mut down, &mut requests), (&mut up, &mut responses)).await;
            assert!(requests.0.is_empty() && responses.0.is_empty());
            [requests.1, responses.1]
        };
        first.write_all(b"held").await.unwrap();
        second.write_all(b"held").await.unwrap();
        drop(first);
        assert_eq!(relay(3_600_000 * MS).await, [None; 2]);
        drop(second);
        assert_eq!(relay(10 * MS).await, [Some(ErrorKind::ConnectionReset); 2]);
        drop((down, up));
        assert_eq!(engine.held(), 0);
    }
}
