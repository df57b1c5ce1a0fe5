use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::addr::{ListenAddr, write_host_port};
use crate::error::ParseError;
use crate::host::Host;
use crate::scheme::Scheme;
use crate::unix::SocketPath;

/// One `--proxy` mapping: connections to `listen` go to `upstream`.
///
/// Serialized as its text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mapping {
    /// Name of the proxy, if the mapping has one.
    pub name: Option<ProxyName>,
    /// Where clients connect.
    pub listen: Listen,
    /// Where the proxy connects to.
    pub upstream: Upstream,
}

/// Name of a proxy: ASCII letters, digits, `-`, `_` and `.`.
///
/// Created by parsing a [`Mapping`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProxyName(pub(crate) String);

impl ProxyName {
    /// Returns the name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a mapping listens: its left side, `PORT` or `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listen {
    /// The address to bind; `None` for the default of the program.
    pub host: Option<Host>,
    /// The TCP port to bind.
    pub port: NonZeroU16,
}

impl Listen {
    /// Returns the address to bind. `default` is used for mappings without a host.
    pub fn addr(&self, default: IpAddr) -> ListenAddr {
        let host = self.host.clone().unwrap_or_else(|| default.into());
        ListenAddr { host: Some(host), port: self.port.get() }
    }
}

/// Upstream of a mapping: its right side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// A TCP service.
    Tcp {
        /// The scheme, if the mapping names one.
        scheme: Option<Scheme>,
        /// The host to resolve and connect to.
        host: Host,
        /// The port as written, or the default port of the scheme.
        port: NonZeroU16,
    },
    /// A Unix stream socket.
    Unix {
        /// Its path.
        path: SocketPath,
    },
}

impl Upstream {
    /// Returns the scheme, if there is one.
    pub fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::Tcp { scheme, .. } => *scheme,
            Self::Unix { .. } => None,
        }
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ProxyName(name)) = &self.name {
            write!(f, "{name}@")?;
        }
        write!(f, "{}={}", self.listen, self.upstream)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write_host_port(f, host, self.port.get()),
            None => self.port.fmt(f),
        }
    }
}

/// The text always contains the port, even if it is the scheme's default.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { scheme, host, port } => {
                if let Some(scheme) = scheme {
                    write!(f, "{scheme}://")?;
                }
                write_host_port(f, host, port.get())
            }
            Self::Unix { path } => write!(f, "unix:{path}"),
        }
    }
}

impl TryFrom<String> for Mapping {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Mapping> for String {
    fn from(mapping: Mapping) -> Self {
        mapping.to_string()
    }
}
