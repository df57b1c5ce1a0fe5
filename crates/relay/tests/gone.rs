//! Clients that reset their connection before their upstream is reached.

mod support;

use std::future::pending;
use std::sync::Arc;

use fault_proxy_relay::{
    Accepting, BoxStream, CloseReason, Config, Connecting, Connector, Handshake, HandshakeProgress,
    ProtocolOffer, Route,
};
use support::{Running, in_time};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Dials an upstream that never answers, and counts the attempts.
#[derive(Debug, Default)]
struct Silent(watch::Sender<usize>);

struct Attempt<'a>(&'a watch::Sender<usize>);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|attempts| *attempts -= 1);
    }
}

impl Connector for Silent {
    fn connect(&self) -> Connecting<'_> {
        self.0.send_modify(|attempts| *attempts += 1);
        let attempt = Attempt(&self.0);
        Box::pin(async move {
            let _attempt = attempt;
            pending().await
        })
    }
}

/// Waits for the upstream's choice of a protocol.
#[derive(Debug)]
struct Waiting;

impl Handshake for Waiting {
    fn accept(&self, stream: BoxStream) -> Accepting<'_> {
        let complete = Box::new(|stream, _: Result<_, &_>| -> fault_proxy_relay::Completing {
            Box::pin(async { Ok(stream) })
        });
        let offer = ProtocolOffer { protocols: vec![b"h2".to_vec()], complete };
        Box::pin(async { Ok(HandshakeProgress::OffersProtocols(stream, offer)) })
    }
}

#[tokio::test]
async fn an_upstream_is_not_dialed_any_longer_for_a_client_that_has_gone() {
    let waiting = || Some(Arc::new(Waiting) as Arc<dyn Handshake>);
    // During a handshake, a client that has closed has gone as well.
    for (handshake, closes) in [(None, false), (waiting(), false), (waiting(), true)] {
        let is_in_handshake = handshake.is_some();
        let silent = Silent::default();
        let mut attempts = silent.0.subscribe();
        let route = Route { handshake, ..Route::to(silent) };
        let config = {
            let mut config = Config::default();
            config.max_sessions = 1;
            config
        };
        let mut running = Running::start(config, route).await;
        let gone = TcpStream::connect(running.addr).await.unwrap();
        in_time("an attempt", attempts.wait_for(|attempts| *attempts == 1)).await.unwrap();
        if !closes {
            gone.set_zero_linger().unwrap();
        }
        drop(gone);
        in_time("the end of the attempt", attempts.wait_for(|attempts| *attempts == 0)).await.unwrap();
        let summary = running.summary().await;
        assert_eq!(
            (&summary.downstream_end, &summary.upstream_end),
            (&CloseReason::Aborted, &CloseReason::AbortedByRelay)
        );

        // The session's place is free for another client.
        let mut next = TcpStream::connect(running.addr).await.unwrap();
        in_time("an attempt", attempts.wait_for(|attempts| *attempts == 1)).await.unwrap();
        if !is_in_handshake {
            // An end of file may be a half-close.
            tokio::io::AsyncWriteExt::shutdown(&mut next).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        }
        assert_eq!(*attempts.borrow(), 1);
    }
}
