use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use proxy_cli::args::Time;
use proxy_cli::config::{did_you_mean, nearest};
use proxy_control::proxies::Spec;
use proxy_control::specs;
use proxy_fault::Bytes;
use proxy_mapping::{ListenAddr, Upstream};
use proxy_tls::ClientTls;

use super::control::{Control, control};
use super::file::{Config, Record};
use super::phases;
use super::proxies::{ProxySettings, proxies};
use crate::args::{DataPath, OnUpstreamFailure, Options, Protocol, SelfSigned};
use crate::expect::Expectation;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_IN_FLIGHT: u64 = 64 << 20;
const MAX_IN_FLIGHT_TOTAL: u64 = 1 << 30;

/// Everything that a run needs to know, resolved.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) proxies: Vec<ProxySettings>,
    /// Of --toxiproxy-config.
    pub(crate) populate: Vec<Spec>,
    pub(crate) bind: IpAddr,
    pub(crate) connect_timeout: Duration,
    pub(crate) on_upstream_failure: OnUpstreamFailure,
    /// `None`: until something else ends the run.
    pub(crate) duration: Option<Duration>,
    pub(crate) drain_timeout: Duration,
    /// `None`: what the limit of open files allows.
    pub(crate) max_sessions: Option<u32>,
    pub(crate) data_path: DataPath,
    /// Bytes that faults may hold of one flow.
    pub(crate) max_in_flight: u64,
    /// Bytes that faults may hold of all flows.
    pub(crate) max_in_flight_total: u64,
    /// `None`: a new one.
    pub(crate) seed: Option<u64>,
    pub(crate) journal: Option<PathBuf>,
    /// Of faults that there are.
    pub(crate) expect: Vec<Expectation>,
    /// What all this was resolved from.
    pub(crate) record: Record,
    pub(crate) upstream_tls: ClientTls,
    /// Offered to upstreams for clients in clear.
    pub(crate) upstream_alpn: Vec<Vec<u8>>,
    pub(crate) psqls_direct: bool,
    pub(crate) listener_tls: Option<ListenerTls>,
    /// For clients of upstreams in clear.
    pub(crate) listener_alpn: Vec<Vec<u8>>,
    /// `None`: there is none.
    pub(crate) control: Option<Control>,
    /// Whether a live view may be shown.
    pub(crate) has_ui: bool,
    pub(crate) tail: bool,
}

/// What clients are shown.
#[derive(Debug)]
pub(crate) enum ListenerTls {
    Files { cert: PathBuf, key: PathBuf },
    SelfSigned { copy: Option<PathBuf> },
}

impl Settings {
    /// All proxies that a run starts: the name or mapping that people are shown, the address to bind, and the upstream.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = (String, ListenAddr, &Upstream)> {
        let mappings = self.proxies.iter().map(|proxy| &proxy.mapping);
        let mappings =
            mappings.map(|mapping| (mapping.to_string(), mapping.listen.addr(self.bind), &mapping.upstream));
        let specs = self.populate.iter().filter(|spec| spec.enabled);
        mappings.chain(specs.map(|spec| (spec.name.clone(), spec.listen.clone(), &spec.upstream.addr)))
    }

    /// Fails on the first thing that makes no sense, and names it as it was written.
    pub(crate) fn resolve(config: Config) -> Result<Self> {
        let populate = match &config.options.toxiproxy_config {
            Some(file) => populate(file, duration(&config))
                .with_context(|| format!("--toxiproxy-config {}", file.display()))?,
            None => Vec::new(),
        };
        let settings = Self::resolve_with(config, populate)?;
        if let Some(control) = &settings.control {
            control.guard_all()?;
        }
        Ok(settings)
    }

    /// With these proxies of --toxiproxy-config, which is not read.
    pub(crate) fn resolve_with(config: Config, populate: Vec<Spec>) -> Result<Self> {
        let duration = duration(&config);
        let proxies = proxies(&config, duration)?;
        refuse_same_names(&populate, &proxies).context("--toxiproxy-config")?;
        let listener_tls = listener_tls(&config.options)?;
        let faults = proxies.iter().flat_map(|proxy| &proxy.faults).map(|given| given.fault.name.as_str());
        let toxics = populate.iter().flat_map(|spec| &spec.faults).map(|toxic| toxic.name.as_str());
        let expect = expectations(&config.options.expect, &faults.chain(toxics).collect::<Vec<_>>())?;
        let control = control(&config)?;
        let options = config.options;
        let upstream_tls = ClientTls {
            ca_file: options.upstream_ca,
            identity: pair(
                ("--upstream-cert", options.upstream_cert),
                ("--upstream-key", options.upstream_key),
            )?,
            server_name: options.upstream_sni,
            insecure: options.upstream_insecure.unwrap_or_default(),
        };
        Ok(Self {
            proxies,
            populate,
            bind: options.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            connect_timeout: options.connect_timeout.map_or(CONNECT_TIMEOUT, |Time(time)| time),
            on_upstream_failure: options.on_upstream_failure.unwrap_or_default(),
            duration,
            drain_timeout: options.drain_timeout.map_or(DRAIN_TIMEOUT, |Time(time)| time),
            max_sessions: options.max_sessions.map(u32::from),
            data_path: options.data_path.unwrap_or_default(),
            max_in_flight: some_bytes("--max-in-flight", options.max_in_flight, MAX_IN_FLIGHT)?,
            max_in_flight_total: some_bytes(
                "--max-in-flight-total",
                options.max_in_flight_total,
                MAX_IN_FLIGHT_TOTAL,
            )?,
            seed: options.seed,
            journal: options.journal,
            expect,
            record: config.record,
            upstream_tls,
            upstream_alpn: options.upstream_alpn.iter().map(Protocol::bytes).collect(),
            psqls_direct: options.psqls_direct.unwrap_or_default(),
            listener_tls,
            listener_alpn: options.tls_alpn.iter().map(Protocol::bytes).collect(),
            control,
            has_ui: !options.no_ui.unwrap_or_default(),
            tail: options.tail.unwrap_or_default(),
        })
    }
}

