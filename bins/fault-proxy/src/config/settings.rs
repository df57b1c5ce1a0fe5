use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use fault_proxy_control::proxies::{Spec, protocol_of};
use fault_proxy_control::specs;
use fault_proxy_engine::{ByteCount, Fault};
use fault_proxy_mapping::{ListenAddr, Upstream};
use fault_proxy_tls::ClientTls;
use proxy_cli::addr::Endpoint;
use proxy_cli::args::Time;
use proxy_cli::faults::idle_reason;
use tracing::warn;

use super::control::{Control, control};
use super::faults::ConfiguredFault;
use super::file::{Config, RecordedConfig};
use super::phases;
use super::ports;
use super::proxies::{ProxySettings, proxies};
use crate::args::{ListenerTlsArgs, Options, Protocol, SelfSigned};
use crate::expect::{Expectation, NamedProxy};

/// Resolved settings of a run.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) run: Options,
    pub(crate) proxies: Vec<ProxySettings>,
    /// Proxies of --toxiproxy-config.
    pub(crate) populate: Vec<Spec>,
    /// True if the run continues when proxies of `populate` do not start.
    pub(crate) skips_failed: bool,
    /// Duration of the run, or `None` if only a signal ends it.
    pub(crate) duration: Option<Duration>,
    /// Seed of the run, or `None` for a new seed.
    pub(crate) seed: Option<u64>,
    /// Conditions of --expect. Their faults exist.
    pub(crate) expect: Vec<Expectation>,
    /// Settings before they were resolved.
    pub(crate) record: RecordedConfig,
    pub(crate) upstream_tls: ClientTls,
    /// Application protocols to offer to upstreams, for clients without TLS.
    pub(crate) upstream_alpn: Vec<Vec<u8>>,
    pub(crate) psqls_direct: bool,
    pub(crate) listener_tls: Option<ListenerTls>,
    /// Application protocols to accept from clients, for upstreams without TLS.
    pub(crate) listener_alpn: Vec<Vec<u8>>,
    /// The control API, or `None` if it is off.
    pub(crate) control: Option<Control>,
    /// Address of the separate endpoint for metrics.
    pub(crate) metrics: Option<ListenAddr>,
}

/// Certificate that is shown to clients.
#[derive(Debug)]
pub(crate) enum ListenerTls {
    Files { cert: PathBuf, key: PathBuf },
    SelfSigned { copy: Option<PathBuf> },
}

impl Settings {
    /// Returns true if flags, variables or files set a proxy.
    pub(crate) fn has_proxies(&self) -> bool {
        !self.proxies.is_empty() || !self.populate.is_empty()
    }

    /// Returns all proxies that a run starts: the displayed name or mapping, the listen address and the upstream.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = (String, ListenAddr, &Upstream)> {
        let mappings = self.proxies.iter().map(|ProxySettings { label, mapping, .. }| {
            (label.clone(), mapping.listen.addr(self.run.bind), &mapping.upstream)
        });
        let specs = self.populate.iter().filter(|spec| spec.enabled);
        mappings.chain(specs.map(|spec| (spec.name.clone(), spec.listen.clone(), &spec.upstream.addr)))
    }

    /// Logs a warning for each fault that never acts.
    pub(crate) fn warn_about_idle_faults(&self) {
        for proxy in &self.proxies {
            for ConfiguredFault { fault, .. } in &proxy.faults {
                if let Some(reason) = idle_reason(fault, self.duration) {
                    let (proxy, fault) = (&proxy.label, &fault.name);
                    warn!(proxy, fault, reason, "fault never acts: {reason}");
                }
            }
        }
    }

    /// Resolves the settings.
    ///
    /// # Errors
    /// Returns an error that names the setting if a setting is invalid.
    pub(crate) fn resolve(config: Config) -> Result<Self> {
        let populate = match &config.control.toxiproxy_config {
            Some(file) => populate(file, duration(&config))
                .with_context(|| format!("--toxiproxy-config {}", file.display()))?,
            None => Vec::new(),
        };
        let settings = Self::resolve_with(config, populate)?;
        ports::refuse_shared(&settings)?;
        if let Some(control) = &settings.control {
            control.guard_all()?;
        }
        Ok(settings)
    }

    /// Resolves the settings with these proxies of --toxiproxy-config instead of reading its file.
    pub(crate) fn resolve_with(config: Config, populate: Vec<Spec>) -> Result<Self> {
        let duration = duration(&config);
        let proxies = proxies(&config, duration)?;
        refuse_same_names(&populate, &proxies).context("--toxiproxy-config")?;
        let upstream_alpn: Vec<_> = config.upstream_tls.upstream_alpn.iter().map(Protocol::bytes).collect();
        let listener_alpn: Vec<_> = config.listener_tls.tls_alpn.iter().map(Protocol::bytes).collect();
        let control = control(&config)?;
        let metrics = config.control.metrics.and_then(|Endpoint(addr)| addr);
        let listener_tls = listener_tls(config.listener_tls)?;
        refuse_useless_alpn(listener_tls.is_some(), &upstream_alpn, &listener_alpn)?;
        let faults = proxies
            .iter()
            .flat_map(|proxy| &proxy.faults)
            .map(|given| (&given.fault.name, Some(&given.fault)));
        let toxics =
            populate.iter().flat_map(|spec| &spec.faults).map(|toxic| (&toxic.name, toxic.fault.as_ref()));
        let of_file = proxies.iter().map(|proxy| (&proxy.name, protocol_of(&proxy.mapping.upstream)));
        let of_api = populate.iter().map(|spec| (&spec.name, protocol_of(&spec.upstream.addr)));
        let names: Vec<_> = of_file.chain(of_api).collect();
        let expect = expectations(&config.run.expect, &faults.chain(toxics).collect::<Vec<_>>(), &names)?;
        check_junit(&config.run)?;
        require_some("--max-in-flight", config.run.max_in_flight)?;
        require_some("--max-in-flight-total", config.run.max_in_flight_total)?;
        let tls = config.upstream_tls;
        let upstream_tls = ClientTls {
            ca_file: tls.upstream_ca,
            identity: pair(("--upstream-cert", tls.upstream_cert), ("--upstream-key", tls.upstream_key))?,
            server_name: tls.upstream_sni,
            insecure: tls.upstream_insecure,
        };
        Ok(Self {
            run: config.run,
            proxies,
            populate,
            skips_failed: false,
            duration,
            seed: config.fault_options.seed,
            expect,
            record: config.record,
            upstream_tls,
            upstream_alpn,
            psqls_direct: tls.psqls_direct,
            listener_tls,
            listener_alpn,
            control,
            metrics,
        })
    }
}

