//! Targets that clients request from nats-proxy-server.

use std::fmt;
use std::str::FromStr;

use fault_proxy_mapping::{ParseError, Scheme, Upstream};
use fault_proxy_nats::InvalidServiceName;

const SERVICE: &str = "nats-service:";

/// A target. Its text is `HOST:PORT`, with a host as in [`fault_proxy_mapping`], or `nats-service:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(pub fault_proxy_nats::Target);

impl TryFrom<&Upstream> for Target {
    type Error = String;

    /// Refuses Unix sockets, and schemes other than `tcp`.
    fn try_from(upstream: &Upstream) -> Result<Self, String> {
        let Upstream::Tcp { scheme, host, port } = upstream else {
            return Err("the server does not connect to Unix sockets: write HOST:PORT".to_owned());
        };
        if let Some(scheme) = scheme.filter(|scheme| *scheme != Scheme::Tcp) {
            let tls = if scheme.is_encrypted() { "; a client that speaks TLS itself still does" } else { "" };
            return Err(format!(
                "`{scheme}://`: the server connects without TLS and relays bytes unchanged: write HOST:PORT alone{tls}"
            ));
        }
        Ok(Self(fault_proxy_nats::Target::Host { host: host.to_string(), port: port.get() }))
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix(SERVICE) {
            let name = name.parse().map_err(|error: InvalidServiceName| error.to_string())?;
            return Ok(Self(fault_proxy_nats::Target::Service(name)));
        }
        let upstream = text.parse::<Upstream>().map_err(|error: ParseError| error.in_one_line())?;
        Self::try_from(&upstream)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
    fn an_unsupported_upstream_is_refused_with_a_hint() {
        let refused = |text: &str| text.parse::<Target>().unwrap_err();
        let tls = refused("https://example.com");
        assert!(tls.contains("write HOST:PORT alone") && tls.contains("speaks TLS itself"), "{tls}");
        assert!(!refused("psql://db:5432").contains("speaks TLS"));
        assert!(refused("unix:/run/app.sock").contains("write HOST:PORT"));
        assert!(refused("redis").contains("missing port"));
        assert!(refused("nats-service:a.b").contains("letters, digits"));
        assert!(refused("nats-service:").contains("letters, digits"));
    }
}
