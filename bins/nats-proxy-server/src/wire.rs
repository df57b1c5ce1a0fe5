//! Connectors and listeners of the program.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fault_proxy_nats::{ServiceName, Target, Targets};
use fault_proxy_relay::{ConnectError, Connecting, Connector, Resolver, TcpConnector};
use nats_proxy_cli::Sessions;
use tracing::{info, warn};

use crate::config::{Service, Settings};

/// Maximum number of concurrent lookups of new names. Clients choose the names, and a name server may not respond for
/// 10 s. Further lookups wait.
const MAX_NEW_LOOKUPS: usize = 1024;

/// Serves requests until a signal ends the program. Returns a table of the sessions.
pub(crate) fn run(settings: Settings) -> Result<String> {
    let Settings { program, targets, services } = settings;
    let names: Vec<_> = services.iter().map(|service| service.name.clone()).collect();
    let dial = Dialer {
        targets: Arc::new(targets),
        services,
        resolver: Resolver::with_new_lookups(MAX_NEW_LOOKUPS),
        timeout: program.tunnel.connect_timeout.0,
    };
    program.run(async |sessions: &mut Sessions| {
        if dial.targets.is_unrestricted() {
            warn!("clients can reach every target that this server can reach; restrict them with --allow and --deny");
        }
        let requests = sessions.tunnels.listen(&names, move |target| dial.connector(target)).await;
        sessions.relay_requests("requests".to_owned(), requests.context("cannot listen on NATS")?);
        let services: String = names.iter().map(|name| format!(", proxy.service.{name}")).collect();
        info!(subjects = %format_args!("proxy.request{services}"), "listening on proxy.request{services}");
        Ok(())
    })
}

/// Creates connectors to targets.
#[derive(Debug)]
struct Dialer {
    targets: Arc<Targets>,
    services: Vec<Service>,
    resolver: Resolver,
    timeout: Duration,
}

impl Dialer {
    fn connector(&self, target: &Target) -> Result<Arc<dyn Connector>, String> {
        match target {
            Target::Host { host, port } => {
                if let Err(reason) = self.targets.check_name(host, *port) {
                    return Ok(Arc::new(Refuse(reason)));
                }
                let (targets, requested, port) = (Arc::clone(&self.targets), host.clone(), *port);
                let connector = TcpConnector::with_resolver(self.resolver.clone(), host.as_str(), port)
                    .with_timeout(self.timeout)
                    .with_address_filter(move |found| targets.check(&requested, port, found));
                Ok(Arc::new(connector))
            }
            Target::Service(name) => self.service(name),
        }
    }

    /// Returns the connector of a service. Rules do not apply to services.
    fn service(&self, name: &ServiceName) -> Result<Arc<dyn Connector>, String> {
        let service = self.services.iter().find(|service| service.name == *name);
        let Service { host, port, .. } = service.ok_or("this server does not offer it")?;
        let connector = TcpConnector::with_resolver(self.resolver.clone(), host.as_str(), *port);
        Ok(Arc::new(connector.with_timeout(self.timeout)))
    }
}

/// Connector to a target that the rules deny. It always fails.
#[derive(Debug)]
struct Refuse(String);

impl Connector for Refuse {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async { Err(ConnectError::Refused(self.0.clone())) })
    }
}
