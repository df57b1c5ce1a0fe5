//! `/events`: the state of the proxies as a stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use super::response::ApiError;
use crate::proxies::Proxies;

const INTERVAL: Duration = Duration::from_secs(1);

/// Maximum number of clients of `/events`. It is lower than the number of connections, so that other requests still get one.
const CLIENTS: usize = 64;

/// The proxies, and a semaphore that limits the number of clients.
#[derive(Clone)]
pub(super) struct Events(Proxies, Arc<Semaphore>);

impl Events {
    pub(super) fn new(proxies: Proxies) -> Self {
        Self(proxies, Arc::new(Semaphore::new(CLIENTS)))
    }
}

/// Streams the state of all proxies: immediately, and then every second.
pub(super) async fn events(
    State(Events(proxies, room)): State<Events>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let place = room.try_acquire_owned().map_err(|_| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, format!("{CLIENTS} clients listen to events already"))
    })?;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(Sse::new(unfold((proxies, place, ticks), async |(proxies, place, mut ticks)| {
        ticks.tick().await;
        let state = serde_json::to_string(&proxies.state()).expect("a state is JSON");
        Some((Ok(Event::default().data(state)), (proxies, place, ticks)))
    })))
}
