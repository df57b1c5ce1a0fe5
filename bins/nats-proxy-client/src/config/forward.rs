use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use fault_proxy_mapping::{Listen, ListenAddr, Mapping, ParseError};
use nats_proxy_cli::target::Target;

/// Forwards connections to `listen` to `target`.
///
/// Its text is a mapping, or has `nats-service:NAME` on the right. A port without an address listens on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) listen: ListenAddr,
    pub(crate) target: Target,
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let local = Ipv4Addr::LOCALHOST.into();
        if let Some((left, right)) = text.split_once('=')
            && right.starts_with("nats-service:")
        {
            let listen =
                left.parse::<Listen>().map_err(|error| format!("`{left}`: {}", error.in_one_line()))?;
            return Ok(Self { listen: listen.addr(local), target: right.parse()? });
        }
        let mapping: Mapping = text.parse().map_err(|error: ParseError| error.to_string())?;
        if let Some(name) = &mapping.name {
            return Err(format!("`{0}@`: forwards do not have names; remove {0}@", name.as_str()));
        }
        Ok(Self { listen: mapping.listen.addr(local), target: Target::try_from(&mapping.upstream)? })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.listen, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_is_a_mapping_in_clear_or_a_service() {
        for (text, shown) in [
            ("35432=db:5432", "127.0.0.1:35432=db:5432"),
            ("[::]:35432=tcp://db:5432", "[::]:35432=db:5432"),
            ("0.0.0.0:1=nats-service:cache", "0.0.0.0:1=nats-service:cache"),
        ] {
            assert_eq!(text.parse::<Forward>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn an_invalid_forward_is_refused_with_a_hint() {
        for (text, hint) in [
            ("35432=db", "35432=db:PORT"),
            ("443=https://example.com", "connects without TLS"),
            ("5432=unix:/run/db.sock", "write HOST:PORT"),
            ("x=nats-service:cache", "a port is a number"),
            ("1=nats-service:a.b", "letters, digits"),
            ("db@35432=db:5432", "remove db@"),
            ("db:5432", "LISTEN_PORT=HOST:PORT"),
        ] {
            let refused = text.parse::<Forward>().unwrap_err();
            assert!(refused.contains(hint), "{text}: {refused}");
        }
    }
}
