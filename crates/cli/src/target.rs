//! What a nats-proxy-server is to reach, as its clients ask for it.

use std::fmt;
use std::str::FromStr;

use proxy_mapping::{Mapping, Upstream};

const SERVICE: &str = "nats-service:";

/// Written `HOST:PORT`, with the hosts of [`proxy_mapping`], or `nats-service:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// What the server dials.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// From 1.
        port: u16,
    },
    /// A service that the server knows by this name.
    Service(ServiceName),
}

impl TryFrom<&Upstream> for Target {
    type Error = String;

    /// Refuses a scheme besides `tcp`, and a Unix socket.
    fn try_from(upstream: &Upstream) -> Result<Self, String> {
        match upstream {
            Upstream::Tcp { scheme, host, port } => {
                if let Some(scheme) = scheme.filter(|scheme| scheme.as_str() != "tcp") {
                    let tls = if scheme.is_encrypted() {
                        "; a client that speaks TLS itself still does"
                    } else {
                        ""
                    };
                    return Err(format!(
                        "`{scheme}://`: the server dials in clear and passes bytes on as they are: \
                         write HOST:PORT alone{tls}"
                    ));
                }
                Ok(Self::Tcp { host: host.to_string(), port: port.get() })
            }
            Upstream::Unix { .. } => Err("the server reaches no Unix socket: write HOST:PORT".to_owned()),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix(SERVICE) {
            return name.parse().map(Self::Service);
        }
        // The right side of a mapping.
        match format!("1={text}").parse::<Mapping>() {
            Ok(mapping) => Self::try_from(&mapping.upstream),
            Err(error) => Err(format!("{}: {}", error.kind(), error.kind().hint())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Service(name) => write!(f, "{SERVICE}{name}"),
        }
    }
}

/// Letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(String);

impl ServiceName {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(is_allowed) {
            return Err("a service's name has letters, digits, `_` and `-`".to_owned());
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in ["redis:6379", "[::1]:5432", "10.0.0.5:80", "nats-service:my_db-1"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!("tcp://redis:6379".parse::<Target>().unwrap().to_string(), "redis:6379");
    }

    #[test]
    fn what_the_server_does_not_speak_is_refused_with_the_way_out() {
        let refused = |text: &str| text.parse::<Target>().unwrap_err();
        let tls = refused("https://example.com");
        assert!(tls.contains("write HOST:PORT alone") && tls.contains("speaks TLS itself"), "{tls}");
        assert!(!refused("psql://db:5432").contains("TLS"));
        assert!(refused("unix:/run/app.sock").contains("write HOST:PORT"));
        assert!(refused("redis").contains("missing port"));
        assert!(refused("nats-service:a.b").contains("letters, digits"));
        assert!(refused("nats-service:").contains("letters, digits"));
    }
}
