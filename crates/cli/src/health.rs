//! Health check of a running program, for container engines.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Result, bail};
use fault_proxy_mapping::{Host, ListenAddr};
use serde::Serialize;
use ureq::Agent;

use crate::addr::Endpoint;
use crate::terminal::escape_control;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Result of a readiness check.
#[derive(Debug, Serialize)]
pub struct Readiness {
    url: String,
    ready: bool,
    /// Status of the response, or `None` without a response.
    status: Option<u16>,
    /// Body of the response, or the reason why the program did not respond. Control characters are escaped.
    answer: String,
}

impl Readiness {
    /// Returns an error unless the program is ready.
    ///
    /// # Errors
    /// Returns an error if the program is not ready, or cannot be reached.
    pub fn check(&self) -> Result<()> {
        let Self { url, answer, .. } = self;
        match self.status {
            Some(_) if self.ready => Ok(()),
            Some(status) => bail!("{url} responded with {status}: {answer}"),
            None => bail!("no response from {url}: {answer}"),
        }
    }
}

/// Requests the readiness of the program with this HTTP endpoint.
///
/// # Errors
/// Returns an error if the endpoint is off.
pub fn request(Endpoint(addr): &Endpoint) -> Result<Readiness> {
    let Some(addr) = addr else { bail!("the HTTP endpoint of the program is off") };
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(TIMEOUT))
        .build();
    let url = format!("http://{}/readyz", from_here(addr));
    let (ready, status, text) = match config.new_agent().get(&url).call() {
        Ok(mut response) => {
            let text = response.body_mut().read_to_string().unwrap_or_default();
            (response.status().is_success(), Some(response.status().as_u16()), text)
        }
        Err(error) => (false, None, error.to_string()),
    };
    Ok(Readiness { url, ready, status, answer: escape_control(text.trim()) })
}

/// Returns the address to connect to: the loopback address for an endpoint on all interfaces.
pub fn from_here(addr: &ListenAddr) -> ListenAddr {
    let host = match &addr.host {
        None | Some(Host::V4(Ipv4Addr::UNSPECIFIED)) => Host::V4(Ipv4Addr::LOCALHOST),
        Some(Host::V6(Ipv6Addr::UNSPECIFIED)) => Host::V6(Ipv6Addr::LOCALHOST),
        Some(host) => host.clone(),
    };
    ListenAddr { host: Some(host), port: addr.port }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_interfaces_are_asked_at_loopback() {
        for (listen, asked) in [
            (":1", "127.0.0.1:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("[::1]:1", "[::1]:1"),
            ("db:1", "db:1"),
        ] {
            assert_eq!(from_here(&listen.parse().unwrap()).to_string(), asked);
        }
    }
}
