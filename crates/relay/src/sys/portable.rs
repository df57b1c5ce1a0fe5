//! System calls that every system has. There is no zero-copy path, and the state of a connection is known less exactly.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::socket;

/// Opens a connection that delivers urgent bytes in line.
pub(crate) async fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket::keep_urgent_in_line(&socket)?;
    socket.connect(addr).await
}

/// Sets the options of the listener, which Windows does not copy.
pub(crate) fn tune_accepted(socket: &TcpStream) {
    // Fails only on a socket whose connection has ended, which its next read reports.
    let _ = socket::tune_listener(socket);
}

/// Does nothing: the system decides when it acknowledges.
pub(crate) fn acknowledge(_socket: &TcpStream) {}

/// Makes tokio poll the socket again. A read stops before a TCP urgent byte, and tokio assumes that a read that does
/// not fill its buffer has emptied the socket. If the byte arrived together with those before it, nothing would report
/// it.
pub(crate) fn report_again(socket: &mut TcpStream) {
    let same = SockRef::from(&*socket);
    if same.peek(&mut [MaybeUninit::uninit()]).is_err() {
        return;
    }
    // Registering a socket makes the system report its state. A registered socket cannot be registered again, but a
    // duplicate of its handle can.
    let registered = same.try_clone().and_then(|second| {
        second.set_nonblocking(true)?;
        TcpStream::from_std(second.into())
    });
    if let Ok(registered) = registered {
        *socket = registered;
    }
}

/// Returns true if the peer has closed or half-closed its connection, once its last bytes are read.
pub(crate) fn is_closed_by_peer(socket: &TcpStream) -> bool {
    matches!(SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]), Ok(0))
}

/// Makes the socket writable only when its peer has acknowledged all bytes, or all but a few kilobytes on systems that
/// do not make the send buffer this small.
pub(crate) fn writable_once_sent(socket: &TcpStream) -> io::Result<()> {
    SockRef::from(socket).set_send_buffer_size(1)
}

/// Never constructed, because there is no zero-copy path.
#[derive(Debug)]
pub(crate) enum Pipe {}

impl Pipe {
    /// Returns `None`.
    pub(crate) fn open(_capacity: usize) -> Option<Self> {
        None
    }

    pub(crate) fn fill_from(&self, _socket: &TcpStream) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn drain_into(&self, _socket: &TcpStream, _length: usize) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn read(&self, _bytes: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}
