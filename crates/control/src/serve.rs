//! The HTTP server.

mod activity;
mod connections;

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::middleware::from_fn_with_state;
use fault_proxy_relay::{Shutdown, TcpAcceptor};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::select;
use tokio::time::sleep;
use tracing::{debug, warn};

use self::activity::Activity;
use self::connections::Connections;
use crate::access::{self, Access};
use crate::api;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::page;
use crate::proxies::Proxies;
use crate::routes::{self, routes};

/// Time limit to receive the head of the first request.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Time limit to receive the head of a further request, including idle time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Time limit for a client to read sent data.
#[cfg(all(target_os = "linux", not(portable)))]
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Delay after a failed accept, usually because the descriptors are used up.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// Serves `/metrics`, `/livez` and `/readyz` until `shutdown` aborts. While it drains, `/readyz` responds
/// with `draining`. Drop the future to stop earlier, for example when all sessions have ended.
///
/// # Cancel safety
/// Dropping the future closes its connections.
pub async fn serve_metrics(listener: TcpAcceptor, health: Health, metrics: Metrics, shutdown: Shutdown) {
    let router = routes(health, metrics, shutdown.clone());
    accept(listener, router, shutdown).await;
}

/// Like [`serve_metrics`], with the additional path `/health`.
///
/// # Cancel safety
/// Dropping the future closes its connections.
pub async fn serve(listener: TcpAcceptor, health: Health, metrics: Metrics, shutdown: Shutdown) {
    let router = routes(health, metrics, shutdown.clone()).merge(routes::health());
    accept(listener, router, shutdown).await;
}

/// Like [`serve`], with the page and the API that changes `proxies`. Removes faults whose time to live has passed, and keeps the
/// history of the proxies.
///
/// # Cancel safety
/// Dropping the future closes its connections. A change that has started continues.
pub async fn serve_control(
    listener: TcpAcceptor,
    proxies: Proxies,
    health: Health,
    metrics: Metrics,
    access: Access,
    shutdown: Shutdown,
) {
    let kept = proxies.clone();
    let router = routes(health, metrics, shutdown.clone())
        .merge(routes::health())
        .merge(api::routes(proxies))
        .merge(page::routes())
        .layer(from_fn_with_state(access, access::check));
    select! {
        () = accept(listener, router, shutdown) => {}
        never = kept.remove_expired_faults() => match never {},
        never = kept.keep_history() => match never {},
    }
}

async fn accept(listener: TcpAcceptor, router: Router, shutdown: Shutdown) {
    select! {
        () = shutdown.aborted() => {}
        () = accept_all(listener, router) => {}
    }
}

/// Accepts connections. Never returns.
async fn accept_all(mut listener: TcpAcceptor, router: Router) {
    let mut connections = Connections::default();
    loop {
        match listener.accept_tcp().await {
            Ok((stream, peer)) => {
                connections.run(|activity| answer(stream, peer, router.clone(), activity)).await;
            }
            Err(error) => {
                warn!(%error, "cannot accept control connections, trying again");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, peer: SocketAddr, router: Router, activity: Activity) {
    // Other systems lack this limit. There, a client keeps its connection until the server needs the slot.
    #[cfg(all(target_os = "linux", not(portable)))]
    if let Err(error) = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(WRITE_TIMEOUT)) {
        debug!(client = %peer, %error, "no limit for a control client that does not read");
    }
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        let mut request = activity.request(request);
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = router.call(request);
        async { response.await.map(|response| activity.response(response)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let asks_nothing = async {
        sleep(FIRST_HEAD_TIMEOUT).await;
        if activity.has_request() {
            pending().await
        }
    };
    select! {
        served = served => {
            if let Err(error) = served {
                debug!(client = %peer, %error, "control connection failed");
            }
        }
        () = asks_nothing => debug!(client = %peer, "control connection closed without a request"),
    }
}
