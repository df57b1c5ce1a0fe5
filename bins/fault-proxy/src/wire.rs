//! From settings to what runs: which connector, handshake and listener a mapping means.

use std::fs;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use proxy_cli::bind::listen;
use proxy_fault::Faults;
use proxy_mapping::{Host, Listen, Mapping, Scheme, Upstream};
use proxy_relay::{Connector, Handshake, TcpConnector, UnixConnector};
use proxy_tls::{Opening, PostgresClear, ServerTls, TlsConnector, TlsHandshake};
use tracing::info;

use crate::config::{ListenerTls, Settings};

/// One mapping, ready to run.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) mapping: Mapping,
    pub(crate) handshake: Option<Arc<dyn Handshake>>,
    pub(crate) connector: Arc<dyn Connector>,
    /// `None`: it never has any.
    pub(crate) faults: Option<Faults>,
    bind: IpAddr,
}

impl Proxy {
    /// Reads certificates and decides everything that does not need the network.
    pub(crate) fn all(settings: &Settings) -> Result<Vec<Self>> {
        let server_tls = server_tls(settings.listener_tls.as_ref(), settings.bind)?;
        settings
            .proxies
            .iter()
            .map(|proxy| {
                let mapping = proxy.mapping.clone();
                let connector =
                    connector(&mapping, settings).with_context(|| format!("--proxy {mapping}"))?;
                let handshake = handshake(scheme(&mapping), server_tls.as_ref())?;
                Ok(Self { mapping, handshake, connector, faults: None, bind: settings.bind })
            })
            .collect()
    }

    /// A mapping with nothing but defaults, in clear.
    pub(crate) fn plain(mapping: Mapping, connector: impl Connector) -> Self {
        let (connector, bind) = (Arc::new(connector), IpAddr::from([127, 0, 0, 1]));
        Self { mapping, handshake: None, connector, faults: None, bind }
    }

    /// Takes the port, with a socket for each of `threads`: the system spreads new connections over them.
    pub(crate) fn bind(&self, threads: usize) -> Result<Vec<TcpListener>> {
        let Listen { host, port } = &self.mapping.listen;
        let port = port.get();
        let listeners = match host {
            None => listen((self.bind, port), threads),
            Some(Host::Name(name)) => listen((name.as_str(), port), threads),
            Some(Host::V4(ip)) => listen((*ip, port), threads),
            Some(Host::V6(ip)) => listen((*ip, port), threads),
        };
        let wanted = host.as_ref().map_or_else(|| self.bind.to_string(), Host::to_string);
        listeners
            .with_context(|| format!("cannot listen on {wanted} port {port} for --proxy {}", self.mapping))
    }
}

fn scheme(mapping: &Mapping) -> Option<Scheme> {
    match mapping.upstream {
        Upstream::Tcp { scheme, .. } => scheme,
        Upstream::Unix { .. } => None,
    }
}

fn connector(mapping: &Mapping, settings: &Settings) -> Result<Arc<dyn Connector>, proxy_tls::Error> {
    let (scheme, host, port) = match &mapping.upstream {
        Upstream::Unix { path } => return Ok(Arc::new(UnixConnector::new(path.as_path()))),
        Upstream::Tcp { scheme, host, port } => (*scheme, host, port.get()),
    };
    let tcp = TcpConnector::new(host.to_string(), port).with_timeout(settings.connect_timeout);
    let opening = match scheme {
        None | Some(Scheme::Http | Scheme::Psql | Scheme::Tcp) => return Ok(Arc::new(tcp)),
        Some(Scheme::Https | Scheme::Tls) => Opening::Direct,
        Some(Scheme::Psqls) if settings.psqls_direct => Opening::PostgresDirect,
        Some(Scheme::Psqls) => Opening::Postgres,
    };
    Ok(Arc::new(TlsConnector::new(tcp, &settings.upstream_tls, opening)?))
}

fn handshake(scheme: Option<Scheme>, tls: Option<&ServerTls>) -> Result<Option<Arc<dyn Handshake>>> {
    let is_postgres = matches!(scheme, Some(Scheme::Psql | Scheme::Psqls));
    Ok(match tls {
        Some(tls) => {
            let opening = if is_postgres { Opening::Postgres } else { Opening::Direct };
            Some(Arc::new(TlsHandshake::new(tls, opening).context("--tls-cert and --tls-key")?))
        }
        None if scheme == Some(Scheme::Psqls) => Some(Arc::new(PostgresClear)),
        None => None,
    })
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
            info!("clients can trust {}", path.display());
        }
        None => {
            info!("clients must skip verification: --tls-self-signed=FILE gives them a certificate to trust")
        }
    }
    Ok(Some(tls))
}
