use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ParseError;
use crate::host::Host;
use crate::parse;
use crate::scheme::Scheme;
use crate::suggest::suggest;
use crate::unix::SocketPath;

/// One `--proxy` mapping: connections to `listen` go to `upstream`.
///
/// Serialized as the string it is written as.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mapping {
    /// Where downstream clients connect.
    pub listen: Listen,
    /// What they reach.
    pub upstream: Upstream,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listen {
    /// The address to bind; the program's own default when there is none.
    pub host: Option<Host>,
    /// The TCP port to bind.
    pub port: NonZeroU16,
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// A TCP service.
    Tcp {
        /// The scheme, if the mapping names one.
        scheme: Option<Scheme>,
        /// The host to resolve and connect to.
        host: Host,
        /// The port as written, or else the scheme's default.
        port: NonZeroU16,
    },
    /// A Unix stream socket.
    Unix {
        /// Its path.
        path: SocketPath,
    },
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.listen, self.upstream)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write_host_port(f, host, self.port),
            None => self.port.fmt(f),
        }
    }
}

/// Always with its port, also when that is the scheme's default.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { scheme, host, port } => {
                if let Some(scheme) = scheme {
                    write!(f, "{scheme}://")?;
                }
                write_host_port(f, host, *port)
            }
            Self::Unix { path } => write!(f, "unix:{path}"),
        }
    }
}

fn write_host_port(f: &mut fmt::Formatter<'_>, host: &Host, port: NonZeroU16) -> fmt::Result {
    match host {
        Host::V6(address) => write!(f, "[{address}]:{port}"),
        Host::Name(_) | Host::V4(_) => write!(f, "{host}:{port}"),
    }
}

impl FromStr for Mapping {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse::parse(text).map_err(|refusal| {
            let suggestion = suggest(text, &refusal);
            ParseError::new(text, refusal, suggestion)
        })
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
