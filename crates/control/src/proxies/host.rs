//! Interface to the program, which starts proxies.

use std::net::SocketAddr;
use std::pin::Pin;

use fault_proxy_engine::Faults;
use fault_proxy_mapping::{ListenAddr, Upstream};
use fault_proxy_relay::Shutdown;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::watch::SessionMetrics;

/// Future of [`ProxyLauncher::start`].
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<RunningProxy, StartError>> + Send + 'a>>;

/// Future of [`ProxyLauncher::check_loop`].
pub type CheckingLoop<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Future of [`ProxyLauncher::address`].
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<SocketAddr, StartError>> + Send + 'a>>;

/// Starts proxies.
pub trait ProxyLauncher: Send + Sync + 'static {
    /// Checks `upstream` as far as possible without the network. Must not block.
    ///
    /// # Errors
    /// Returns an error that describes the problem and what to write instead.
    fn check(&self, upstream: &Upstream) -> Result<(), String>;

    /// Checks that connections of the proxy `name`, which listens on `at` and connects to `to`, do not lead
    /// back to it. It is called before the proxy starts, even while a proxy of that name still runs with
    /// other addresses.
    ///
    /// # Errors
    /// Returns an error that describes the loop and how to avoid it.
    fn check_loop<'a>(&'a self, name: &'a str, at: &'a ListenAddr, to: &'a Upstream) -> CheckingLoop<'a>;

    /// Binds the port and accepts sessions.
    fn start(&self, proxy: LaunchRequest) -> Starting<'_>;

    /// Resolves `listen`, which can take several seconds.
    ///
    /// # Errors
    /// Returns an error if the name does not resolve.
    fn address(&self, listen: &ListenAddr) -> Resolving<'_>;
}

/// Proxy to start.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LaunchRequest {
    /// Name of the proxy.
    pub name: String,
    /// Address to listen on.
    pub listen: ListenAddr,
    /// Upstream, which was [checked](ProxyLauncher::check).
    pub upstream: Upstream,
    /// Faults of its sessions.
    pub faults: Faults,
    /// Observer of its sessions.
    pub watch: SessionMetrics,
}

/// A running proxy.
#[derive(Debug)]
pub struct RunningProxy {
    /// Bound address, with the port that the system chose for port 0.
    pub listen: SocketAddr,
    /// Shutdown of this proxy only.
    pub shutdown: Shutdown,
    /// Tracker of its tasks, which is closed. It is empty once all sessions have ended and the sockets are
    /// closed.
    pub ended: TaskTracker,
}

impl RunningProxy {
    /// Closes the port and the connections of the sessions. Returns when they are closed.
    pub(super) async fn stop(self) {
        self.shutdown.close();
        self.ended.wait().await;
    }
}
