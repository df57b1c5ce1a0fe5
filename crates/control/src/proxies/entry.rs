use std::sync::Arc;

use proxy_fault::Faults;

use super::host::Start;
use super::record::effective;
use super::{FaultRecord, Proxy, Spec, Started};
use crate::watch::Watch;

/// A moment in the life of a proxy. It equals its clones, and no other moment of any proxy.
#[derive(Debug, Clone, Default)]
pub struct Moment(Arc<()>);

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Moment {}

/// A proxy in the registry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) label: Option<String>,
    /// As given; what it listens on is known when it has started.
    pub(super) listen: String,
    pub(super) upstream: String,
    pub(super) faults: Faults,
    pub(super) records: Vec<FaultRecord>,
    pub(super) watch: Watch,
    /// `None`: disabled.
    pub(super) started: Option<Started>,
    stopped: Moment,
}

impl Entry {
    /// Not started.
    pub(super) fn new(spec: Spec, faults: Faults) -> Self {
        let Spec { label, listen, upstream, faults: records, .. } = spec;
        let (watch, stopped) = (Watch::default(), Moment::default());
        Self { label, listen, upstream, faults, records, watch, started: None, stopped }
    }

    pub(super) fn proxy(&self, name: &str) -> Proxy {
        Proxy {
            name: name.to_owned(),
            label: self.label.clone().unwrap_or_else(|| name.to_owned()),
            listen: self.listen(),
            upstream: self.upstream.clone(),
            enabled: self.started.is_some(),
            faults: self.records.clone(),
            engine: self.faults.clone(),
            watch: self.watch.clone(),
            stopped: self.stopped.clone(),
        }
    }

    pub(super) fn listen(&self) -> String {
        self.started.as_ref().map_or_else(|| self.listen.clone(), |started| started.listen.to_string())
    }

    pub(super) fn start(&self, name: &str) -> Start {
        Start {
            name: name.to_owned(),
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            faults: self.faults.clone(),
            watch: self.watch.clone(),
        }
    }

    /// What is to be stopped. It listens on the same port again if it is started again.
    pub(super) fn stop(&mut self) -> Option<Started> {
        self.stopped = Moment::default();
        self.listen = self.listen();
        self.started.take()
    }

    pub(super) fn set_records(&mut self, records: Vec<FaultRecord>) {
        self.faults.replace(effective(&records));
        self.records = records;
    }
}
