//! Traces over OTLP: a span for each session, with its events and the decisions of its faults.
//!
//! The variables are those of the [OpenTelemetry specification][variables]. The protocol is HTTP with protobuf.
//!
//! [variables]: https://opentelemetry.io/docs/specs/otel/protocol/exporter/

use std::env;
use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Time limit to export the last spans at the end of the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Variables with the endpoint. Without them, nothing is exported.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"];

/// Exporter of traces. Dropping it exports the last spans.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Returns the exporter, or `None` if the environment does not ask for one.
    ///
    /// # Errors
    /// Returns an error if a variable of OpenTelemetry is invalid.
    pub(super) fn from_env() -> Result<Option<Self>> {
        let set = |name: &&str| env::var(name).is_ok_and(|value| !value.trim().is_empty());
        let is_disabled = env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        let Some(endpoint) = ENDPOINTS.iter().rev().find(|name| set(name)).filter(|_| !is_disabled) else {
            return Ok(None);
        };
        for name in PROTOCOLS.iter().filter(|name| set(name)) {
            let protocol = env::var(name).unwrap_or_default();
            if protocol != "http/protobuf" {
                bail!("{name}={protocol}: expected http/protobuf, the only protocol of this program");
            }
        }
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let exporter = exporter.with_http_client(Client::new()).build();
        let exporter = exporter.with_context(|| format!("cannot export traces to the {endpoint}"))?;
        let mut resource = Resource::builder();
        if !set(&"OTEL_SERVICE_NAME") {
            let program = env::current_exe().ok();
            let name = program.as_deref().and_then(|program| program.file_stem()?.to_str());
            resource = resource.with_service_name(name.unwrap_or("fault-proxy").to_owned());
        }
        let provider = SdkTracerProvider::builder().with_resource(resource.build());
        Ok(Some(Self(provider.with_batch_exporter(exporter).build())))
    }

    /// Returns the layer that collects spans.
    pub(super) fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(&self) -> impl Layer<S> {
        // The exporter must not trace itself.
        let exporter = ["opentelemetry", "opentelemetry_sdk", "opentelemetry-otlp", "opentelemetry-http"];
        let off = exporter.into_iter().chain(["async_nats", "ureq"]).map(|target| (target, LevelFilter::OFF));
        let layer = tracing_opentelemetry::layer().with_tracer(self.0.tracer(env!("CARGO_PKG_NAME")));
        let layer = layer.with_location(false).with_threads(false).with_target(false);
        layer.with_filter(Targets::new().with_default(LevelFilter::INFO).with_targets(off))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // The exporter logs its errors.
        self.0.shutdown_with_timeout(SHUTDOWN_TIMEOUT).ok();
    }
}

/// Sends requests with blocking calls. The exporter has its own thread.
#[derive(Debug)]
struct Client(Agent);

impl Client {
    fn new() -> Self {
        let roots = rustls_native_certs::load_native_certs().certs;
        let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned());
        let tls = TlsConfig::builder().root_certs(RootCerts::from(roots.collect::<Vec<_>>())).build();
        let config = Agent::config_builder().tls_config(tls).http_status_as_error(false);
        Self(config.timeout_global(Some(Duration::from_secs(10))).build().new_agent())
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let response = self.0.run(Request::from_parts(head, body.to_vec()))?;
        let (head, body) = response.into_parts();
        let mut bytes = Vec::new();
        body.into_reader().read_to_end(&mut bytes)?;
        Ok(Response::from_parts(head, bytes.into()))
    }
}
