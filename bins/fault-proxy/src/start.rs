//! From settings to proxies that run.

use std::net::IpAddr;

use anyhow::{Error, anyhow};
use proxy_control::proxies::{ChangeError, Spec, StartError};
use proxy_mapping::Mapping;

use crate::config::{GivenFault, ProxySettings};
use crate::wire::listen_of;

/// What the proxy is to be; `bind` is where mappings without an address listen.
pub(crate) fn spec(proxy: &ProxySettings, bind: IpAddr) -> Spec {
    Spec {
        name: proxy.name.clone(),
        label: Some(proxy.label.clone()),
        listen: listen_of(&proxy.mapping, bind),
        upstream: proxy.mapping.upstream.to_string(),
        enabled: true,
        faults: proxy.faults.iter().map(GivenFault::record).collect(),
    }
}

/// Why the proxy of a mapping did not start, in the words of the command line.
pub(crate) fn told(error: ChangeError, mapping: &Mapping) -> Error {
    match error {
        ChangeError::Start(StartError::Bind { listen, source }) => {
            Error::from(source).context(format!("cannot listen on {listen} for --proxy {mapping}"))
        }
        error => anyhow!("--proxy {mapping}: {error}"),
    }
}
