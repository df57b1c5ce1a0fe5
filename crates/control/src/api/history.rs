//! `/history` and `/proxies/{proxy}/history`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::request::Names;
use super::response::{ApiError, json_response};
use crate::proxies::{INTERVAL, Proxies};

/// Number of samples of each proxy in the response for all proxies.
const LATEST: usize = 60;

pub(super) async fn all(State(proxies): State<Proxies>) -> Response {
    let interval = INTERVAL.as_millis();
    json_response(
        StatusCode::OK,
        &json!({"interval_ms": interval, "proxies": proxies.latest_samples(LATEST)}),
    )
}

pub(super) async fn one(
    State(proxies): State<Proxies>,
    Names(name): Names<String>,
) -> Result<Response, ApiError> {
    let interval = INTERVAL.as_millis();
    let samples = proxies.samples(&name)?;
    Ok(json_response(StatusCode::OK, &json!({"interval_ms": interval, "name": name, "samples": samples})))
}
