//! The HTTP API: proxies and their faults.

mod address;
mod events;
mod guard;
mod history;
mod openapi;
mod proxies;
mod request;
mod response;
mod toxics;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use self::events::Events;
pub use self::proxies::specs;
use self::request::Budget;
pub(crate) use self::response::ApiError;
use self::response::json_response;
use crate::proxies::Proxies;
use crate::toxic;

/// Returns the routes of `/proxies`, `/populate`, `/reset`, `/version`, `/fault-types`, `/changes`, `/history`, `/events` and `/openapi.json`, and the fallback
/// for unknown paths.
pub(crate) fn routes(proxies: Proxies) -> Router {
    let one = get(proxies::get).post(proxies::update).patch(proxies::update).delete(proxies::delete);
    let toxic = get(toxics::get).post(toxics::update).patch(toxics::update).delete(toxics::delete);
    let router = Router::new()
        .route("/proxies", get(proxies::all).post(proxies::create))
        .route("/proxies/{proxy}", one)
        .route("/proxies/{proxy}/history", get(history::one))
        .route("/proxies/{proxy}/requests", get(proxies::requests))
        .route("/proxies/{proxy}/toxics", get(toxics::all).post(toxics::add))
        .route("/proxies/{proxy}/toxics/{toxic}", toxic)
        .route("/reset", post(proxies::reset))
        .route("/populate", post(proxies::populate))
        .route("/version", get(version))
        .route("/fault-types", get(fault_types))
        .route("/changes", get(changes))
        .route("/history", get(history::all))
        .route("/events", get(events::events).with_state(Events::new(proxies.clone())))
        .route("/openapi.json", get(openapi::get))
        .route_layer(Extension(Budget::default()))
        .route_layer(from_fn(guard::guard))
        .method_not_allowed_fallback(no_method)
        .fallback(no_path)
        .with_state(proxies);
    Router::new().fallback_service(router).layer(from_fn(guard::without_head))
}

async fn no_method() -> ApiError {
    ApiError::method()
}

/// Response to unknown paths.
async fn no_path() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no such path; /openapi.json lists those of the API")
}

async fn version(State(proxies): State<Proxies>) -> Response {
    json_response(StatusCode::OK, &json!({"version": proxies.version()}))
}

async fn changes(State(proxies): State<Proxies>) -> Response {
    json_response(StatusCode::OK, &json!(proxies.changes()))
}

async fn fault_types() -> Response {
    json_response(StatusCode::OK, &toxic::types())
}