/// Parses the conditions. `faults` contains each fault with its name, or `None` for a toxic without an
/// effect.
fn expectations(
    texts: &[String],
    faults: &[(&String, Option<&Fault>)],
    proxies: &[NamedProxy<'_>],
) -> Result<Vec<Expectation>> {
    let parse = |text: &String| {
        let parsed = text.parse().and_then(|expected: Expectation| expected.resolve(faults, proxies));
        parsed.map_err(|problem| anyhow!("--expect '{text}': {problem}"))
    };
    texts.iter().map(parse).collect()
}

/// Returns an error for `--junit` without test cases.
fn check_junit(run: &Options) -> Result<()> {
    if run.junit.is_some() && run.expect.is_empty() && !run.strict {
        bail!("--junit requires --expect or --strict: it has a test case for each of their conditions");
    }
    Ok(())
}

fn duration(config: &Config) -> Option<Duration> {
    match config.run.duration {
        Some(Time(duration)) => Some(duration),
        None => phases::total(&config.tables.phases),
    }
}

fn require_some(flag: &str, bytes: ByteCount) -> Result<()> {
    if bytes.count() == 0 {
        bail!("{flag} must be greater than 0, for example 64MiB: faults could not hold data");
    }
    Ok(())
}

fn populate(file: &Path, duration: Option<Duration>) -> Result<Vec<Spec>> {
    specs(&fs::read(file)?, duration).map_err(Error::msg)
}

fn refuse_same_names(populate: &[Spec], proxies: &[ProxySettings]) -> Result<()> {
    for Spec { name, .. } in populate {
        if let Some(other) = proxies.iter().find(|other| other.name == *name) {
            bail!("`{name}` is also the name of the proxy {}: rename one of them", other.mapping);
        }
    }
    Ok(())
}

fn listener_tls(args: ListenerTlsArgs) -> Result<Option<ListenerTls>> {
    let files = pair(("--tls-cert", args.tls_cert), ("--tls-key", args.tls_key))?;
    let self_signed = match args.tls_self_signed {
        None | Some(SelfSigned::Made(false)) => None,
        Some(SelfSigned::Made(true)) => Some(ListenerTls::SelfSigned { copy: None }),
        Some(SelfSigned::CopiedTo(path)) => Some(ListenerTls::SelfSigned { copy: Some(path) }),
    };
    match (files, self_signed) {
        (Some(_), Some(_)) => bail!("--tls-cert and --tls-self-signed are both set: set only one of them"),
        (Some((cert, key)), None) => Ok(Some(ListenerTls::Files { cert, key })),
        (None, self_signed) => Ok(self_signed),
    }
}

fn refuse_useless_alpn(has_tls: bool, upstream_alpn: &[Vec<u8>], listener_alpn: &[Vec<u8>]) -> Result<()> {
    if has_tls && !upstream_alpn.is_empty() {
        bail!(
            "--upstream-alpn is for clients without TLS: with --tls-cert or --tls-self-signed, the proxy offers what each client offers"
        );
    }
    if !has_tls && !listener_alpn.is_empty() {
        bail!(
            "--tls-alpn requires --tls-cert or --tls-self-signed: clients without TLS do not offer protocols"
        );
    }
    Ok(())
}

/// Returns both values, or `None` if neither is set.
fn pair<T>(one: (&str, Option<T>), other: (&str, Option<T>)) -> Result<Option<(T, T)>> {
    match (one, other) {
        ((_, Some(one)), (_, Some(other))) => Ok(Some((one, other))),
        ((_, None), (_, None)) => Ok(None),
        ((given, Some(_)), (missing, None)) | ((missing, None), (given, Some(_))) => {
            bail!("{given} requires {missing}")
        }
    }
}
