//! Small TCP servers with one thread per connection.

use socket2::SockRef;
use std::{
    fmt,
    io::{self, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Resets the connection. The peer sees RST, and data that was not sent yet is lost.
pub fn abort(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket takes SO_LINGER");
}

/// A TCP server on a free port of 127.0.0.1 that stops accepting when it is dropped.
///
/// Accepted connections stay open until their handlers return.
pub struct TcpServer {
    addr: SocketAddr,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl TcpServer {
    /// Prefix of the response of [`TcpServer::reply_after_eof`].
    pub const REPLY_PREFIX: &[u8] = b"after EOF: ";

    /// Starts a server that calls `handler` with every connection, on a separate thread.
    pub fn start(handler: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("127.0.0.1 has a free port");
        let addr = listener.local_addr().expect("a listener has an address");
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let handler = Arc::new(handler);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                // A client may have disconnected before it is accepted.
                let Ok(stream) = stream else { continue };
                stream.set_nodelay(true).ok();
                let handler = Arc::clone(&handler);
                thread::spawn(move || handler(stream));
            }
        });
        Self { addr, stopping, accepting: Some(accepting) }
    }

    /// Starts a server that echoes data as it arrives, and half-closes after its peer has.
    pub fn echo() -> Self {
        Self::start(|stream| {
            // An error means that the client has disconnected, which ends the echo too.
            io::copy(&mut BufReader::with_capacity(65_536, &stream), &mut &stream).ok();
            stream.shutdown(Shutdown::Write).ok();
        })
    }

    /// Starts a server that reads to the end of file, responds with [`Self::REPLY_PREFIX`] and everything it
    /// received, and closes.
    pub fn reply_after_eof() -> Self {
        Self::start(|mut stream| {
            let mut reply = Self::REPLY_PREFIX.to_vec();
            if stream.read_to_end(&mut reply).is_ok() {
                stream.write_all(&reply).ok();
            }
        })
    }

    /// Starts a server that resets every connection as soon as it is accepted.
    pub fn reset_on_connect() -> Self {
        Self::start(abort)
    }

    /// Starts a server that sends first, as SSH and MySQL do. It sends `greeting` and ignores its peer until
    /// the peer half-closes.
    pub fn banner(greeting: &'static [u8]) -> Self {
        Self::start(move |mut stream| {
            if stream.write_all(greeting).is_ok() {
                io::copy(&mut stream, &mut io::sink()).ok();
            }
        })
    }

    /// Returns the address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        if TcpStream::connect(self.addr).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            accepting.join().ok();
        }
    }
}

impl fmt::Debug for TcpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServer").field("addr", &self.addr).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    fn exchange(server: &TcpServer, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        reply
    }

    #[test]
    fn echo_answers_before_and_after_the_half_close() {
        let echo = TcpServer::echo();
        let mut stream = TcpStream::connect(echo.addr()).unwrap();
        let mut reply = [0; 5];
        stream.write_all(b"first").unwrap();
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"first");
        assert_eq!(exchange(&echo, b"then all of it"), b"then all of it");
    }

    #[test]
    fn reply_after_eof_waits_for_the_half_close() {
        let server = TcpServer::reply_after_eof();
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        stream.write_all(b"question").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let early = stream.read(&mut [0; 1]).unwrap_err();
        assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");

        assert_eq!(exchange(&server, b"question"), b"after EOF: question");
        assert_eq!(exchange(&server, b""), TcpServer::REPLY_PREFIX);
    }

    #[test]
    fn reset_on_connect_resets() {
        let server = TcpServer::reset_on_connect();
        // The reset may come while still connecting.
        let error = TcpStream::connect(server.addr()).and_then(|mut stream| stream.read(&mut [0; 1]));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn banner_speaks_first_and_closes_after_its_peer() {
        let server = TcpServer::banner(b"220 ready\r\n");
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        let mut greeting = [0; 11];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"220 ready\r\n");
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut greeting).unwrap(), 0);
    }

    #[test]
    fn dropping_it_ends_the_listener_and_lets_go_of_the_handler() {
        let held = Arc::new(());
        let handlers = Arc::clone(&held);
        let server = TcpServer::start(move |_| assert_eq!(*handlers, ()));
        assert_eq!(Arc::strong_count(&held), 2);
        drop(server);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
