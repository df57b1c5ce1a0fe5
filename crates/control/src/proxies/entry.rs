use std::net::SocketAddr;
use std::time::Duration;

use fault_proxy_engine::Faults;
use fault_proxy_mapping::ListenAddr;

use super::history::{History, Totals};
use super::host::LaunchRequest;
use super::host::RunningProxy;
use super::proxy::{Generation, Proxy, ProxyUpstream, Spec};
use super::record::{FaultRecord, effective, protocol_of};
use crate::watch::SessionMetrics;

/// A proxy in the registry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) label: Option<String>,
    /// Listen address as given. The bound address is known once the proxy has started.
    pub(super) listen: ListenAddr,
    pub(super) upstream: ProxyUpstream,
    pub(super) faults: Faults,
    pub(super) records: Vec<FaultRecord>,
    pub(super) watch: SessionMetrics,
    pub(super) history: History,
    /// Address that the proxy listened on before it stopped, if `listen` still refers to it.
    last_address: Option<SocketAddr>,
    /// `None` while the proxy is disabled.
    pub(super) started: Option<RunningProxy>,
    stop_generation: Generation,
    pub(super) client_generation: Generation,
}

impl Entry {
    /// Creates an entry for a proxy that is not started.
    pub(super) fn new(spec: Spec, faults: Faults, now: Duration) -> Self {
        faults.set_protocol(protocol_of(&spec.upstream.addr));
        let Spec { label, listen, upstream, faults: records, .. } = spec;
        let (watch, stopped) = (SessionMetrics::default(), Generation::default());
        Self {
            label,
            listen,
            upstream,
            history: History::new(Totals::new(&faults, now)),
            faults,
            records,
            watch,
            last_address: None,
            started: None,
            stop_generation: stopped,
            client_generation: Generation::default(),
        }
    }

    pub(super) fn proxy(&self, name: &str) -> Proxy {
        Proxy {
            name: name.to_owned(),
            label: self.label(name),
            listen: self.listen(),
            upstream: self.upstream.clone(),
            enabled: self.started.is_some(),
            faults: self.records.clone(),
            engine: self.faults.clone(),
            watch: self.watch.clone(),
            recent: self.history.recent(),
            stop_generation: self.stop_generation.clone(),
            client_generation: self.client_generation.clone(),
        }
    }

    pub(super) fn label(&self, name: &str) -> String {
        self.label.clone().unwrap_or_else(|| name.to_owned())
    }

    pub(super) fn listen(&self) -> ListenAddr {
        let started = self.started.as_ref().map(|started| started.listen);
        started.or(self.last_address).map_or_else(|| self.listen.clone(), ListenAddr::from)
    }

    /// Sets the listen address, if it changes, and the upstream for the next start.
    pub(super) fn move_to(&mut self, listen: Option<ListenAddr>, upstream: ProxyUpstream) {
        if let Some(listen) = listen {
            (self.listen, self.last_address) = (listen, None);
        }
        self.faults.set_protocol(protocol_of(&upstream.addr));
        self.upstream = upstream;
    }

    pub(super) fn start(&self, name: &str) -> LaunchRequest {
        LaunchRequest {
            name: name.to_owned(),
            listen: self.listen.clone(),
            upstream: self.upstream.addr.clone(),
            faults: self.faults.clone(),
            watch: self.watch.clone(),
        }
    }

    /// Removes and returns the running proxy, to stop it. The entry keeps its port for the next start.
    pub(super) fn stop(&mut self) -> Option<RunningProxy> {
        self.stop_generation = Generation::default();
        let started = self.started.take()?;
        // Keep a host name, which may have several addresses. Only the port that the system chose is fixed.
        self.listen.port = started.listen.port();
        self.last_address = Some(started.listen);
        Some(started)
    }

    pub(super) fn set_records(&mut self, records: Vec<FaultRecord>) {
        self.faults.replace(effective(&records));
        self.records = records;
    }
}

#[cfg(test)]
mod tests {
    use fault_proxy_engine::{Engine, Settings};
    use fault_proxy_mapping::Upstream;
    use fault_proxy_relay::Shutdown;
    use tokio_util::task::TaskTracker;

    use super::*;

    fn upstream(port: u16) -> ProxyUpstream {
        format!("up:{port}").parse::<Upstream>().unwrap().into()
    }

    #[test]
    fn a_name_is_still_a_name_after_a_stop() {
        let faults = Engine::new(Settings::default()).proxy("p", Vec::new());
        for (given, again) in
            [("localhost:0", "localhost:4000"), ("[::1]:0", "[::1]:4000"), (":4000", ":4000")]
        {
            let spec = Spec {
                name: "p".to_owned(),
                label: None,
                listen: given.parse().unwrap(),
                upstream: upstream(1),
                enabled: true,
                faults: Vec::new(),
            };
            let mut entry = Entry::new(spec, faults.clone(), Duration::ZERO);
            let listen = ([127, 0, 0, 1], 4000).into();
            entry.started =
                Some(RunningProxy { listen, shutdown: Shutdown::new(), ended: TaskTracker::new() });
            assert!(entry.stop().is_some());
            assert_eq!(entry.start("p").listen.to_string(), again);
            assert_eq!(entry.proxy("p").listen.to_string(), "127.0.0.1:4000", "it is shown as before");
            entry.move_to(Some("other:1".parse().unwrap()), upstream(2));
            assert_eq!(entry.proxy("p").listen.to_string(), "other:1");
        }
    }
}
