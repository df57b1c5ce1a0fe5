//! What starts proxies: the program that has them.

use std::net::SocketAddr;
use std::pin::Pin;

use proxy_fault::Faults;
use proxy_mapping::{ListenAddr, Upstream};
use proxy_relay::Shutdown;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::watch::Watch;

/// What [`Host::start`] returns.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<Started, StartError>> + Send + 'a>>;

/// What [`Host::check_loop`] returns.
pub type CheckingLoop<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// The result of [`Host::address`].
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<SocketAddr, StartError>> + Send + 'a>>;

/// Starts proxies.
pub trait Host: Send + Sync + 'static {
    /// Checks everything about `upstream` that does not need the network. Must not block.
    ///
    /// # Errors
    /// Describes the problem and what to write instead.
    fn check(&self, upstream: &Upstream) -> Result<(), String>;

    /// Whether connections of a proxy `name`, which listens `at` and connects `to`, would come back to it; says so, for people, if they would. It
    /// is asked before the proxy starts, and about a proxy that still runs with its addresses of now.
    ///
    /// # Errors
    /// Which way they would take, and the way out.
    fn check_loop<'a>(&'a self, name: &'a str, at: &'a ListenAddr, to: &'a Upstream) -> CheckingLoop<'a>;

    /// Takes the port and accepts sessions from then on.
    fn start(&self, proxy: Start) -> Starting<'_>;

    /// The address that `listen` stands for. Takes some seconds at most.
    ///
    /// # Errors
    /// It is a name that does not resolve.
    fn address(&self, listen: &ListenAddr) -> Resolving<'_>;
}

/// A proxy that is to be started.
#[derive(Debug, Clone)]
pub struct Start {
    /// Of the proxy.
    pub name: String,
    /// Where to listen.
    pub listen: ListenAddr,
    /// As [checked](Host::check).
    pub upstream: Upstream,
    /// What happens to its sessions.
    pub faults: Faults,
    /// To be told of its sessions.
    pub watch: Watch,
}

/// A proxy that listens.
#[derive(Debug)]
pub struct Started {
    /// With the port that was chosen, if any could be.
    pub listen: SocketAddr,
    /// Of this proxy alone.
    pub shutdown: Shutdown,
    /// Is empty when all its sessions have ended and its sockets are closed. It is closed by now.
    pub ended: TaskTracker,
}

impl Started {
    /// Closes its port and the connections of its sessions, and waits until that is done.
    pub(super) async fn stop(self) {
        self.shutdown.close();
        self.ended.wait().await;
    }
}
