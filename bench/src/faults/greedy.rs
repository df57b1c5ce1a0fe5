//! A flow that sends as many bytes as its path accepts.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::super::load::{CHUNK, PATIENCE};
use super::arrivals::{Arrival, total};

#[derive(Clone, Copy, Debug)]
pub(super) enum Amount {
    Bytes(u64),
    /// All data that arrives within this time after the first byte.
    For(Duration),
}

#[derive(Debug)]
pub(super) struct Flow {
    /// Arrivals, with times since the first write.
    pub(super) arrivals: Vec<Arrival>,
    /// Time from the first write until the sender received the receiver's count. `None` for an amount of
    /// time.
    pub(super) acknowledged: Option<Duration>,
}

/// Interval at which a sender checks whether it has sent long enough.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Sends `amount` through `sender`, and receives it on `listener` in this process.
pub(super) fn flow(sender: TcpStream, listener: &TcpListener, amount: Amount) -> Result<Flow> {
    let stop = AtomicBool::new(false);
    let begin = Instant::now();
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(sender, amount, begin, &stop));
        let arrivals = receive(listener, amount, begin, &stop);
        stop.store(true, Ordering::Relaxed);
        let acknowledged = sending.join().expect("a sender does not panic");
        Ok(Flow { arrivals: arrivals.context("cannot receive")?, acknowledged: acknowledged? })
    })
}

fn send(
    mut sender: TcpStream,
    amount: Amount,
    begin: Instant,
    stop: &AtomicBool,
) -> Result<Option<Duration>> {
    sender.set_write_timeout(Some(POLL_INTERVAL))?;
    sender.set_read_timeout(Some(PATIENCE))?;
    let data = vec![0x5a; CHUNK];
    let mut left = match amount {
        Amount::Bytes(bytes) => bytes,
        Amount::For(_) => u64::MAX,
    };
    while left > 0 {
        let chunk = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let written = sender.write(&data[..chunk]);
        if stop.load(Ordering::Relaxed) {
            return match amount {
                Amount::For(_) => Ok(None),
                Amount::Bytes(_) => bail!("the receiver ended with {left} bytes still to send"),
            };
        }
        match written {
            Ok(written) => left -= written as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("cannot send"),
        }
    }
    sender.shutdown(Shutdown::Write)?;
    let mut count = [0; 8];
    sender.read_exact(&mut count).context("the receiver's count did not come back")?;
    let acknowledged = begin.elapsed();
    if let Amount::Bytes(bytes) = amount {
        let arrived = u64::from_be_bytes(count);
        ensure!(arrived == bytes, "{bytes} bytes were sent, {arrived} arrived");
    }
    Ok(Some(acknowledged))
}

fn receive(
    listener: &TcpListener,
    amount: Amount,
    begin: Instant,
    stop: &AtomicBool,
) -> Result<Vec<Arrival>> {
    let mut buffer = vec![0; CHUNK];
    let (mut stream, first) = accept_flow(listener, &mut buffer, begin)?;
    let end = match amount {
        Amount::Bytes(_) => Duration::MAX,
        Amount::For(duration) => first.at + duration,
    };
    let mut arrivals = vec![first];
    loop {
        let read = stream.read(&mut buffer)?;
        let at = begin.elapsed();
        if read == 0 {
            break;
        }
        arrivals.push(Arrival { at, bytes: read as u64 });
        if at >= end {
            // Stop before the connection ends, because the sender would report the end as an error.
            stop.store(true, Ordering::Relaxed);
            return Ok(arrivals);
        }
    }
    ensure!(matches!(amount, Amount::Bytes(_)), "the flow ended by itself");
    stream.write_all(&total(&arrivals).to_be_bytes())?;
    Ok(arrivals)
}

/// Accepts connections until bytes arrive on one. Connections without bytes only checked whether the proxy
/// listens.
fn accept_flow(listener: &TcpListener, buffer: &mut [u8], begin: Instant) -> Result<(TcpStream, Arrival)> {
    loop {
        let (mut stream, _) = listener.accept().context("the proxy did not connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        match stream.read(buffer) {
            Ok(0) => {}
            Ok(read) => return Ok((stream, Arrival { at: begin.elapsed(), bytes: read as u64 })),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => return Err(error).context("no byte arrived"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::Path;
    use super::*;

    #[test]
    fn all_bytes_arrive_and_are_counted() {
        let path = Path::direct().unwrap();
        drop(path.connect().unwrap());
        let bytes = 3 * CHUNK as u64 + 7;
        let flow = flow(path.connect().unwrap(), &path.listener, Amount::Bytes(bytes)).unwrap();
        assert_eq!(total(&flow.arrivals), bytes);
        assert!(flow.acknowledged.unwrap() >= flow.arrivals.last().unwrap().at);
    }

    #[test]
    fn a_flow_for_a_time_ends_after_it() {
        let path = Path::direct().unwrap();
        let duration = Duration::from_millis(30);
        let flow = flow(path.connect().unwrap(), &path.listener, Amount::For(duration)).unwrap();
        let [first, .., last] = &flow.arrivals[..] else { panic!("{:?}", flow.arrivals) };
        assert!(last.at >= first.at + duration);
        assert!(flow.acknowledged.is_none());
    }
}
