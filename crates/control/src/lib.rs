#![doc = include_str!("../README.md")]
//!
//! - [`serve_control`] serves everything to clients that [`Access`] accepts; [`serve()`] and [`serve_metrics`] serve health and metrics only.
//! - [`proxies::Proxies`] is the registry of proxies: created, changed and deleted by the API and by the program, which starts and
//!   stops them as their [`ProxyLauncher`](proxies::ProxyLauncher).
//! - [`record`] converts a fault of flags and files into the form of the API; [`specs`] parses a file with a body of the API.
//! - [`Health`] is the readiness of the proxy, [`Metrics`] are its metrics, and [`SessionMetrics`] observes its sessions.
//!
//! `docs/control-api.md` and `GET /openapi.json` describe the API. All servers have these routes, except that [`serve_metrics`] does
//! not have `/health`:
//!
//! | request | response |
//! |---|---|
//! | `GET /livez`, `GET /health` | 200 `ok`, as long as the process runs |
//! | `GET /readyz` | 200 `ok`, or 503 with the reason: that of [`Health`], or `draining` |
//! | `GET /metrics` | 200, the metrics in the OpenMetrics text format |
//! | another method | 405 |
//! | another path | 404 |

mod access;
mod api;
mod health;
mod metrics;
mod page;
pub mod proxies;
mod routes;
mod serve;
mod toxic;
mod watch;

pub use access::Access;
pub use api::specs;
pub use health::Health;
pub use metrics::Metrics;
pub use serve::{serve, serve_control, serve_metrics};
pub use toxic::{attribute_names, changed_attributes, record, with_rate_unit};
pub use watch::SessionMetrics;
