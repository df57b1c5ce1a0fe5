//! The options of every TCP socket of a relay.

use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Quiet time before the first keep-alive probe: shorter than the idle limit of common NATs and load balancers.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Turns Nagle's algorithm off, keep-alive on, and keeps urgent bytes in line, for every connection that the listener accepts:
/// Linux copies the options of the listener (socket(7)), which saves five system calls a session.
///
/// [`TcpAcceptor`](crate::TcpAcceptor) does the same. It cannot reach a client that has connected before, so call this
/// before the socket listens.
///
/// # Errors
/// When an option cannot be set.
pub fn tune_listener(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_nodelay(true)?;
    keep_urgent_in_line(socket)?;
    keep_alive(socket)
}

/// Urgent bytes in line. The other options of an upstream's socket come later: most sessions end before they need them.
pub(crate) fn keep_urgent_in_line(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_out_of_band_inline(true)
}

/// Keep-alive on.
pub(crate) fn keep_alive(socket: &impl AsFd) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

/// Sends the acknowledgment that the system delays by up to 40 ms, so that data can carry it.
pub(crate) fn acknowledge(socket: &TcpStream) {
    // Fails only on a socket that is already gone, which its next read reports.
    let _ = SockRef::from(socket).set_tcp_quickack(true);
}

/// Has tokio look at the socket again. A read stops before a TCP urgent byte, and tokio takes a read that does not fill
/// its buffer for the last: if the byte arrived together with those before it, nothing reports it.
pub(crate) fn report_again(socket: &TcpStream) {
    // 0 is the system's own limit, so this changes nothing. Setting it makes Linux report the socket as writable, and
    // with that as readable if it is.
    let _ = SockRef::from(socket).set_tcp_notsent_lowat(0);
}

/// Returns true if the peer has closed or half-closed its connection, which may be before its last bytes are read.
pub(crate) fn is_closed_by_peer(socket: &TcpStream) -> bool {
    let mut asked = [PollFd::new(socket, PollFlags::RDHUP)];
    poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Ready once the system has sent everything that was written to `socket`, or the connection has failed.
pub(crate) fn poll_sent(socket: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
    // The socket is writable from now on only if all its bytes are sent (tcp(7), TCP_NOTSENT_LOWAT).
    if SockRef::from(socket).set_tcp_notsent_lowat(1).is_err() {
        return Poll::Ready(());
    }
    loop {
        // The readiness that tokio remembers is older: ask the system, which then also reports the change.
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
