//! Extractors of requests, with error responses of the API.

use std::sync::Arc;
use std::time::Duration;

use axum::body;
use axum::extract::{ConnectInfo, Extension, FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::response::ApiError;
use crate::proxies::{Client, Proxies};

/// Time limit to receive a body.
const LIMIT: Duration = Duration::from_secs(15);

const MAX_BODY_BYTES: usize = 2 << 20;

/// Maximum size of a body that does not count towards the [`Budget`], so that large bodies do not block
/// ordinary requests.
const FREE_BODY_BYTES: usize = 64 << 10;

/// Maximum total size of all large bodies that are being read, in bytes.
const MAX_TOTAL_BYTES: usize = 16 << 20;

/// Memory for the large bodies of all requests. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(MAX_TOTAL_BYTES)
    }
}

/// The complete body of a request.
#[derive(Debug)]
pub(super) struct Body(pub(super) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Extension(budget) = Extension::<Budget>::from_request_parts(&mut parts, state)
            .await
            .map_err(|refused| ApiError::new(refused.status(), refused.body_text()))?;
        match timeout(LIMIT, read(body, &budget)).await {
            Ok(body) => body.map(Self),
            Err(_) => Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body of the request did not arrive in time",
            )),
        }
    }
}

/// The registry of proxies, with changes attributed to the client that sent the request.
#[derive(Debug)]
pub(super) struct Acting(pub(super) Proxies);

impl FromRequestParts<Proxies> for Acting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, proxies: &Proxies) -> Result<Self, ApiError> {
        let user_agent = parts.headers.get(header::USER_AGENT);
        let user_agent = user_agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
        let ConnectInfo(addr) = ConnectInfo::from_request_parts(parts, proxies)
            .await
            .map_err(|refused| ApiError::new(refused.status(), refused.body_text()))?;
        Ok(Self(proxies.on_behalf_of(Client::new(addr, user_agent))))
    }
}

/// Reads a body. It copies each part, because a part of one byte would keep a whole read buffer in memory.
async fn read(body: body::Body, Budget(budget): &Budget) -> Result<Vec<u8>, ApiError> {
    let mut parts = body.into_data_stream();
    let mut whole = Vec::new();
    let mut held = None::<SemaphorePermit<'_>>;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| {
            ApiError::new(StatusCode::BAD_REQUEST, format!("cannot read the request's body: {error}"))
        })?;
        if whole.len() + part.len() > MAX_BODY_BYTES {
            let problem =
                format!("the request's body is longer than the length limit of {MAX_BODY_BYTES} bytes");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, problem));
        }
        let large = |length: usize| length.saturating_sub(FREE_BODY_BYTES);
        let more = large(whole.len() + part.len()) - large(whole.len());
        let permit = u32::try_from(more).ok().and_then(|more| budget.try_acquire_many(more).ok());
        let permit = permit.ok_or_else(|| {
            let problem = "other requests have too many large bodies: try again later";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, problem)
        })?;
        match &mut held {
            Some(held) => held.merge(permit),
            None => held = Some(permit),
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole)
}

/// Names in the path of a request.
#[derive(Debug)]
pub(super) struct Names<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Names<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(names)| Self(names))
            .map_err(|refused| ApiError::new(refused.status(), refused.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Bytes;
    use futures_util::{FutureExt, stream};

    use super::*;

    /// Returns a body in parts that are already available, with or without an end.
    fn body(bytes: usize, has_end: bool) -> body::Body {
        let parts = vec![0; bytes].chunks(1000).map(Bytes::copy_from_slice).map(Ok).collect::<Vec<_>>();
        let parts = stream::iter(parts.into_iter().map(|part: Result<_, Infallible>| part));
        if has_end {
            body::Body::from_stream(parts)
        } else {
            body::Body::from_stream(parts.chain(stream::pending()))
        }
    }

    #[test]
    fn large_bodies_share_a_budget_and_small_ones_need_none() {
        const LARGE: usize = FREE_BODY_BYTES + 6000;
        let budget = Budget::new(10_000);
        let read_now = |bytes| {
            let whole = read(body(bytes, true), &budget).now_or_never().expect("it is all there");
            whole.map(|whole| whole.len())
        };
        {
            let mut slow = Box::pin(read(body(LARGE, false), &budget));
            assert!(slow.as_mut().now_or_never().is_none());
            let refused = read_now(LARGE).expect_err("6,000 of 10,000 bytes are taken");
            assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(read_now(FREE_BODY_BYTES).expect("it is small"), FREE_BODY_BYTES);
            assert!(read_now(FREE_BODY_BYTES + 4000).is_ok(), "what the refused one had taken is free again");
        }
        assert_eq!(read_now(LARGE).expect("the budget is free"), LARGE);
        assert_eq!(budget.0.available_permits(), 10_000);
    }
}
