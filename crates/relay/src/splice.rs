//! The zero-copy path: socket to pipe to socket.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::pool::{Lease, PipeLease, Pool};

/// Fills an empty pipe from `socket`. Returns 0 if the caller must read the socket instead.
pub(crate) fn poll_in(
    cx: &mut Context<'_>,
    socket: &TcpStream,
    pipe: &mut PipeLease,
) -> Poll<io::Result<usize>> {
    debug_assert_eq!(pipe.filled, 0, "in a pipe with bytes, WouldBlock could mean a full pipe");
    ready!(socket.poll_read_ready(cx))?;
    // Not through try_io, which would clear the readiness of the socket. splice cannot pass a TCP urgent byte: it
    // reports WouldBlock or the end of file, although a read returns the byte.
    match pipe.pipe().fill_from(socket) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Ready(Ok(0)),
        other => {
            pipe.filled = other?;
            Poll::Ready(Ok(pipe.filled))
        }
    }
}

/// Writes data from the pipe to `socket` and returns the number of bytes that the socket accepted.
pub(crate) fn poll_out(
    cx: &mut Context<'_>,
    pipe: &mut PipeLease,
    socket: &TcpStream,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, || pipe.pipe().drain_into(socket, pipe.filled)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => {
                let moved = other?;
                pipe.filled -= moved;
                return Poll::Ready(Ok(moved));
            }
        }
    }
}

/// Moves the data of a pipe into a buffer, to leave the zero-copy path.
pub(crate) fn into_buffer(pipe: &mut PipeLease, pool: &Arc<Pool>) -> io::Result<(Lease, usize)> {
    let mut lease = pool.lease_for(pipe.filled);
    let mut end = 0;
    while pipe.filled > 0 {
        let got = pipe.pipe().read(&mut lease.bytes[end..])?;
        end += got;
        pipe.filled -= got;
    }
    Ok((lease, end))
}
