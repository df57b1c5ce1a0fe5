//! One request, which is repeated until a server answers it.

use std::future::pending;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use crate::handshake::{self, Negotiated, Offer, Reply, Terms};
use crate::id::{InstanceId, RequestId, SessionId};
use crate::message;
use crate::session::frame::{Codec, Flags, Header};
use crate::subject;
use crate::tunnels::Tunnels;

/// Time without a message after which the request is sent again.
const REPEAT_INTERVAL: Duration = Duration::from_secs(1);
/// Number of repetitions without an answer after which the client stops waiting for the server that has received the
/// request.
const MAX_SILENT: u32 = 3;
/// Time to wait for any message after NATS has refused a subscription, which may have been the one for the replies.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(2);
/// Time in which the client refuses sessions that further servers open for a request that was sent more than once.
/// Servers of older versions dial for 10 s.
const LATE_REPLY_TIMEOUT: Duration = Duration::from_secs(10);
const NOT_WANTED: &str = "another server has answered before";

/// Reason why there is no usable reply.
pub(super) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Sends a request until a server has decided. Returns `None` if no server listens.
///
/// # Cancel safety
/// Dropping the future gives up the request. NATS reports to a server that answers later that the client does not
/// listen.
pub(super) async fn attempt(
    tunnels: &Tunnels,
    target: &handshake::Target,
    refused_by: &[InstanceId],
    until: Instant,
) -> Result<Option<Reply>, Failed> {
    let client = tunnels.inner.link.client();
    let inbox = client.new_inbox();
    let limit_hits = tunnels.inner.link.permissions().limit_hits();
    let subscriber = client.subscribe(inbox.clone()).await?;
    let mut replies = Replies {
        tunnels: tunnels.clone(),
        subscriber: Some(subscriber),
        limit_hits: Some(limit_hits),
        give_up_at: None,
        sent: 0,
        taken: None,
    };
    let id: RequestId = tunnels.new_id();
    // The server that has reported the request as received, and how often it was asked since.
    let mut holder: Option<(InstanceId, u32)> = None;
    loop {
        let subject = match &holder {
            Some((server, _)) => subject::to_server(&server.to_string()),
            None => target.subject(),
        };
        let wait = until.saturating_duration_since(Instant::now());
        let notices = tunnels.inner.notices.get().map(String::as_str);
        let offer = Offer { encodings: tunnels.inner.config.encodings.clone(), sender: tunnels.end_info() };
        let terms = Terms { offer: &offer, id: &id, wait, refused_by, notices };
        let longest = tunnels.inner.link.max_message();
        let (mut headers, mut body) = handshake::request(target, &terms);
        if message_length(&headers, &body) > longest {
            (headers, body) = handshake::request(target, &Terms { notices: None, ..terms });
        }
        let length = message_length(&headers, &body);
        if length > longest {
            return Err(format!("the request has {length} bytes, and NATS accepts at most {longest}").into());
        }
        client.publish_with_reply_and_headers(subject, inbox.clone(), headers, body).await?;
        replies.sent += 1;
        let repeat_at = Instant::now() + REPEAT_INTERVAL;
        loop {
            let message = match timeout_at(repeat_at, replies.next()).await {
                Ok(message) => message?,
                // A server of an older version would dial again for a repeated request.
                Err(_) if tunnels.inner.has_old_servers.load(Ordering::Relaxed) => replies.next().await?,
                Err(_) => break,
            };
            if message.status == Some(StatusCode::NO_RESPONDERS) {
                if holder.take().is_some() {
                    break;
                }
                return Ok(None);
            }
            let reply = Reply::parse(&message.payload)?;
            tunnels.inner.has_old_servers.store(reply.server().is_none(), Ordering::Relaxed);
            match reply {
                Reply::Pending { server } => holder = Some((server, 0)),
                Reply::Opened { ref id, .. } => {
                    replies.taken = Some(id.clone());
                    return Ok(Some(reply));
                }
                Reply::Refused { .. } => return Ok(Some(reply)),
            }
        }
        holder =
            holder.filter(|(_, silent)| *silent < MAX_SILENT).map(|(server, silent)| (server, silent + 1));
    }
}

/// Returns the size of a message as NATS counts it, in bytes.
fn message_length(headers: &HeaderMap, body: &Bytes) -> usize {
    let values = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let lines = values.map(|(name, value)| format!("{name}: {value}\r\n").len());
    "NATS/1.0\r\n\r\n".len() + lines.sum::<usize>() + body.len()
}

/// The replies of servers to one request.
#[derive(Debug)]
struct Replies {
    tunnels: Tunnels,
    /// `None` once the subscriber was dropped.
    subscriber: Option<Subscriber>,
    /// Count of subscriptions that NATS has refused. `None` once the subscription is known to exist.
    limit_hits: Option<watch::Receiver<u64>>,
    /// Time at which a subscription that may have been refused is considered refused.
    give_up_at: Option<Instant>,
    /// Number of times that the request was sent.
    sent: usize,
    taken: Option<SessionId>,
}

impl Replies {
    async fn next(&mut self) -> Result<Message, Failed> {
        let Self { subscriber, limit_hits, give_up_at, .. } = self;
        let message = select! {
            message = async { subscriber.as_mut()?.next().await } => message,
            () = refused(limit_hits.as_mut(), give_up_at) => {
                return Err("NATS refused the subscription for replies: maximum subscriptions exceeded".into());
            }
        };
        self.limit_hits = None;
        Ok(message.ok_or("the NATS connection has ended")?)
    }
}

/// Waits until NATS has refused a subscription and no message has arrived for [`REFUSED_TIMEOUT`].
///
/// # Cancel safety
/// Can be called again.
async fn refused(limit_hits: Option<&mut watch::Receiver<u64>>, give_up_at: &mut Option<Instant>) {
    let Some(limit_hits) = limit_hits else { return pending().await };
    let at = match *give_up_at {
        Some(at) => at,
        None if limit_hits.changed().await.is_ok() => *give_up_at.insert(Instant::now() + REFUSED_TIMEOUT),
        None => return pending().await,
    };
    sleep_until(at).await;
}

impl Drop for Replies {
    /// Refuses further sessions in the background, because several servers may open one for a repeated request.
    fn drop(&mut self) {
        let Some(mut subscriber) = self.subscriber.take().filter(|_| self.sent > 1) else { return };
        let (tunnels, taken) = (self.tunnels.clone(), self.taken.take());
        let until = Instant::now() + LATE_REPLY_TIMEOUT;
        self.tunnels.inner.tasks.spawn(async move {
            while let Ok(Some(message)) = timeout_at(until, subscriber.next()).await {
                if let Ok(Reply::Opened { id, agreed }) = Reply::parse(&message.payload)
                    && taken.as_ref() != Some(&id)
                {
                    refuse(&tunnels, &id, agreed).await;
                }
            }
        });
    }
}

/// Ends a session that the client does not want.
async fn refuse(tunnels: &Tunnels, id: &SessionId, agreed: Option<Negotiated>) {
    let message = match agreed {
        Some(Negotiated { encoding, .. }) => {
            let mut header = Header::default();
            header.flags.set(Flags::RST, true);
            Codec { encoding, id: id.as_str().into() }.encode(&header, NOT_WANTED.as_bytes())
        }
        None => message::close(id.as_str()),
    };
    let subject = subject::to_server(id.as_str());
    if let Err(error) = tunnels.inner.link.client().publish(subject, message).await {
        debug!(%error, "cannot end a session that is not wanted");
    }
}
