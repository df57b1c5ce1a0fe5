//! The HTTP server.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use proxy_relay::Shutdown;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::access::{self, Access};
use crate::api;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::page;
use crate::proxies::Proxies;
use crate::routes::routes;

/// How long a client may take over a request's head, and stay connected without a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may leave what it was sent unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// At once; further ones wait.
const CONNECTIONS: usize = 256;

/// When no connection can be accepted, which is mostly because descriptors have run out.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// Answers requests until `shutdown` aborts. While it drains, `/readyz` says so and all the rest is answered as ever:
/// a caller whose sessions have ended before that drops the future.
///
/// # Cancel safety
/// Dropping the future closes its connections. Nothing of it is left.
pub async fn serve(listener: TcpListener, health: Health, metrics: Metrics, shutdown: Shutdown) {
    let router = routes(health, metrics, shutdown.clone());
    accept(listener, router, shutdown).await;
}

/// As [`serve`], with the API that changes `proxies` and the page.
///
/// # Cancel safety
/// As that of [`serve`]; a change that has begun goes on to its end.
pub async fn serve_control(
    listener: TcpListener,
    proxies: Proxies,
    health: Health,
    metrics: Metrics,
    access: Access,
    shutdown: Shutdown,
) {
    let router = routes(health, metrics, shutdown.clone())
        .merge(api::routes(proxies))
        .merge(page::routes())
        .fallback(api::no_path)
        .layer(from_fn_with_state(access, access::check));
    accept(listener, router, shutdown).await;
}

async fn accept(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    loop {
        select! {
            () = shutdown.aborted() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(answer(stream, peer, router.clone()));
                }
                Err(error) => {
                    warn!(%error, "cannot accept control connections, trying again");
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

async fn answer(stream: TcpStream, peer: SocketAddr, router: Router) {
    if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(WRITE_TIMEOUT)) {
        debug!(client = %peer, %error, "no limit for a control client that does not read");
    }
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        debug!(client = %peer, %error, "control connection failed");
    }
}
