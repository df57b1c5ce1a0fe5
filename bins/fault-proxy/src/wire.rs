//! Connectors and handshakes of mappings.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fault_proxy_mapping::{Scheme, Upstream};
use fault_proxy_relay::{
    Connector, Handshake, OnUpstreamFailure, ProxyPort, Resolver, TcpConnector, UnixConnector,
};
use fault_proxy_tls::{ClientTls, PostgresClear, ServerTls, TlsConnector, TlsHandshake, TlsNegotiation};
use proxy_cli::secret::warn_if_shared;
use tracing::info;

use crate::args;
use crate::config::{ListenerTls, Settings};

/// Settings that all proxies of a run share, such as certificates and timeouts.
#[derive(Debug)]
pub(crate) struct Wire {
    server_tls: Option<ServerTls>,
    server_alpn: Vec<Vec<u8>>,
    upstream_tls: ClientTls,
    upstream_alpn: Vec<Vec<u8>>,
    psqls_direct: bool,
    connect_timeout: Duration,
    resolver: Resolver,
    on_upstream_failure: args::OnUpstreamFailure,
}

impl Wire {
    /// Reads certificates and checks all settings that do not need the network.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let wire = Self {
            server_tls: server_tls(settings.listener_tls.as_ref(), settings.run.bind)?,
            server_alpn: settings.listener_alpn.clone(),
            upstream_tls: settings.upstream_tls.clone(),
            upstream_alpn: settings.upstream_alpn.clone(),
            psqls_direct: settings.psqls_direct,
            connect_timeout: settings.run.connect_timeout.0,
            resolver: Resolver::new(),
            on_upstream_failure: settings.run.on_upstream_failure,
        };
        let listeners = match &settings.listener_tls {
            Some(ListenerTls::Files { key, .. }) => Some(key),
            _ => None,
        };
        let own = settings.upstream_tls.identity.as_ref().map(|(_, key)| key);
        listeners.into_iter().chain(own).for_each(|key| warn_if_shared(key));
        let mappings = settings.proxies.iter().map(|proxy| &proxy.mapping);
        let mappings = mappings.map(|mapping| (format!("--proxy {mapping}"), &mapping.upstream));
        let specs = settings.populate.iter();
        let specs = specs.map(|spec| (format!("--toxiproxy-config: {}", spec.name), &spec.upstream.addr));
        for (place, upstream) in mappings.chain(specs) {
            wire.connector(upstream, None).context(place)?;
            wire.handshake(upstream)?;
        }
        Ok(wire)
    }

    /// Returns the resolver for the names of upstreams.
    pub(crate) fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Returns the connector of an upstream.
    ///
    /// `proxy` is the proxy that the connector is for, if that proxy listens.
    pub(crate) fn connector(
        &self,
        upstream: &Upstream,
        proxy: Option<ProxyPort>,
    ) -> Result<Arc<dyn Connector>, fault_proxy_tls::Error> {
        let (scheme, host, port) = match upstream {
            Upstream::Unix { path } => return Ok(Arc::new(UnixConnector::new(path.as_path()))),
            Upstream::Tcp { scheme, host, port } => (*scheme, host, port.get()),
        };
        let mut tcp = TcpConnector::with_resolver(self.resolver.clone(), host.to_string(), port)
            .with_timeout(self.connect_timeout);
        if let Some(proxy) = proxy {
            tcp = tcp.for_proxy(proxy);
        }
        let opening = match scheme.filter(|scheme| scheme.is_encrypted()) {
            None => return Ok(Arc::new(tcp)),
            Some(scheme) if !scheme.is_postgres() => TlsNegotiation::Direct,
            Some(_) if self.psqls_direct => TlsNegotiation::PostgresDirect,
            Some(_) => TlsNegotiation::Postgres,
        };
        let connector = TlsConnector::new(tcp, &self.upstream_tls, opening)?;
        Ok(Arc::new(match self.server_tls {
            None => connector.for_clear_clients().with_protocols(self.upstream_alpn.clone()),
            Some(_) => connector,
        }))
    }

    /// Returns how to end the connection of a client whose upstream cannot be reached.
    pub(crate) fn on_upstream_failure(&self) -> OnUpstreamFailure {
        match self.on_upstream_failure {
            args::OnUpstreamFailure::Close => OnUpstreamFailure::Close,
            args::OnUpstreamFailure::Reset => OnUpstreamFailure::Abort,
        }
    }

    /// Returns the handshake with clients for this upstream.
    pub(crate) fn handshake(&self, upstream: &Upstream) -> Result<Option<Arc<dyn Handshake>>> {
        let is_postgres = upstream.scheme().is_some_and(Scheme::is_postgres);
        let is_encrypted = upstream.scheme().is_some_and(Scheme::is_encrypted);
        Ok(match &self.server_tls {
            Some(tls) => {
                let opening = if is_postgres { TlsNegotiation::Postgres } else { TlsNegotiation::Direct };
                let handshake = TlsHandshake::new(tls, opening).context("--tls-cert and --tls-key")?;
                Some(Arc::new(if is_postgres {
                    handshake
                } else if is_encrypted {
                    handshake.with_protocols_of_upstream()
                } else {
                    handshake.with_protocols(self.server_alpn.clone())
                }))
            }
            None if is_postgres && is_encrypted => Some(Arc::new(PostgresClear)),
            None => None,
        })
    }
}

fn server_tls(tls: Option<&ListenerTls>, bind: IpAddr) -> Result<Option<ServerTls>> {
    let copy = match tls {
        None => return Ok(None),
        Some(ListenerTls::Files { cert, key }) => return Ok(Some(ServerTls::from_files(cert, key)?)),
        Some(ListenerTls::SelfSigned { copy }) => copy,
    };
    let (tls, pem) = ServerTls::self_signed(bind)?;
    match copy {
        Some(path) => {
            fs::write(path, pem).with_context(|| format!("--tls-self-signed={}", path.display()))?;
            let path = path.display();
            info!(%path, "clients can trust {path}");
        }
        None => {
            info!(
                "clients must skip verification; --tls-self-signed=FILE writes a certificate for them to trust"
            )
        }
    }
    Ok(Some(tls))
}
