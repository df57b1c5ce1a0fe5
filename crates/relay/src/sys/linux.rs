//! Linux: splice(2), quick acknowledgments, TCP_NOTSENT_LOWAT.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::socket;

/// Opens a connection that delivers urgent bytes in line.
pub(crate) async fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket::keep_urgent_in_line(&socket)?;
    match socket.connect(&addr.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
        _ => {}
    }
    let stream = TcpStream::from_std(socket.into())?;
    // TcpSocket::connect reads the error of every socket, at the cost of a system call. Only a closed one has an error.
    if stream.ready(Interest::WRITABLE).await?.is_write_closed()
        && let Some(error) = stream.take_error()?
    {
        return Err(error);
    }
    Ok(stream)
}

/// Does nothing: an accepted socket has the options of its listener (socket(7)).
pub(crate) fn tune_accepted(_socket: &TcpStream) {}

/// Sends the acknowledgment that the system delays by up to 40 ms, so that data can carry it.
pub(crate) fn acknowledge(socket: &TcpStream) {
    // Fails only on a socket whose connection has ended, which its next read reports.
    let _ = SockRef::from(socket).set_tcp_quickack(true);
}

/// Makes tokio poll the socket again. A read stops before a TCP urgent byte, and tokio assumes that a read that does
/// not fill its buffer has emptied the socket. If the byte arrived together with those before it, nothing would report
/// it.
pub(crate) fn report_again(socket: &mut TcpStream) {
    // 0 is the default of the system, so this does not change the limit. Setting it makes Linux report the socket as
    // writable, and also as readable if it is.
    let _ = SockRef::from(&*socket).set_tcp_notsent_lowat(0);
}

/// Returns true if the peer has closed or half-closed its connection, which may be before its last bytes are read.
pub(crate) fn is_closed_by_peer(socket: &TcpStream) -> bool {
    let mut asked = [PollFd::new(socket, PollFlags::RDHUP)];
    poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Makes the socket writable only when all its data has been sent (tcp(7), TCP_NOTSENT_LOWAT).
pub(crate) fn writable_once_sent(socket: &TcpStream) -> io::Result<()> {
    SockRef::from(socket).set_tcp_notsent_lowat(1)
}

/// A pipe for the zero-copy path. splice(2) moves pages from socket to pipe to socket.
#[derive(Debug)]
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
}

impl Pipe {
    /// Returns `None` if the system cannot provide a pipe of this capacity.
    pub(crate) fn open(capacity: usize) -> Option<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // The system refuses this beyond pipe-user-pages-soft. A small pipe costs more calls than a buffer, so do
        // without.
        let capacity = fcntl_setpipe_size(&write, capacity).ok()?;
        Some(Self { read, write, capacity })
    }

    /// Moves bytes from the socket into the pipe.
    pub(crate) fn fill_from(&self, socket: &TcpStream) -> io::Result<usize> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        Ok(splice(socket, None, &self.write, None, self.capacity, flags)?)
    }

    /// Moves up to `length` bytes from the pipe into the socket.
    pub(crate) fn drain_into(&self, socket: &TcpStream, length: usize) -> io::Result<usize> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        Ok(splice(&self.read, None, socket, None, length, flags)?)
    }

    /// Reads from the pipe.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.read, bytes)?)
    }
}
