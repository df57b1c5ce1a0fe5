//! Responses of the API.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::proxies::ChangeError;
use crate::toxic::ToxicError;

/// Returns a response with JSON and a line end.
pub(super) fn json_response(status: StatusCode, body: &Value) -> Response {
    let body = Body::from(format!("{body}\n"));
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Error response: `{"error": …, "status": …}`.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// Returns the error for a method that the path does not support.
    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; /openapi.json lists the methods")
    }

    /// Returns the error for an invalid body.
    pub(super) fn body(problem: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("bad request body: {problem}"))
    }

    pub(super) fn json(&self) -> Value {
        json!({"error": self.text, "status": self.status.as_u16()})
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        json_response(self.status, &self.json())
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        let status = match error {
            ChangeError::NoSuchProxy => StatusCode::NOT_FOUND,
            ChangeError::ProxyExists | ChangeError::ChangedByClient => StatusCode::CONFLICT,
            ChangeError::Invalid(_) => StatusCode::BAD_REQUEST,
            ChangeError::Start(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ToxicError> for ApiError {
    fn from(error: ToxicError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}
