//! Bulk transfers: throughput, and processor time of the proxy.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::far_end::{SINK, SOURCE, send};
use super::load::{CHUNK, PATIENCE, discard_to_end, open_all, runtime};
use super::peers::{Peer, PeerKind};
use super::report::{Row, Target, print_table};
use super::rounds::Comparison;
use super::scale::Scale;

#[derive(Clone, Copy, Debug)]
pub(super) enum Flow {
    ToFarEnd,
    FromFarEnd,
}

/// Result of one bulk measurement.
#[derive(Debug)]
pub(super) struct Transfer {
    /// Throughput in 10^9 bytes per second.
    pub(super) throughput: f64,
    /// Processor time of the proxy for 10^9 bytes, in seconds.
    pub(super) cpu_seconds: Option<f64>,
}

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let mut throughputs = Vec::new();
    let mut costs = Vec::new();
    let mut targets = Vec::new();
    for (case, streams, flow) in [
        ("1 stream to the far end", 1, Flow::ToFarEnd),
        ("8 streams to the far end", 8, Flow::ToFarEnd),
        ("1 stream from the far end", 1, Flow::FromFarEnd),
    ] {
        let [throughput, cost] = measured(&Comparison::RELAY, scale, case, streams, flow)?;
        if matches!(flow, Flow::ToFarEnd) {
            targets.push(Target::at_least(
                &throughput,
                "1.2 × HAProxy",
                1.2 * throughput.value(PeerKind::Haproxy),
            ));
            targets.push(Target::at_most(&cost, "0.6 × HAProxy", 0.6 * cost.value(PeerKind::Haproxy)));
        }
        throughputs.push(throughput);
        costs.push(cost);
    }
    let rows: Vec<Row> = throughputs.into_iter().chain(costs).collect();
    print_table("Bulk", &rows);
    Ok(targets)
}

/// Measures throughput and cost with `streams` streams.
pub(super) fn measured(
    comparison: &Comparison<'_>,
    scale: &Scale,
    case: &str,
    streams: usize,
    flow: Flow,
) -> Result<[Row; 2]> {
    let labels = [format!("{case}, GB/s"), format!("{case}, CPU s/GB")];
    comparison.measured(case, scale.rounds, labels.each_ref().map(String::as_str), |peer| {
        let transfer = transfer(peer, streams, flow, scale.bulk_bytes)?;
        Ok([Some(transfer.throughput), transfer.cpu_seconds])
    })
}

/// Transfers `bytes` in total, the same amount on each of the `streams`, and checks that all of them arrive.
pub(super) fn transfer(peer: &Peer, streams: usize, flow: Flow, bytes: u64) -> Result<Transfer> {
    let mode = match flow {
        Flow::ToFarEnd => SINK,
        Flow::FromFarEnd => SOURCE,
    };
    let sessions = open_all(peer, mode, streams)?;
    let share = bytes / streams as u64;
    let runtime = runtime()?;
    let cpu_before = peer.cpu_seconds();
    let begin = Instant::now();
    runtime.block_on(async {
        let data: Arc<[u8]> = vec![0x5a; CHUNK].into();
        let mut transfers = JoinSet::new();
        for session in sessions {
            session.set_nonblocking(true)?;
            let stream = TcpStream::from_std(session)?;
            let data = data.clone();
            transfers.spawn(async move {
                match flow {
                    Flow::ToFarEnd => push(stream, &data, share).await,
                    Flow::FromFarEnd => pull(stream, share).await,
                }
            });
        }
        timeout(PATIENCE, async {
            while let Some(transferred) = transfers.join_next().await {
                transferred.context("a load task panicked")??;
            }
            anyhow::Ok(())
        })
        .await
        .context("the bytes did not arrive in time")?
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu_seconds = peer.cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
    let gigabytes = (share * streams as u64) as f64 / 1e9;
    Ok(Transfer { throughput: gigabytes / seconds, cpu_seconds: cpu_seconds.map(|cpu| cpu / gigabytes) })
}

async fn push(mut stream: TcpStream, data: &[u8], bytes: u64) -> Result<()> {
    send(&mut stream, data, bytes).await.context("cannot send")?;
    let arrived = stream.read_u64().await.context("the far end's count did not come back")?;
    ensure!(arrived == bytes, "{bytes} bytes were sent, {arrived} arrived");
    Ok(())
}

async fn pull(mut stream: TcpStream, bytes: u64) -> Result<()> {
    stream.write_u64(bytes).await.context("cannot ask for bytes")?;
    let arrived = discard_to_end(&stream).await.context("cannot receive")?;
    ensure!(arrived == bytes, "{bytes} bytes were sent, {arrived} arrived");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

    use super::*;

    /// Returns a far end that loses the last byte: it counts and sends one byte too few.
    fn lossy_far_end() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut wanted = [0; 8];
            stream.read_exact(&mut wanted).unwrap();
            stream.write_all(&7_u64.to_be_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        addr
    }

    #[test]
    fn a_byte_lost_on_the_way_there_is_an_error() {
        let error = runtime().unwrap().block_on(async {
            push(TcpStream::connect(lossy_far_end()).await.unwrap(), &[0; 4], 8).await.unwrap_err()
        });
        assert_eq!(error.to_string(), "8 bytes were sent, 7 arrived");
    }

    #[test]
    fn a_byte_lost_on_the_way_back_is_an_error() {
        let error = runtime().unwrap().block_on(async {
            pull(TcpStream::connect(lossy_far_end()).await.unwrap(), 9).await.unwrap_err()
        });
        assert_eq!(error.to_string(), "9 bytes were sent, 8 arrived");
    }
}
