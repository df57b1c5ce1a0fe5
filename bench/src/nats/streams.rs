//! The load: transfers over single streams on the calling thread.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::super::far_end::{SINK, SOURCE};
use super::super::load::CHUNK;
use super::tunnel::Tunnel;

pub(super) const MIB: f64 = (1 << 20) as f64;

/// Sends `bytes` to the far end and checks that they arrive. Returns the MiB per second.
pub(super) fn upload(tunnel: &Tunnel, bytes: u64) -> Result<f64> {
    let mut stream = tunnel.open(SINK)?;
    let data = vec![0x5a; CHUNK];
    let begin = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let chunk = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        stream.write_all(&data[..chunk]).context("cannot send")?;
        left -= chunk as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut count = [0; 8];
    stream.read_exact(&mut count).context("the far end's count did not come back")?;
    let rate = rate(bytes, begin);
    let arrived = u64::from_be_bytes(count);
    ensure!(arrived == bytes, "{bytes} bytes were sent, {arrived} arrived");
    Ok(rate)
}

/// Receives `bytes` from the far end and checks that they arrive. Returns the MiB per second.
pub(super) fn download(tunnel: &Tunnel, bytes: u64) -> Result<f64> {
    let begin = Instant::now();
    let mut stream = source(tunnel, bytes)?;
    let mut buffer = vec![0; CHUNK];
    let mut arrived = 0;
    loop {
        match stream.read(&mut buffer).context("cannot receive")? {
            0 => break,
            read => arrived += read as u64,
        }
    }
    ensure!(arrived == bytes, "{bytes} bytes were sent, {arrived} arrived");
    Ok(rate(bytes, begin))
}

/// Opens a session in which the far end sends `bytes` bytes.
pub(super) fn source(tunnel: &Tunnel, bytes: u64) -> Result<TcpStream> {
    let mut stream = tunnel.open(SOURCE)?;
    stream.write_all(&bytes.to_be_bytes()).context("cannot ask for bytes")?;
    Ok(stream)
}

fn rate(bytes: u64, begin: Instant) -> f64 {
    bytes as f64 / MIB / begin.elapsed().as_secs_f64()
}
