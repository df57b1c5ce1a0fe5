//! `/events`: what goes on, as it goes on.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::time::{MissedTickBehavior, interval};

use crate::proxies::Proxies;

const INTERVAL: Duration = Duration::from_secs(1);

/// The state of all proxies every second, the first at once.
pub(super) async fn events(
    State(proxies): State<Proxies>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Sse::new(unfold((proxies, ticks), async |(proxies, mut ticks)| {
        ticks.tick().await;
        let state = serde_json::to_string(&proxies.state()).expect("a state is JSON");
        Some((Ok(Event::default().data(state)), (proxies, ticks)))
    }))
}
