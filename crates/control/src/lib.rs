//! Health and metrics of a running proxy over HTTP.
//!
//! - [`serve()`] answers on a listener; [`Health`] says whether the proxy can take clients.
//! - [`Metrics`] is what a scrape shows; [`Watch`] sees what sessions do.
//!
//! | request | answer |
//! |---|---|
//! | `GET /livez`, `GET /health` | 200 `ok`, as long as the process runs |
//! | `GET /readyz` | 200 `ok`, or 503 with the reason: what [`Health`] says, or `draining` |
//! | `GET /metrics` | 200, the metrics in the OpenMetrics text format |
//! | another method | 405 |
//! | another path | 404 |
//!
//! ```
//! use proxy_control::{Health, Metrics, Watch};
//! use proxy_relay::{Config, Relay, Shutdown};
//! use tokio::net::TcpListener;
//!
//! async fn with_metrics(listener: TcpListener, shutdown: Shutdown) {
//!     let watch = Watch::default();
//!     let relay = watch.on(&Relay::new(Config::default()));
//!     let mut metrics = Metrics::new("my-proxy", env!("CARGO_PKG_VERSION"));
//!     metrics.watch(&watch);
//!     // ... and run `relay` beside this:
//!     proxy_control::serve(listener, Health::new(|| Ok(())), metrics, shutdown).await;
//! }
//! ```

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
pub use serve::{serve, serve_control};
pub use toxic::record;
pub use watch::{Counts, Watch};
