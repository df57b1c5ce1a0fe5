//! Calls to an API over HTTP, such as the control API of a running fault-proxy.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};

/// Time limit of a call. It is longer than any call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// A client of the API that keeps its connection between calls.
#[derive(Debug, Clone)]
pub struct Api {
    addr: SocketAddr,
    agent: Agent,
}

impl Api {
    /// Creates a client that connects with the first call.
    pub fn new(addr: SocketAddr) -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(CALL_TIMEOUT)).build();
        Self { addr, agent: config.new_agent() }
    }

    /// Returns a client of the same API with a separate connection.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::new(self.addr)
    }

    /// Makes a call and ignores the body of a successful response. Sends no body if `body` is null.
    ///
    /// # Errors
    ///
    /// Returns an error if the API cannot be reached within 20 seconds or refuses the call.
    pub fn call(&self, method: &Method, path: &str, body: &Value) -> Result<()> {
        self.text(method, path, body).map(drop)
    }

    /// Returns the JSON of a `GET`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Api::call`], and an error if the response is not JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
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
