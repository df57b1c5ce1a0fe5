//! Checks of all requests to the API.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::response::ApiError;

/// Time limit of a response. A change that takes longer continues.
const LIMIT: Duration = Duration::from_secs(25);

/// Header of requests of the page. Other pages cannot send it, because a browser first requests permission
/// from the server, which does not grant it.
const OF_PAGE: &str = "x-fault-proxy-page";

const REQUEST_ID: &str = "x-toxiproxy-request-id";

pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = if is_foreign_browser(request.headers()) {
        ApiError::new(StatusCode::FORBIDDEN, "User agent not allowed").into_response()
    } else {
        match timeout(LIMIT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the change takes longer than 25 s; it continues",
            )
            .into_response(),
        }
    };
    response.headers_mut().insert(REQUEST_ID, request_id());
    response
}

/// Refuses `HEAD`, as Toxiproxy does: axum accepts it for every path with `GET`. Runs outside the router, which adds `Allow`
/// to its responses.
pub(super) async fn without_head(mut request: Request, next: Next) -> Response {
    if request.method() == Method::HEAD {
        // Use a method that no path has, so that the response lists the methods of the path.
        *request.method_mut() = Method::TRACE;
    }
    let mut response = next.run(request).await;
    let allowed = response.headers().get(header::ALLOW).and_then(|allowed| allowed.to_str().ok());
    if let Some(allowed) = allowed {
        let allowed: Vec<_> = allowed.split(',').filter(|method| *method != "HEAD").collect();
        if let Ok(allowed) = HeaderValue::try_from(allowed.join(",")) {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
    }
    response
}

fn is_foreign_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.is_some_and(|agent| agent.starts_with("Mozilla/")) && !headers.contains_key(OF_PAGE)
}

fn request_id() -> HeaderValue {
    static LAST: AtomicU64 = AtomicU64::new(0);
    HeaderValue::from(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}
