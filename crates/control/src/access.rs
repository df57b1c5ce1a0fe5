//! Access control of the control API.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::api::ApiError;
use crate::page;

/// Paths that do not require a token. Neither does the page, which asks the user for the token.
const HEALTH: [&str; 3] = ["/livez", "/readyz", "/health"];

/// Access control of the control API on one address.
///
/// A web page can send requests to loopback addresses, and its author controls their host name (DNS
/// rebinding). A request from a browser that changes something must therefore come from a page of this
/// server. On loopback without a token, the host of a request must be this machine.
#[derive(Clone)]
pub struct Access {
    token: Option<Arc<str>>,
    requires_local_name: bool,
}

impl Access {
    /// Creates the access control of a server on `addr`, with the token if one is set.
    pub fn new(addr: SocketAddr, token: Option<&str>) -> Self {
        let requires_local_name = token.is_none() && addr.ip().is_loopback();
        Self { token: token.map(Arc::from), requires_local_name }
    }

    /// Returns the error response if the request is not allowed.
    fn refusal(&self, request: &Request) -> Option<Response> {
        let (headers, path) = (request.headers(), request.uri().path());
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if self.requires_local_name && !is_this_machine(host) {
            let way_out = "use its address, or --control-token";
            return Some(forbidden(&format!("the host `{host}` is not this machine: {way_out}")));
        }
        let is_change = !matches!(*request.method(), Method::GET | Method::HEAD);
        if is_change && let Some(origin) = headers.get(header::ORIGIN) {
            // The scheme is https if another server terminates TLS.
            let of_this =
                |origin: &str| ["http", "https"].iter().any(|scheme| origin == format!("{scheme}://{host}"));
            let is_same = origin.to_str().is_ok_and(of_this);
            if !is_same {
                return Some(forbidden(&format!("pages of {origin:?} must not change proxies or faults")));
            }
        }
        let token = self.token.as_ref()?;
        let is_open = HEALTH.contains(&path) || page::FILES.iter().any(|(of_page, ..)| *of_page == path);
        if is_open || has_token(headers, token) {
            return None;
        }
        let needed = "a bearer token is required: Authorization: Bearer TOKEN";
        let refused = ApiError::new(StatusCode::UNAUTHORIZED, needed);
        Some(([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("has_token", &self.token.is_some())
            .field("requires_local_name", &self.requires_local_name)
            .finish()
    }
}

pub(crate) async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.refusal(&request) {
        None => next.run(request).await,
        Some(refused) => refused,
    }
}

fn forbidden(text: &str) -> Response {
    ApiError::new(StatusCode::FORBIDDEN, text).into_response()
}

fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    given.is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case("Bearer") && given.trim().as_bytes().ct_eq(token.as_bytes()).into()
    })
}

/// Returns true if the host of a request is an address, or a name of this machine that name servers do not
/// resolve.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let name = name.trim_end_matches('.');
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_others_answer_for_are_not_this_machine() {
        for host in [
            "127.0.0.1:8474",
            "127.0.0.1",
            "[::1]:8474",
            "[::1]",
            "localhost:8474",
            "LOCALHOST",
            "a.localhost:1",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in
            ["evil.example:8474", "evil.example", "", "localhost.evil.example", "127.0.0.1.evil.example:1"]
        {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let access = Access::new(([0, 0, 0, 0], 8474).into(), Some("s3cr3t"));
        assert!(!format!("{access:?}").contains("s3cr3t"));
    }
}
