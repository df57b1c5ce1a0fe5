//! One-way delay of small messages.
//!
//! A message contains the time at which it was sent. A thread that only waits for messages records their
//! arrival. Both use the same clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write as _;
use std::net::TcpStream;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::load::PATIENCE;
use super::path::Path;

/// Size of a message: its time in nanoseconds (big-endian), a flag whether it counts, and padding.
const MESSAGE_BYTES: usize = 64;

/// Time at the beginning in which every session sends its first message. These messages do not count.
const WARM_UP: Duration = Duration::from_millis(500);

/// Messages to send.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) sessions: usize,
    /// Range of the pauses between two messages of a session, drawn uniformly.
    pub(super) pauses: Range<Duration>,
    pub(super) duration: Duration,
    pub(super) seed: u64,
}

/// Returns the one-way delays of all messages that count.
pub(super) fn one_way_delays(path: &Path, load: &Load) -> Result<Vec<Duration>> {
    let sessions: Vec<TcpStream> = (0..load.sessions).map(|_| path.connect()).collect::<Result<_>>()?;
    let epoch = Instant::now();
    thread::scope(|scope| {
        let receiving = scope.spawn(|| receive(path, load, epoch));
        let sent = send(sessions, load, epoch);
        let delays = receiving.join().expect("the receiver does not panic").context("cannot receive")?;
        let sent = sent.context("cannot send")?;
        ensure!(delays.len() == sent, "{sent} messages were sent, {} arrived", delays.len());
        Ok(delays)
    })
}

/// Sends until the time is over and closes the sessions. Returns the number of messages that count.
fn send(mut sessions: Vec<TcpStream>, load: &Load, epoch: Instant) -> Result<usize> {
    let mut draws = Xoshiro256PlusPlus::seed_from_u64(load.seed);
    let mut due: BinaryHeap<_> = (0..sessions.len())
        .map(|session| Reverse((draws.random_range(Duration::ZERO..WARM_UP), session)))
        .collect();
    let mut counted = 0;
    while let Some(Reverse((at, session))) = due.pop() {
        if at > WARM_UP + load.duration {
            break;
        }
        thread::sleep(at.saturating_sub(epoch.elapsed()));
        let counts = at >= WARM_UP;
        counted += usize::from(counts);
        sessions[session].write_all(&message(epoch.elapsed(), counts))?;
        due.push(Reverse((at + draws.random_range(load.pauses.clone()), session)));
    }
    Ok(counted)
}

fn receive(path: &Path, load: &Load, epoch: Instant) -> Result<Vec<Duration>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured =
        async { timeout(WARM_UP + load.duration + PATIENCE, receive_all(path, load, epoch)).await };
    runtime.block_on(measured).context("not all sessions ended in time")?
}

async fn receive_all(path: &Path, load: &Load, epoch: Instant) -> Result<Vec<Duration>> {
    let listener = path.listener.try_clone()?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut sessions = JoinSet::new();
    let mut delays = Vec::new();
    let mut ended = 0;
    while ended < load.sessions {
        tokio::select! {
            accepted = listener.accept() => {
                sessions.spawn(session_delays(accepted?.0, epoch));
            }
            Some(session) = sessions.join_next() => match session.context("a session panicked")?? {
                // This connection only checked whether the proxy listens.
                None => {}
                Some(counted) => {
                    delays.extend(counted);
                    ended += 1;
                }
            }
        }
    }
    Ok(delays)
}

/// Reads to the end. Returns the delays of messages that count, or `None` without any message.
async fn session_delays(mut stream: tokio::net::TcpStream, epoch: Instant) -> Result<Option<Vec<Duration>>> {
    let mut delays = Vec::new();
    let mut messages = 0;
    let mut buffer = [0; 16 * MESSAGE_BYTES];
    let mut filled = 0;
    loop {
        let read = match stream.read(&mut buffer[filled..]).await {
            Ok(read) => read,
            Err(_) if messages == 0 => 0,
            Err(error) => return Err(error.into()),
        };
        let at = epoch.elapsed();
        if read == 0 {
            ensure!(filled == 0, "a message was cut short");
            return Ok((messages > 0).then_some(delays));
        }
        filled += read;
        let (whole, _) = buffer[..filled].as_chunks::<MESSAGE_BYTES>();
        messages += whole.len();
        delays.extend(whole.iter().filter_map(sent_at).map(|sent| at.saturating_sub(sent)));
        let used = whole.len() * MESSAGE_BYTES;
        buffer.copy_within(used..filled, 0);
        filled -= used;
    }
}

fn message(now: Duration, counts: bool) -> [u8; MESSAGE_BYTES] {
    let mut message = [0x5a; MESSAGE_BYTES];
    let nanos = u64::try_from(now.as_nanos()).expect("a measurement ends within centuries");
    message[..8].copy_from_slice(&nanos.to_be_bytes());
    message[8] = u8::from(counts);
    message
}

/// Returns when a message was sent, or `None` if it does not count.
fn sent_at(message: &[u8; MESSAGE_BYTES]) -> Option<Duration> {
    let nanos = u64::from_be_bytes(*message.first_chunk().expect("a message is longer"));
    (message[8] == 1).then(|| Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_that_counts_is_measured() {
        let path = Path::direct().unwrap();
        drop(path.connect().unwrap());
        let load = Load {
            sessions: 3,
            pauses: Duration::from_millis(5)..Duration::from_millis(15),
            duration: Duration::from_millis(100),
            seed: 1,
        };
        let delays = one_way_delays(&path, &load).unwrap();
        // There are 3 sessions with 6 to 21 messages each.
        assert!((15..=63).contains(&delays.len()), "{} messages", delays.len());
    }

    #[test]
    fn a_message_tells_when_it_was_sent_and_whether_it_counts() {
        let now = Duration::new(3, 141_592_653);
        assert_eq!(sent_at(&message(now, true)), Some(now));
        assert_eq!(sent_at(&message(now, false)), None);
    }
}
