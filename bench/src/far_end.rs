//! The service at the end of every measured path (the far end), in a separate process.
//!
//! The first byte of a session selects its mode. The service echoes it immediately, which shows the load that the whole path
//! is open.

mod tls;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

pub(super) use self::tls::Version;
use super::load::{CHUNK, discard_to_end, runtime, single_thread};

/// Mode in which the far end echoes all further bytes.
pub(super) const ECHO: u8 = b'e';
/// Mode in which the far end reads to the end and responds with the number of bytes read, eight bytes
/// big-endian.
pub(super) const SINK: u8 = b's';
/// Mode in which the far end reads a number, eight bytes big-endian, and sends this number of bytes.
pub(super) const SOURCE: u8 = b'g';
/// Like [`SOURCE`], with a small socket buffer. With default buffers, a thousand sessions would exceed the
/// memory limit of the kernel for TCP.
pub(super) const LEAN_SOURCE: u8 = b'l';

/// Mode in which the far end responds with two numbers, eight bytes big-endian each: the handshakes that it
/// has completed, and how many of them resumed a session. Handshakes of sessions in this mode are not
/// counted.
pub(super) const HANDSHAKES: u8 = b'h';

/// Buffer size in bytes. The kernel doubles it.
const LEAN_BUFFER: usize = 128 << 10;

/// Settings of the far end.
#[derive(Debug, Args)]
pub(crate) struct FarEndArgs {
    /// Use a single thread. Under light load, one thread responds faster than two that wake each other.
    #[arg(long)]
    one_thread: bool,
    /// Accept only this version of TLS: 1.2 or 1.3.
    #[arg(long, requires_all = ["cert", "key"])]
    tls: Option<Version>,
    /// File with the certificate (PEM).
    #[arg(long)]
    cert: Option<PathBuf>,
    /// File with the private key (PEM).
    #[arg(long)]
    key: Option<PathBuf>,
}

/// Listens on a free port and serves until it is killed.
pub(crate) fn run(args: FarEndArgs) -> Result<()> {
    let runtime = if args.one_thread { single_thread()? } else { runtime()? };
    let tls = match (args.tls, args.cert, args.key) {
        (Some(version), Some(cert), Some(key)) => Some(Arc::new(tls::Server::new(version, &cert, &key)?)),
        _ => None,
    };
    runtime.block_on(async {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.listen(4096)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket.into())?;
        println!("listening on {}", listener.local_addr()?);
        let sessions = TaskTracker::new();
        let data: Arc<[u8]> = vec![0x5a; CHUNK].into();
        loop {
            let (stream, _) = listener.accept().await.context("cannot accept")?;
            let (data, tls) = (data.clone(), tls.clone());
            // The load reports errors of sessions.
            sessions.spawn(async move {
                match tls {
                    Some(tls) => tls.serve(stream, &data).await.ok(),
                    None => serve(stream, &data).await.ok(),
                }
            });
        }
    })
}

async fn serve(mut stream: TcpStream, data: &[u8]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mode = stream.read_u8().await?;
    stream.write_u8(mode).await?;
    match mode {
        ECHO => echo(&mut stream).await,
        SINK => {
            let count = discard_to_end(&stream).await?;
            stream.write_u64(count).await
        }
        SOURCE | LEAN_SOURCE => {
            if mode == LEAN_SOURCE {
                socket2::SockRef::from(&stream).set_send_buffer_size(LEAN_BUFFER)?;
            }
            let count = stream.read_u64().await?;
            send(&mut stream, data, count).await
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn echo(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let mut buffer = [0; 512];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..read]).await?;
        stream.flush().await?;
    }
}

/// Sends `count` bytes of repeated `data`, and then the end of the stream.
pub(super) async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    data: &[u8],
    mut count: u64,
) -> io::Result<()> {
    while count > 0 {
        let chunk = usize::try_from(count).map_or(data.len(), |count| count.min(data.len()));
        stream.write_all(&data[..chunk]).await?;
        count -= chunk as u64;
    }
    stream.shutdown().await
}
