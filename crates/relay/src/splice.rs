//! The zero-copy path: socket to pipe to socket.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::pool::{Lease, PipeLease, Pool};

/// Fills an empty pipe from `socket`. 0: read the socket instead.
pub(crate) fn poll_in(
    cx: &mut Context<'_>,
    socket: &TcpStream,
    pipe: &mut PipeLease,
) -> Poll<io::Result<usize>> {
    debug_assert_eq!(pipe.filled, 0, "in a pipe with bytes, «would block» could mean a full pipe");
    ready!(socket.poll_read_ready(cx))?;
    // Not through try_io, which would forget that the socket is readable: splice cannot pass a TCP urgent byte, and
    // reports that it would block, or the end of file, although a read gets the byte.
    match pipe.pipe().fill_from(socket) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Ready(Ok(0)),
        other => {
            pipe.filled = other?;
            Poll::Ready(Ok(pipe.filled))
        }
    }
}

/// Empties a pipe into `socket` as far as it takes it.
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

/// Leaves the zero-copy path: takes what is in the pipe into a buffer.
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
