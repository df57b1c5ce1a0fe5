//! Conversion of settings into proxies.

use std::fmt::Display;
use std::net::IpAddr;

use anyhow::{Error, anyhow};
use fault_proxy_control::proxies::{ChangeError, Proxy, Spec, StartError};
use tracing::info;

use crate::config::{ConfiguredFault, ProxySettings};

/// Returns the description of a proxy. Mappings without an address listen on `bind`.
pub(crate) fn spec(proxy: &ProxySettings, bind: IpAddr) -> Spec {
    Spec {
        name: proxy.name.clone(),
        label: Some(proxy.label.clone()),
        listen: proxy.mapping.listen.addr(bind),
        upstream: proxy.mapping.upstream.clone().into(),
        enabled: true,
        faults: proxy.faults.iter().map(ConfiguredFault::record).collect(),
    }
}

/// Logs that a proxy listens. The field `proxy` is its name in the control API.
pub(crate) fn log_listening(proxy: &Proxy, mapping: impl Display) {
    let (addr, upstream) = (&proxy.listen, &proxy.upstream.text);
    info!(proxy = proxy.name, %addr, %upstream, "listening on {addr} for {mapping}");
}

/// Returns the error of a proxy that could not be started, in the terms of the command line.
pub(crate) fn start_error(error: ChangeError, proxy: &ProxySettings) -> Error {
    let (name, mapping) = (&proxy.name, proxy.named_mapping());
    match error {
        ChangeError::Start(StartError::Bind { listen, source }) => {
            Error::from(source).context(format!("cannot listen on {listen} for --proxy {mapping}"))
        }
        ChangeError::ProxyExists => anyhow!(
            "--proxy {mapping}: a proxy named `{name}` already exists: delete it, or use another name"
        ),
        error => anyhow!("--proxy {mapping}: {}", reason(error)),
    }
}

/// Returns the reason for a refused change, without the part that refers to a request.
pub(crate) fn reason(error: ChangeError) -> String {
    match error {
        ChangeError::Invalid(problem) => problem,
        error => error.to_string(),
    }
}
