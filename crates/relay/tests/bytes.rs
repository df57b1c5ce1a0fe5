//! Every byte arrives once and in order, on each data path and with chunks of any size.

mod support;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::{io, thread};

use fault_proxy_relay::{CloseReason, Config, DataPath, Route, Stream, TcpConnector};
use proptest::prelude::*;
use support::{ConnectTo, Prepared, Running, in_time};
use testkit::{Pattern, TcpServer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex};
use tokio::net::{TcpListener, TcpStream};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Writes in pieces of the given sizes, over and over, then half-closes.
async fn write_in_pieces(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], pieces: &[usize]) {
    let mut rest = bytes;
    for piece in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(rest.len().min(*piece));
        stream.write_all(now).await.expect("the relay reads");
        tokio::task::yield_now().await;
        rest = later;
    }
    stream.shutdown().await.expect("the relay reads");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_directions_are_carried_whole_through_any_pipes(
        request in prop::collection::vec(any::<u8>(), 0..100_000),
        reply in prop::collection::vec(any::<u8>(), 0..100_000),
        pieces in prop::collection::vec(1_usize..30_000, 1..8),
        pipe in prop_oneof![Just(1_usize), Just(8), Just(1000), Just(20_000), Just(1 << 20)],
        budget in prop_oneof![Just(0_usize), Just(64 << 10), Just(16 << 20)],
    ) {
        runtime().block_on(async {
            let (client, downstream) = duplex(pipe);
            let (upstream, server) = duplex(pipe);
            let mut config = Config::default();
            config.buffer_budget = budget;
            let listener = Prepared::new(vec![Ok(Box::new(downstream))]);
            let route = Route::to(ConnectTo::new(Box::new(upstream)));
            let mut running = Running::start_with(config, listener, route, ([127, 0, 0, 1], 0).into());

            let (mut from_client, mut to_server) = tokio::io::split(client);
            let (mut from_server, mut to_client) = tokio::io::split(server);
            let (mut got_request, mut got_reply) = (Vec::new(), Vec::new());
            in_time("both directions", async {
                tokio::join!(
                    write_in_pieces(&mut to_server, &request, &pieces),
                    write_in_pieces(&mut to_client, &reply, &pieces),
                    async { from_server.read_to_end(&mut got_request).await.expect("whole") },
                    async { from_client.read_to_end(&mut got_reply).await.expect("whole") },
                );
            }).await;
            assert!(got_request == request && got_reply == reply);
            let summary = running.summary().await;
            assert_eq!((summary.bytes.to_upstream, summary.bytes.to_downstream), (request.len() as u64, reply.len() as u64));
            assert!(summary.is_clean(), "{summary:?}");
        });
    }
}

/// Passes `total` bytes of a pattern through to an echoing far end and checks what comes back.
async fn transfer_and_back(addr: std::net::SocketAddr, total: u64) {
    let mut stream = std::net::TcpStream::connect(addr).expect("the relay listens");
    let mut sender = stream.try_clone().expect("a descriptor");
    let done = tokio::task::spawn_blocking(move || {
        let writing = thread::spawn(move || {
            let (pattern, mut chunk, mut sent) = (Pattern::new(7), vec![0; 300_000], 0);
            while sent < total {
                let length = usize::try_from(total - sent).map_or(chunk.len(), |left| left.min(chunk.len()));
                pattern.fill(sent, &mut chunk[..length]);
                io::Write::write_all(&mut sender, &chunk[..length]).expect("the relay reads");
                sent += length as u64;
            }
            sender.shutdown(std::net::Shutdown::Write).expect("open");
        });
        let (pattern, mut chunk, mut got) = (Pattern::new(7), vec![0; 1 << 20], 0);
        loop {
            let length = io::Read::read(&mut stream, &mut chunk).expect("no abort");
            if length == 0 {
                break;
            }
            assert_eq!(pattern.first_difference(got, &chunk[..length]), None);
            got += length as u64;
        }
        writing.join().expect("sent all");
        assert_eq!(got, total);
    });
    in_time("the transfer", done).await.expect("no panic");
}

#[tokio::test]
async fn both_data_paths_carry_bulk_both_ways() {
    for data_path in [DataPath::Copy, DataPath::Splice] {
        let far_end = TcpServer::echo();
        let mut config = Config::default();
        config.data_path = data_path;
        let route = Route::to(TcpConnector::new("127.0.0.1", far_end.addr().port()));
        let mut running = Running::start(config, route).await;
        transfer_and_back(running.addr, 256 << 20).await;
        let summary = running.summary().await;
        assert_eq!((summary.bytes.to_upstream, summary.bytes.to_downstream), (256 << 20, 256 << 20));
        assert!(summary.is_clean(), "{data_path:?}: {summary:?}");
    }
}

/// A TCP stream that can stop (and go on) being one that the relay may splice.
struct Watched {
    stream: TcpStream,
    is_plain: Arc<AtomicBool>,
    read_through_us: Arc<AtomicBool>,
}

impl Stream for Watched {
    fn inner(&mut self) -> Option<&mut dyn Stream> {
        Some(&mut self.stream)
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        self.is_plain.load(Ordering::SeqCst).then_some(&self.stream)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if !self.is_plain.load(Ordering::SeqCst) && !buf.filled().is_empty() {
            self.read_through_us.store(true, Ordering::SeqCst);
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_zero_copy_path_can_be_left_and_entered_in_mid_session() {
    let far_end = TcpServer::echo();
    let front = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = front.local_addr().expect("bound");
    let (is_plain, read_through_us) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));

    let switch = Arc::clone(&is_plain);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let switching = thread::spawn(move || {
        let mut switches = 0_u32;
        while !stopped.load(Ordering::SeqCst) {
            switch.fetch_xor(true, Ordering::SeqCst);
            switches += 1;
            thread::yield_now();
        }
        switches
    });

    let transfer = transfer_and_back(addr, 256 << 20);
    let relay = async {
        let (stream, _) = front.accept().await.expect("a client");
        let watched = Watched {
            stream,
            is_plain: Arc::clone(&is_plain),
            read_through_us: Arc::clone(&read_through_us),
        };
        let mut config = Config::default();
        config.data_path = DataPath::Splice;
        let route = Route::to(TcpConnector::new("127.0.0.1", far_end.addr().port()));
        let mut running =
            Running::start_with(config, Prepared::new(vec![Ok(Box::new(watched))]), route, addr);
        running.summary().await
    };
    let ((), summary) = tokio::join!(transfer, relay);
    stop.store(true, Ordering::SeqCst);
    assert!(switching.join().expect("no panic") > 1);
    assert!(read_through_us.load(Ordering::SeqCst), "the slow path was never taken");
    assert_eq!(
        (&summary.downstream_end, &summary.upstream_end),
        (&CloseReason::Finished, &CloseReason::Finished)
    );
}
