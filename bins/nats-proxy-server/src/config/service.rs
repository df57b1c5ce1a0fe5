use std::str::FromStr;

use fault_proxy_nats::{InvalidServiceName, ServiceName};
use nats_proxy_cli::target::Target;

/// A target that clients request by name. Its text is `NAME=HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: ServiceName,
    /// Name or IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, target) = text.trim().split_once('=').ok_or("no `=`: write NAME=HOST:PORT")?;
        match target.parse()? {
            Target(fault_proxy_nats::Target::Host { host, port }) => {
                let name = name.parse().map_err(|error: InvalidServiceName| error.to_string())?;
                Ok(Self { name, host, port })
            }
            Target(fault_proxy_nats::Target::Service(_)) => {
                Err("a service is a host and a port: write NAME=HOST:PORT".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_name_and_an_address() {
        let service: Service = "my_db-1=[::1]:5432".parse().unwrap();
        assert_eq!(service.name.to_string(), "my_db-1");
        assert_eq!((&*service.host, service.port), ("::1", 5432));
        for (text, problem) in [
            ("db:5432", "write NAME=HOST:PORT"),
            ("a.b=db:5432", "letters, digits"),
            ("db=db", "missing port"),
            ("db=tls://db:5432", "without TLS"),
            ("db=nats-service:other", "a host and a port"),
        ] {
            let refused = text.parse::<Service>().unwrap_err();
            assert!(refused.contains(problem), "{text}: {refused}");
        }
    }
}
