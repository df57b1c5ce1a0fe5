//! Settings of the control API.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, bail};
use fault_proxy_mapping::ListenAddr;
use proxy_cli::addr::{Endpoint, addresses};
use proxy_cli::secret::Secret;

use super::file::Config;

/// Default port of Toxiproxy.
pub(crate) const CONTROL_PORT: u16 = 8474;

/// Address of the control API, the metrics and the page.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) addr: ListenAddr,
    /// True if the user did not set the address. The run then continues without the API if the port is in
    /// use.
    pub(crate) is_default: bool,
    /// Flag that sets the address.
    pub(crate) flag: &'static str,
    pub(crate) token: Option<Secret>,
    /// True if clients of other machines may use the API without a token.
    pub(crate) is_insecure: bool,
}

impl Control {
    /// Checks all addresses that the listen address resolves to. May block for some seconds.
    pub(super) fn guard_all(&self) -> Result<()> {
        match addresses(&self.addr) {
            Ok(addresses) => addresses.into_iter().try_for_each(|addr| self.guard(addr)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                bail!("--control {}: {error}; use an IP address, or off", self.addr)
            }
            // Binding the address will report this error.
            Err(_) => Ok(()),
        }
    }

    /// Checks one address.
    ///
    /// # Errors
    /// Returns an error if other machines can reach the address and the API does not require a token.
    pub(crate) fn guard(&self, addr: SocketAddr) -> Result<()> {
        if !addr.ip().is_loopback() && self.token.is_none() && !self.is_insecure {
            bail!(
                "--control {}: other machines could reach it: give a --control-token (or FAULT_CONTROL_TOKEN, which \
                 must not be empty), or --control-insecure to let them all in",
                self.addr
            );
        }
        Ok(())
    }
}

pub(super) fn control(config: &Config) -> Result<Option<Control>> {
    let asked = config.control.control.clone();
    let is_default = asked.is_none();
    let default = || Endpoint(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, CONTROL_PORT)).into()));
    let Endpoint(Some(addr)) = asked.unwrap_or_else(default) else { return Ok(None) };
    let is_insecure = config.control.control_insecure;
    let token = config.control_token.clone();
    if token.as_ref().is_some_and(|token| token.expose().trim().is_empty()) {
        bail!(
            "--control-token is empty: the control API would reject every request; set a token, or remove the flag"
        );
    }
    Ok(Some(Control { addr, is_default, flag: "--control", token, is_insecure }))
}
