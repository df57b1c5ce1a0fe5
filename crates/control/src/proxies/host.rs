//! What starts proxies: the program that has them.

use std::net::SocketAddr;
use std::pin::Pin;

use fault_proxy_engine::Faults;
use fault_proxy_mapping::{ListenAddr, Upstream};
use fault_proxy_relay::Shutdown;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::watch::SessionMetrics;

/// What [`ProxyLauncher::start`] returns.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<RunningProxy, StartError>> + Send + 'a>>;

/// What [`ProxyLauncher::check_loop`] returns.
pub type CheckingLoop<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// The result of [`ProxyLauncher::address`].
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<SocketAddr, StartError>> + Send + 'a>>;

/// Starts proxies.
pub trait ProxyLauncher: Send + Sync + 'static {
    /// Checks everything about `upstream` that does not need the network. Must not block.
    ///
    /// # Errors
    /// Describes the problem and what to write instead.
    fn check(&self, upstream: &Upstream) -> Result<(), String>;

    /// Checks that connections of a proxy `name`, which listens `at` and connects `to`, do not come back to it. It is called
    /// before the proxy starts, also while a proxy of that name still runs with other addresses.
    ///
    /// # Errors
    /// The loop, and how to avoid it.
    fn check_loop<'a>(&'a self, name: &'a str, at: &'a ListenAddr, to: &'a Upstream) -> CheckingLoop<'a>;

    /// Takes the port and accepts sessions from then on.
    fn start(&self, proxy: LaunchRequest) -> Starting<'_>;

    /// The address that `listen` stands for. Takes some seconds at most.
    ///
    /// # Errors
    /// It is a name that does not resolve.
    fn address(&self, listen: &ListenAddr) -> Resolving<'_>;
}

/// A proxy that is to be started.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LaunchRequest {
    /// Name of the proxy.
    pub name: String,
    /// Where to listen.
    pub listen: ListenAddr,
    /// As [checked](ProxyLauncher::check).
    pub upstream: Upstream,
    /// What happens to its sessions.
    pub faults: Faults,
    /// Observer of its sessions.
    pub watch: SessionMetrics,
}

/// A proxy that listens.
#[derive(Debug)]
pub struct RunningProxy {
    /// The address, with the port that the system chose for port 0.
    pub listen: SocketAddr,
    /// Ends this proxy only.
    pub shutdown: Shutdown,
    /// Is empty when all its sessions have ended and its sockets are closed. It is closed by now.
    pub ended: TaskTracker,
}

impl RunningProxy {
    /// Closes its port and the connections of its sessions, and waits until that is done.
    pub(super) async fn stop(self) {
        self.shutdown.close();
        self.ended.wait().await;
    }
}