fn expectations(texts: &[String], faults: &[&str]) -> Result<Vec<Expectation>> {
    let parse = |text: &String| {
        let expected: Expectation = text.parse().map_err(|problem| anyhow!("--expect {text}: {problem}"))?;
        if !faults.contains(&&*expected.fault) {
            let meant = did_you_mean(nearest(&expected.fault, faults.iter().copied()));
            bail!("--expect {text}: no fault is called `{}`{meant}", expected.fault);
        }
        Ok(expected)
    };
    texts.iter().map(parse).collect()
}

fn duration(config: &Config) -> Option<Duration> {
    match config.options.duration {
        Some(Time(duration)) => Some(duration),
        None => phases::total(&config.options.phases),
    }
}

/// The value of a flag that must not be 0.
fn some_bytes(flag: &str, given: Option<Bytes>, default: u64) -> Result<u64> {
    let bytes = given.map_or(default, Bytes::count);
    if bytes == 0 {
        bail!("{flag} must be greater than 0, for example 64MiB: with 0 faults could not hold anything");
    }
    Ok(bytes)
}

fn populate(file: &Path, duration: Option<Duration>) -> Result<Vec<Spec>> {
    specs(&fs::read(file)?, duration).map_err(Error::msg)
}

fn refuse_same_names(populate: &[Spec], proxies: &[ProxySettings]) -> Result<()> {
    for Spec { name, .. } in populate {
        if let Some(other) = proxies.iter().find(|other| other.name == *name) {
            bail!("`{name}` is also the name of the proxy {}: give one another name", other.mapping);
        }
    }
    Ok(())
}

fn listener_tls(options: &Options) -> Result<Option<ListenerTls>> {
    let files = pair(("--tls-cert", options.tls_cert.clone()), ("--tls-key", options.tls_key.clone()))?;
    let self_signed = match options.tls_self_signed.clone() {
        None | Some(SelfSigned::Made(false)) => None,
        Some(SelfSigned::Made(true)) => Some(ListenerTls::SelfSigned { copy: None }),
        Some(SelfSigned::CopiedTo(path)) => Some(ListenerTls::SelfSigned { copy: Some(path) }),
    };
    let has_tls = files.is_some() || self_signed.is_some();
    if has_tls && !options.upstream_alpn.is_empty() {
        bail!(
            "--upstream-alpn is for clients in clear: with --tls-cert or --tls-self-signed, the proxy offers what each client offers"
        );
    }
    if !has_tls && !options.tls_alpn.is_empty() {
        bail!("--tls-alpn needs --tls-cert or --tls-self-signed: clients in clear offer no protocols");
    }
    match (files, self_signed) {
        (Some(_), Some(_)) => bail!("--tls-cert and --tls-self-signed: clients can be shown one certificate"),
        (Some((cert, key)), None) => Ok(Some(ListenerTls::Files { cert, key })),
        (None, self_signed) => Ok(self_signed),
    }
}

/// Both or neither.
fn pair<T>(one: (&str, Option<T>), other: (&str, Option<T>)) -> Result<Option<(T, T)>> {
    match (one, other) {
        ((_, Some(one)), (_, Some(other))) => Ok(Some((one, other))),
        ((_, None), (_, None)) => Ok(None),
        ((given, Some(_)), (missing, None)) | ((missing, None), (given, Some(_))) => {
            bail!("{given} needs {missing} too")
        }
    }
}
