//! Proxies, and guards of their faults.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::Error;
use crate::api::Api;

/// A proxy that forwards to its upstream. It stays until its [`FaultProxy`](crate::FaultProxy) is dropped.
#[derive(Debug, Clone)]
pub struct Proxy {
    api: Arc<Api>,
    name: Arc<str>,
    addr: SocketAddr,
}

impl Proxy {
    pub(crate) fn new(api: Arc<Api>, name: &str, addr: SocketAddr) -> Self {
        Self { api, name: name.into(), addr }
    }

    /// Returns the address that clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Adds a fault, which acts on responses and on open connections too, until the guard is dropped.
    ///
    /// `kind` is a type of fault, for example `latency`. `attributes` is an object with its parameters, for example
    /// `json!({"mean": "300ms"})`.
    ///
    /// # Errors
    ///
    /// Returns an error if the type or an attribute does not exist, or if the proxy has this fault already.
    pub fn fault(&self, kind: &str, attributes: Value) -> Result<Fault, Error> {
        self.fault_with(json!({"type": kind, "attributes": attributes}))
    }

    /// Adds a fault with all settings of the control API: `type`, `attributes`, `stream` (`upstream` for
    /// requests), `toxicity` (fraction of connections, from 0 to 1) and `name`. A second fault of the same
    /// type and stream requires a name.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Proxy::fault`].
    pub fn fault_with(&self, settings: Value) -> Result<Fault, Error> {
        let made = self.api.post(&["proxies", &self.name, "toxics"], &settings)?;
        let name = made["name"].as_str().ok_or_else(|| Error::unexpected(self.api.url(), &made))?;
        Ok(Fault { proxy: self.clone(), name: name.to_owned() })
    }

    /// Closes all connections and refuses new ones until the guard is dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if the program has ended.
    pub fn down(&self) -> Result<Outage, Error> {
        self.enable(false)?;
        Ok(Outage { proxy: self.clone() })
    }

    fn enable(&self, enabled: bool) -> Result<(), Error> {
        self.api.post(&["proxies", &self.name], &json!({"enabled": enabled})).map(drop)
    }
}

/// A fault. Dropping it removes the fault, which immediately forwards the data that it holds.
#[derive(Debug)]
#[must_use = "the fault ends when this is dropped"]
pub struct Fault {
    proxy: Proxy,
    name: String,
}

impl Drop for Fault {
    fn drop(&mut self) {
        // The program may have ended before the guard is dropped.
        self.proxy.api.delete(&["proxies", &self.proxy.name, "toxics", &self.name]).ok();
    }
}

/// An outage. Dropping it lets the proxy accept connections again.
#[derive(Debug)]
#[must_use = "the outage ends when this is dropped"]
pub struct Outage {
    proxy: Proxy,
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.proxy.enable(true).ok();
    }
}
