//! Requests to the control API.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::http::request::Builder;
use ureq::http::{Request, StatusCode};
use ureq::{Agent, AsSendBody};

use crate::Error;

/// The API can take up to 25 s to change a proxy.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Client of the API.
#[derive(Debug)]
pub(crate) struct Api {
    agent: Agent,
    url: String,
}

impl Api {
    pub(crate) fn new(url: String) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("fault-proxy-testing/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn get(&self, path: &[&str]) -> Result<Value, Error> {
        self.send(Request::get(self.path(path)), ())
    }

    pub(crate) fn post(&self, path: &[&str], body: &Value) -> Result<Value, Error> {
        self.send(Request::post(self.path(path)).header("content-type", "application/json"), body.to_string())
    }

    /// Deletes the resource at `path`, which a reset may have removed already.
    pub(crate) fn delete(&self, path: &[&str]) -> Result<(), Error> {
        match self.send(Request::delete(self.path(path)), ()) {
            Err(Error::Refused { status: 404, .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    fn path(&self, path: &[&str]) -> String {
        let segments = path.iter().map(|segment| utf8_percent_encode(segment, NON_ALPHANUMERIC));
        segments.fold(self.url.clone(), |url, segment| format!("{url}/{segment}"))
    }

    /// Sends a request. Returns the response, which is `null` if it is empty.
    fn send(&self, request: Builder, body: impl AsSendBody) -> Result<Value, Error> {
        let unreachable = |error| Error::Unreachable { url: self.url.clone(), source: Box::new(error) };
        let request = request.body(body).map_err(ureq::Error::from).map_err(unreachable)?;
        let mut answer = self.agent.run(request).map_err(unreachable)?;
        let status = answer.status();
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let text = answer.body_mut().read_to_string().map_err(unreachable)?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() {
            return Ok(body);
        }
        match body["error"].as_str() {
            Some(message) => Err(Error::Refused { status: status.as_u16(), message: message.to_owned() }),
            None => Err(Error::unexpected(&self.url, &body)),
        }
    }
}
