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

/// Nagle off, keep-alive on. On a listener it holds for every socket accepted from it (socket(7): Linux copies
/// them), which saves four system calls a session.
pub(crate) fn tune(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL))
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
