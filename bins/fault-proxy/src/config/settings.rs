use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use proxy_cli::addr::{Endpoint, ListenAddr};
use proxy_cli::args::Time;
use proxy_cli::config::{did_you_mean, nearest};
use proxy_cli::faults::of_flags;
use proxy_cli::secret::Secret;
use proxy_control::proxies::Spec;
use proxy_control::specs;
use proxy_fault::{Bytes, Reading, Run};
use proxy_mapping::Mapping;
use proxy_tls::ClientTls;

use super::faults::{self, GivenFault, Placed};
use super::file::{Config, FileProxy, Record};
use super::phases;
use crate::args::{DataPath, OnUpstreamFailure, Options, Protocol, SelfSigned};
use crate::expect::Expectation;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// That of the other servers that speak this API.
pub(crate) const CONTROL_PORT: u16 = 8474;
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

/// A proxy and all its faults.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProxySettings {
    /// Unique: its place, as in `proxy-1`, if it was given none. It names its draws, so that another port makes no other run.
    pub(crate) name: String,
    /// What people are shown: its name, or its mapping if it was given none.
    pub(crate) label: String,
    pub(crate) mapping: Mapping,
    /// With names that are unique in this proxy.
    pub(crate) faults: Vec<GivenFault>,
}

impl ProxySettings {
    /// Whether it was given one.
    pub(crate) fn has_name(&self) -> bool {
        self.name == self.label
    }
}

/// Of the control API, metrics and page.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) addr: ListenAddr,
    /// Nobody asked for it there: without that port the run goes on all the same.
    pub(crate) is_default: bool,
    pub(crate) token: Option<Secret>,
    /// Whether it may be reached from elsewhere without a token.
    pub(crate) is_insecure: bool,
}

impl Control {
    /// Guards all addresses that it has now. May block for some seconds.
    fn guard_all(&self) -> Result<()> {
        match self.addr.addresses() {
            Ok(addresses) => addresses.into_iter().try_for_each(|addr| self.guard(addr)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                bail!("--control {}: {error}; use an IP address, or off", self.addr)
            }
            // It fails when it is listened on.
            Err(_) => Ok(()),
        }
    }

    /// # Errors
    /// When other machines could reach this address of it, and it lets in whoever does.
    pub(crate) fn guard(&self, addr: SocketAddr) -> Result<()> {
        if !addr.ip().is_loopback() && self.token.is_none() && !self.is_insecure {
            bail!(
                "--control {}: other machines could reach it: give a --control-token (or FAULT_CONTROL_TOKEN, which \
                 must not be empty), or --control-insecure to let them all in",
                self.addr
            );
        }
        Ok(())
    }
}

/// What clients are shown.
#[derive(Debug)]
pub(crate) enum ListenerTls {
    Files { cert: PathBuf, key: PathBuf },
    SelfSigned { copy: Option<PathBuf> },
}

