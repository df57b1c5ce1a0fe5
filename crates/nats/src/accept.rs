//! The server's end: a listener whose downstreams say where they want to go.

use std::fmt;
use std::io;
use std::sync::Arc;

use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use proxy_relay::{Accepted, ConnectError, Connected, Connecting, Connector, Listener, Peer};
use tokio::sync::Mutex;
use tracing::{debug, warn};

use crate::id::SessionId;
use crate::opening::{self, Agreed, Encoding, Refusal, Target};
use crate::session::FIRST_WINDOW;
use crate::shared::Shared;
use crate::subject::{self, ServiceName};
use crate::tunnels::{Role, Tunnels};

/// Takes the requests of clients. Each brings a connector that asks [`Dial`] for its target and then answers.
///
/// Dropping it leaves the requests to other servers; what has come by then is refused, for its clients to ask again.
pub struct NatsAccept {
    tunnels: Tunnels,
    dial: Arc<dyn Dial>,
    requests: Mutex<Option<SelectAll<Subscriber>>>,
}
