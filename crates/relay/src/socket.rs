//! The options of every TCP socket of a relay.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::sys;

/// Idle time before the first keep-alive probe: shorter than the idle limit of common NATs and load balancers.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Turns Nagle's algorithm off and keep-alive on, and keeps urgent bytes in line, for every connection that the
/// listener accepts. Linux copies the options of the listener (socket(7)), which saves five system calls per session.
///
/// [`TcpAcceptor`](crate::TcpAcceptor) does the same, but not for a client that has connected before. So call this
/// before the socket listens.
///
/// # Errors
/// Returns an error if an option cannot be set.
pub fn tune_listener<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    let socket = socket.into();
    socket.set_tcp_nodelay(true)?;
    keep_urgent_in_line(&*socket)?;
    keep_alive(&*socket)
}

/// Delivers urgent bytes in line. The other options of an upstream's socket are set later, since most sessions end before they need them.
pub(crate) fn keep_urgent_in_line<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    socket.into().set_out_of_band_inline(true)
}

/// Turns keep-alive on.
pub(crate) fn keep_alive<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.into().set_tcp_keepalive(&keepalive)
}

/// Ready once the system has sent everything that was written to `socket`, or the connection has failed.
pub(crate) fn poll_sent(socket: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
    if sys::writable_once_sent(socket).is_err() {
        return Poll::Ready(());
    }
    loop {
        // The readiness that tokio has cached may be out of date. Ask the system, which then also reports the change.
        let sent = socket.try_io(Interest::WRITABLE, || {
            let mut asked = [PollFd::new(socket, PollFlags::OUT)];
            match poll(&mut asked, Some(&Timespec::default()))? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if ready!(socket.poll_write_ready(cx)).is_err() {
                    return Poll::Ready(());
                }
            }
            _ => return Poll::Ready(()),
        }
    }
}
