//! The plain clients.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_nats::{Client, Subscriber};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::super::super::load::{PATIENCE, PING_BYTES, single_thread};
use super::super::super::report::percentile;
use super::super::streams::MIB;
use super::{FIGURES, Load, READY, Role};

const DATA: &str = "bench.data";
/// Subject of the subscriber's reports.
const RECEIVED: &str = "bench.received";
const ECHO: &str = "bench.echo";

/// Maximum number of bytes that the publisher may be ahead of its subscriber, as in a session of the tunnel.
const WINDOW: u64 = 4 << 20;
/// Interval in bytes at which the subscriber reports what it has received.
const REPORT_EVERY: u64 = WINDOW / 4;

/// A message of the tunnel's JSON encoding.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message<'a> {
    #[serde(rename = "ID", borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    reply: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    metadata: Option<()>,
}

/// Runs `role` to its end. Like the tunnel, it uses one thread unless the role requests more: all roles are slower with two.
///
/// # Errors
/// Returns an error if the server at `url` cannot be used, or a response does not arrive.
pub(crate) fn play(url: &str, role: &Role) -> Result<()> {
    let threads = matches!(role, Role::Request { threads: true, .. } | Role::Reply { threads: true });
    let runtime = if threads { tokio::runtime::Runtime::new()? } else { single_thread()? };
    runtime.block_on(async {
        let client = async_nats::connect(url).await.context("cannot connect to NATS")?;
        match role {
            Role::Publish(load) => publish(&client, load).await,
            Role::Subscribe(load) => subscribe(&client, load).await,
            Role::Request { warm_up, count, .. } => request(&client, *warm_up, *count).await,
            Role::Reply { .. } => reply(&client).await,
        }
    })
}

async fn publish(client: &Client, load: &Load) -> Result<()> {
    let mut reports = client.subscribe(RECEIVED).await?;
    client.flush().await?;
    let data = Bytes::from(vec![0x5a; load.chunk]);
    let (mut sent, mut received) = (0, 0);
    let begin = Instant::now();
    while sent < load.bytes {
        while sent + load.chunk as u64 > received + WINDOW {
            received = next_report(&mut reports).await?;
        }
        let message = if load.json { in_json(&data)? } else { data.clone() };
        client.publish(DATA, message).await?;
        sent += load.chunk as u64;
    }
    while received < sent {
        received = next_report(&mut reports).await?;
    }
    println!("{FIGURES} {}", sent as f64 / MIB / begin.elapsed().as_secs_f64());
    Ok(())
}

async fn next_report(reports: &mut Subscriber) -> Result<u64> {
    let report = tokio::time::timeout(PATIENCE, reports.next()).await.context("no answer in time")?;
    let report = report.context("the subscription ended")?.payload;
    Ok(u64::from_be_bytes(report[..].try_into().context("a report is eight bytes")?))
}

async fn subscribe(client: &Client, load: &Load) -> Result<()> {
    let mut messages = client.subscribe(DATA).await?;
    client.flush().await?;
    println!("{READY}");
    let (mut received, mut reported) = (0, 0);
    while received < load.bytes {
        let message = messages.next().await.context("the subscription ended")?;
        received += if load.json { from_json(&message.payload)? } else { message.payload.len() as u64 };
        if received - reported >= REPORT_EVERY || received >= load.bytes {
            client.publish(RECEIVED, Bytes::copy_from_slice(&received.to_be_bytes())).await?;
            reported = received;
        }
    }
    client.flush().await?;
    Ok(())
}

fn in_json(data: &[u8]) -> Result<Bytes> {
    let id = "0123456789abcdef0123456789abcdef";
    let data = STANDARD.encode(data);
    let message = Message { id: id.into(), reply: "".into(), data: data.into(), metadata: None };
    Ok(serde_json::to_vec(&message)?.into())
}

/// Returns the number of bytes in a message.
fn from_json(message: &[u8]) -> Result<u64> {
    let message: Message<'_> = serde_json::from_slice(message)?;
    Ok(STANDARD.decode(message.data.as_bytes())?.len() as u64)
}

async fn request(client: &Client, warm_up: usize, count: usize) -> Result<()> {
    let mut times = Vec::with_capacity(count);
    for number in 0..warm_up + count {
        let question = Bytes::from(vec![0x5a; PING_BYTES]);
        let asked = Instant::now();
        let answer = client.request(ECHO, question.clone()).await?;
        if number >= warm_up {
            times.push(asked.elapsed());
        }
        ensure!(answer.payload == question, "request {number} came back changed");
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!("{FIGURES} {} {}", micros(percentile(&times, 0.50)), micros(percentile(&times, 0.99)));
    Ok(())
}

async fn reply(client: &Client) -> Result<()> {
    let mut questions = client.subscribe(ECHO).await?;
    client.flush().await?;
    println!("{READY}");
    while let Some(question) = questions.next().await {
        let inbox = question.reply.context("a request has a reply subject")?;
        client.publish(inbox, question.payload).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_json_holds_what_was_put_in() {
        let message = in_json(b"bytes").unwrap();
        let text =
            r#"{"ID":"0123456789abcdef0123456789abcdef","Reply":"","Data":"Ynl0ZXM=","Metadata":null}"#;
        assert_eq!(message, text);
        assert_eq!(from_json(&message).unwrap(), 5);
    }
}
