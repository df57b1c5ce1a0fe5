//! From settings to what runs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fault_proxy_nats::{ServiceName, Target, Targets};
use fault_proxy_relay::{ConnectError, Connecting, Connector, Resolver, TcpConnector};
use proxy_cli::nats::Sessions;
use tracing::{info, warn};

use crate::config::{Service, Settings};

/// Clients choose the names, and some may be of name servers that do not answer for 10 s. Fewer than that many in this time do not delay the
/// names of other clients.
const MAX_NEW_LOOKUPS: usize = 1024;

/// Takes requests until a signal ends it. Returns a table of what there was.
pub(crate) fn run(settings: Settings) -> Result<String> {
    let Settings { program, targets, services } = settings;
    let names: Vec<_> = services.iter().map(|service| service.name.clone()).collect();
    let dial = Dialler {
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
        info!("listening on proxy.request{services}");
        Ok(())
    })
}

/// What this server dials.
#[derive(Debug)]
struct Dialler {
    targets: Arc<Targets>,
    services: Vec<Service>,
    resolver: Resolver,
    timeout: Duration,
}

impl Dialler {
    fn connector(&self, target: &Target) -> Result<Arc<dyn Connector>, String> {
        match target {
            Target::Host { host, port } => {
                if let Err(reason) = self.targets.check_name(host, *port) {
                    return Ok(Arc::new(Refuse(reason)));
                }
                let (targets, asked, port) = (Arc::clone(&self.targets), host.clone(), *port);
                let connector = TcpConnector::with_resolver(self.resolver.clone(), host.as_str(), port)
                    .with_timeout(self.timeout)
                    .with_address_filter(move |found| targets.check(&asked, port, found));
                Ok(Arc::new(connector))
            }
            Target::Service(name) => self.service(name),
        }
    }

    /// What its operator offers needs no rule.
    fn service(&self, name: &ServiceName) -> Result<Arc<dyn Connector>, String> {
        let service = self.services.iter().find(|service| service.name == *name);
        let Service { host, port, .. } = service.ok_or("this server does not offer it")?;
        let connector = TcpConnector::with_resolver(self.resolver.clone(), host.as_str(), *port);
        Ok(Arc::new(connector.with_timeout(self.timeout)))
    }
}

/// Refuses, as a connector does whose addresses may not be dialled.
#[derive(Debug)]
struct Refuse(String);

impl Connector for Refuse {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async { Err(ConnectError::Refused(self.0.clone())) })
    }
}
