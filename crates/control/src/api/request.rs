//! What handlers take of a request: refused as the API refuses, where it cannot be read.

use std::time::Duration;

use axum::body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer::Refused;

/// How long a body may take to come.
const LIMIT: Duration = Duration::from_secs(15);

const MAX_BODY_BYTES: usize = 2 << 20;

/// The whole of its body.
#[derive(Debug)]
pub(super) struct Body(pub(super) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        match timeout(LIMIT, read(request.into_body())).await {
            Ok(body) => body.map(Self),
            Err(_) => Err(Refused::new(StatusCode::REQUEST_TIMEOUT, "the body of the request does not come")),
        }
    }
}

/// Copies each part, because a part of one byte keeps a whole read buffer in memory.
async fn read(body: body::Body) -> Result<Vec<u8>, Refused> {
    let mut parts = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| {
            Refused::new(StatusCode::BAD_REQUEST, format!("cannot read the request's body: {error}"))
        })?;
        if whole.len() + part.len() > MAX_BODY_BYTES {
            let problem =
                format!("the request's body is longer than the length limit of {MAX_BODY_BYTES} bytes");
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, problem));
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole)
}

/// The names in its path.
#[derive(Debug)]
pub(super) struct Names<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Names<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(names)| Self(names))
            .map_err(|refused| Refused::new(refused.status(), refused.body_text()))
    }
}
