//! Calls to the control API of a run.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::Daemon;
use ureq::Agent;
use ureq::http::{Method, Request};

use crate::bench::peers::{free_addr, start_far_end, start_ours};

/// Longer than any call may take.
const STUCK: Duration = Duration::from_secs(20);

/// fault-proxy before a far end, with its API.
#[derive(Debug)]
pub(super) struct Controlled {
    pub(super) proxy: SocketAddr,
    pub(super) api: Api,
    _daemons: [Daemon; 2],
}

/// A connection to the API, kept between calls.
#[derive(Debug, Clone)]
pub(super) struct Api {
    addr: SocketAddr,
    agent: Agent,
}

impl Controlled {
    pub(super) fn start() -> Result<Self> {
        let (far_end, far_end_addr) = start_far_end(&[])?;
        let (proxy, control) = (free_addr(), free_addr());
        let ours = start_ours(proxy, far_end_addr, &format!("--control {control}"))?;
        Ok(Self { proxy, api: Api::new(control), _daemons: [far_end, ours] })
    }
}

impl Api {
    pub(super) fn new(addr: SocketAddr) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(STUCK)).build();
        Self { addr, agent: config.new_agent() }
    }

    /// With a connection of its own.
    pub(super) fn another(&self) -> Self {
        Self::new(self.addr)
    }

    /// Succeeds, or says how the call failed.
    pub(super) fn call(&self, method: &Method, path: &str, body: &Value) -> Result<()> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.addr)).body(body)?;
        let mut answer = self.agent.run(request).with_context(|| format!("{method} {path}"))?;
        let text = answer.body_mut().read_to_string()?;
        ensure!(answer.status().is_success(), "{method} {path}: {} {text}", answer.status());
        Ok(())
    }
}
