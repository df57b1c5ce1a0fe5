//! Routes of the HTTP server.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use fault_proxy_relay::Shutdown;
use tokio::select;

use crate::health::Health;
use crate::metrics::Metrics;

const OK: &str = "ok\n";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns the routes that all servers have.
pub(crate) fn routes(health: Health, metrics: Metrics, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/readyz", get(readyz))
        .with_state((health, shutdown))
        .route("/metrics", get(scrape))
        .with_state(Arc::new(metrics))
        .route("/livez", get(OK))
}

/// Returns the route of health checks that expect the paths of other programs.
pub(crate) fn health() -> Router {
    Router::new().route("/health", get(OK))
}

async fn readyz(State((health, shutdown)): State<(Health, Shutdown)>) -> (StatusCode, String) {
    let draining = select! {
        biased;
        () = shutdown.draining() => true,
        () = ready(()) => false,
    };
    let readiness = if draining { Err("draining".to_owned()) } else { health.readiness() };
    match readiness {
        Ok(()) => (StatusCode::OK, format!("{}\n", health.notice().as_deref().unwrap_or("ok"))),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn scrape(State(metrics): State<Arc<Metrics>>, headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    if accepted.is_some_and(prefers_text) {
        ([(header::CONTENT_TYPE, TEXT)], metrics.to_text())
    } else {
        ([(header::CONTENT_TYPE, OPENMETRICS)], metrics.to_openmetrics())
    }
}

/// Returns true if the client accepts Prometheus's older text format and does not prefer OpenMetrics.
fn prefers_text(accepted: &str) -> bool {
    let quality = |wanted: &str| {
        let mut ranges = accepted.split(',').map(|range| range.split(';').map(str::trim));
        ranges.find_map(|mut range| {
            let is_wanted = range.next().is_some_and(|range| range.eq_ignore_ascii_case(wanted));
            let given = |mut range: std::iter::Map<_, _>| {
                range.find_map(|part: &str| part.strip_prefix("q=")?.parse().ok())
            };
            is_wanted.then(|| given(range).unwrap_or(1.0))
        })
    };
    match (quality("text/plain"), quality("application/openmetrics-text")) {
        (Some(text), openmetrics) => text > openmetrics.unwrap_or(0.0),
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_the_client_prefers() {
        for (accepted, is_text) in [
            ("text/plain;version=0.0.4", true),
            ("text/plain; version=0.0.4; q=0.2, */*;q=0.1", true),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.8", true),
            ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", false),
            ("application/openmetrics-text", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(prefers_text(accepted), is_text, "{accepted}");
        }
    }
}
