//! A launcher of fake proxies, which bind their port and close all connections when they are stopped.

use std::future::pending;
use std::sync::{Arc, Mutex};

use fault_proxy_control::proxies::{
    CheckingLoop, LaunchRequest, ProxyLauncher, Resolving, RunningProxy, StartError, Starting,
};
use fault_proxy_mapping::{ListenAddr, Scheme, Upstream};
use fault_proxy_relay::Shutdown;
use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

#[derive(Clone)]
pub(crate) struct FakeHost {
    /// False while starts must wait.
    open: Arc<watch::Sender<bool>>,
    /// Name of each started proxy, with its number of faults.
    starts: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Default for FakeHost {
    fn default() -> Self {
        Self { open: Arc::new(watch::Sender::new(true)), starts: Arc::default() }
    }
}

impl FakeHost {
    pub(crate) fn hold(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn release(&self) {
        self.open.send_replace(true);
    }

    pub(crate) fn starts(&self) -> Vec<(String, usize)> {
        self.starts.lock().expect("nobody panicked").clone()
    }

    async fn start_now(&self, start: LaunchRequest) -> Result<RunningProxy, StartError> {
        self.open.subscribe().wait_for(|open| *open).await.expect("the sender is ours");
        let listen = here(&start.listen);
        let listener = TcpListener::bind(&listen)
            .await
            .map_err(|source| StartError::Bind { listen: start.listen.to_string(), source })?;
        let listen = listener.local_addr().expect("it is bound");
        let faults = start.faults.current().len();
        self.starts.lock().expect("nobody panicked").push((start.name, faults));
        let (shutdown, ended) = (Shutdown::new(), TaskTracker::new());
        ended.spawn({
            let shutdown = shutdown.clone();
            async move {
                let mut sessions = Vec::new();
                loop {
                    select! {
                        () = shutdown.draining() => return,
                        accepted = listener.accept() => sessions.push(accepted.expect("it listens")),
                    }
                }
            }
        });
        ended.close();
        Ok(RunningProxy { listen, shutdown, ended })
    }
}

impl ProxyLauncher for FakeHost {
    fn check(&self, upstream: &Upstream) -> Result<(), String> {
        match upstream {
            Upstream::Tcp { scheme: Some(Scheme::Tls), .. } => Err(format!("{upstream}: no certificates")),
            _ => Ok(()),
        }
    }

    fn check_loop<'a>(
        &'a self,
        _: &'a str,
        listen: &'a ListenAddr,
        upstream: &'a Upstream,
    ) -> CheckingLoop<'a> {
        let is_loop = listen.to_string() == upstream.to_string();
        Box::pin(
            async move { if is_loop { Err(format!("{listen} connects to {upstream}")) } else { Ok(()) } },
        )
    }

    fn start(&self, proxy: LaunchRequest) -> Starting<'_> {
        Box::pin(self.start_now(proxy))
    }

    fn address(&self, listen: &ListenAddr) -> Resolving<'_> {
        let addr = here(listen);
        if addr.starts_with("silent") {
            return Box::pin(pending());
        }
        let addr = addr.replace("localhost", "127.0.0.1").parse();
        let failed = |_| StartError::Address(format!("lookup {listen}: no such host"));
        let addr = addr.map_err(failed);
        Box::pin(async move { addr })
    }
}

/// Replaces all interfaces by loopback.
fn here(listen: &ListenAddr) -> String {
    match listen.host {
        Some(_) => listen.to_string(),
        None => format!("127.0.0.1{listen}"),
    }
}
