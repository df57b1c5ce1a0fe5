//! Which request gets which answer.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use proxy_relay::Shutdown;
use tokio::select;

use crate::health::Health;
use crate::metrics::Metrics;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) fn routes(health: Health, metrics: Metrics, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/readyz", get(readyz))
        .with_state((health, shutdown))
        .route("/metrics", get(scrape))
        .with_state(Arc::new(metrics))
        .route("/livez", get("ok\n"))
        .route("/health", get("ok\n"))
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

async fn scrape(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, OPENMETRICS)], metrics.to_openmetrics())
}