impl Settings {
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

fn proxies(config: &Config, duration: Option<Duration>) -> Result<Vec<ProxySettings>> {
    let Config { options, mappings, faults: flags, file, .. } = config;
    let reading = if options.strict_schedules.unwrap_or_default() { Reading::Strict } else { Reading::Usual };
    let run = Run { duration, reading };
    let named = named(mappings, &options.proxies)?;
    if named.is_empty() && !is_api_alone(options) {
        match file.file() {
            "" => bail!(
                "no proxies configured: set --proxy <MAPPING>, FAULT_PROXY or [[proxies]] in a --config file, or --control ADDR to \
                 create proxies through the API"
            ),
            file => bail!(
                "no proxies configured: {file} has no [[proxies]]; add one with proxy = \"35432=psql://db:5432\", set \
                 --proxy <MAPPING> or FAULT_PROXY, or --control ADDR to create proxies through the API"
            ),
        }
    }
    let labels: Vec<_> = named.iter().map(|proxy| proxy.label.as_str()).collect();

    let of_flags = flags
        .iter()
        .map(|params| Ok(GivenFault { fault: of_flags(params, &run)?, params: params.clone() }))
        .collect::<Result<Vec<_>>>()?;
    let of_all = faults::all_of_file(&options.faults, "faults", file, &run)?;
    let of_phases = phases::faults(&options.phases, &labels, file, &run)?;

    let mut proxies = Vec::new();
    for (index, Named { name, label, mapping, of_file }) in named.iter().enumerate() {
        if let Some(host) = mapping.listen.host.as_ref().map(ToString::to_string)
            && is_scheme(&host)
        {
            bail!(
                "--proxy {mapping}: `{host}` is not a listen address: a scheme belongs to the upstream, as in {}={host}://HOST:PORT",
                mapping.listen.port
            );
        }
        let own = match of_file {
            Some(proxy) => {
                faults::all_of_file(&proxy.faults, &format!("proxies[{index}].faults"), file, &run)?
            }
            None => Vec::new(),
        };
        let of_phases = of_phases
            .iter()
            .filter(|fault| fault.proxy.as_ref().is_none_or(|proxy| proxy == label))
            .map(|fault| fault.placed.clone());
        let of_file: Vec<Placed> = of_all.iter().cloned().chain(own).chain(of_phases).collect();
        let faults = faults::joined(label, of_file, &of_flags, file)?;
        let (name, label, mapping) = (name.clone(), label.clone(), (*mapping).clone());
        proxies.push(ProxySettings { name, label, mapping, faults });
    }
    Ok(proxies)
}

/// A proxy without its faults.
struct Named<'a> {
    name: String,
    label: String,
    mapping: &'a Mapping,
    /// What the file says of it, if it is the file's.
    of_file: Option<&'a FileProxy>,
}

impl<'a> Named<'a> {
    fn new(index: usize, given: Option<&str>, mapping: &'a Mapping, of_file: Option<&'a FileProxy>) -> Self {
        let name = given.map_or_else(|| format!("proxy-{}", index + 1), str::to_owned);
        let label = given.map_or_else(|| mapping.to_string(), str::to_owned);
        Self { name, label, mapping, of_file }
    }
}

fn named<'a>(mappings: &'a [Mapping], in_file: &'a [FileProxy]) -> Result<Vec<Named<'a>>> {
    let of_file = |(index, proxy): (_, &'a FileProxy)| {
        Named::new(index, proxy.name.as_deref(), &proxy.proxy, Some(proxy))
    };
    let named: Vec<_> = if mappings.is_empty() {
        in_file.iter().enumerate().map(of_file).collect()
    } else {
        mappings.iter().enumerate().map(|(index, mapping)| Named::new(index, None, mapping, None)).collect()
    };
    for (index, Named { name, label, mapping, of_file }) in named.iter().enumerate() {
        if let Some(other) = named[..index].iter().find(|other| other.mapping.listen == mapping.listen)
            && of_file.is_none()
        {
            bail!(
                "--proxy {} and --proxy {mapping} listen on one port: give one another port",
                other.mapping
            );
        }
        if named[..index].iter().any(|other| other.label == *label) {
            bail!("two proxies are called `{label}`: give one another name");
        }
        if let Some(other) = named[..index].iter().find(|other| other.name == *name) {
            bail!(
                "two proxies are called `{name}`, {} and {mapping}, one of them after its place: \
                 give one another name",
                other.mapping
            );
        }
    }
    Ok(named)
}

/// Whether a mapping may have it before the `://` of its upstream.
fn is_scheme(name: &str) -> bool {
    format!("1={name}://host:1").parse::<Mapping>().is_ok()
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

/// Whether it makes sense to run without any proxy.
fn is_api_alone(options: &Options) -> bool {
    matches!(options.control, Some(Endpoint::At(_))) || options.toxiproxy_config.is_some()
}

fn control(config: &Config) -> Result<Option<Control>> {
    let asked = config.options.control.clone();
    let is_default = asked.is_none();
    let usual = || Endpoint::At(ListenAddr::new(Ipv4Addr::LOCALHOST.to_string(), CONTROL_PORT));
    let Some(addr) = asked.unwrap_or_else(usual).addr() else { return Ok(None) };
    let is_insecure = config.options.control_insecure.unwrap_or_default();
    let token = config.control_token.clone();
    if token.as_ref().is_some_and(|token| token.expose().trim().is_empty()) {
        bail!(
            "--control-token is empty: the control API would reject every request; set a token, or remove the flag"
        );
    }
    Ok(Some(Control { addr, is_default, token, is_insecure }))
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
