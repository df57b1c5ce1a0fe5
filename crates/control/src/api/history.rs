//! `/history` and `/proxies/{proxy}/history`.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
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
    uri: Uri,
) -> Result<Response, ApiError> {
    let interval = INTERVAL.as_millis();
    let since = since(uri.query().unwrap_or_default())?;
    let mut samples = proxies.samples(&name)?;
    samples.retain(|sample| since.is_none_or(|since| sample.at_ms > since));
    Ok(json_response(StatusCode::OK, &json!({"interval_ms": interval, "name": name, "samples": samples})))
}

/// Returns the parameter `since` of a query.
fn since(query: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = query.split('&').find_map(|pair| pair.strip_prefix("since=")) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        let problem =
            format!("invalid since {text:?}: expected the at_ms of a sample, for example since=12000");
        ApiError::new(StatusCode::BAD_REQUEST, problem)
    })
}
