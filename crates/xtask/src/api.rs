//! Calls to the control API of a run.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};

/// Longer than any call may take.
const STUCK: Duration = Duration::from_secs(20);

/// A connection to the API, kept between calls.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    addr: SocketAddr,
    agent: Agent,
}

impl Api {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(STUCK)).build();
        Self { addr, agent: config.new_agent() }
    }

    /// With a connection of its own.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.addr)
    }

    /// Succeeds, or says how the call failed.
    pub(crate) fn call(&self, method: &Method, path: &str, body: &Value) -> Result<()> {
        self.text(method, path, body).map(drop)
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.text(&Method::GET, path, &Value::Null)?)?)
    }

    fn text(&self, method: &Method, path: &str, body: &Value) -> Result<String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.addr)).body(body)?;
        let mut answer = self.agent.run(request).with_context(|| format!("{method} {path}"))?;
        let text = answer.body_mut().read_to_string()?;
        ensure!(answer.status().is_success(), "{method} {path}: {} {text}", answer.status());
        Ok(text)
    }
}
