//! Applies the faults of a proxy to the sessions of a relay, as one of its layers.

#[cfg(test)]
mod tests;

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fault_proxy_relay::{BoxStream, ConnectError, Layer, Legs, Stream};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use crate::proxy::Faults;
use crate::requests;
use crate::session::Session;
use crate::stream::FaultStream;

/// Refuses clients, delays dialing, and applies the faults to both connections of each session.
impl Layer for Faults {
    type Session = Session;

    async fn before_dial(&self) -> Result<Session, ConnectError> {
        let session = self.session();
        if let Some(fault) = session.refused() {
            return Err(ConnectError::Refused(format!("by the fault `{fault}`")));
        }
        session.wait_slow_open().await;
        Ok(session)
    }

    fn wrap(mut session: Session, connect_time: Duration, legs: Legs) -> Legs {
        session.set_rtt(connect_time);
        let protocol = session.read_protocol();
        let (client, server) = session.wrap(legs.downstream, legs.upstream);
        match protocol {
            None => Legs { downstream: Box::new(client), upstream: Box::new(server) },
            Some(protocol) => {
                let [client, server] = requests::stream::wrap(protocol, client, server);
                Legs { downstream: Box::new(client), upstream: Box::new(server) }
            }
        }
    }
}

impl Stream for FaultStream<BoxStream> {
    fn abort(&mut self) {
        if !self.is_spared() {
            self.get_mut().abort();
        }
    }

    fn inner(&mut self) -> Option<&mut dyn Stream> {
        Some(&mut **self.get_mut())
    }

    fn as_tcp(&self) -> Option<&TcpStream> {
        if self.is_passthrough() { self.get_ref().as_tcp() } else { None }
    }

    fn as_buffered(&mut self) -> Option<&mut (dyn AsyncBufRead + Unpin)> {
        if self.is_passthrough() { None } else { Some(self) }
    }

    fn poll_terminated(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ended(cx)
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if !self.is_closed() {
            return Poll::Ready(0);
        }
        let mut room = [MaybeUninit::<u8>::uninit(); 16 << 10];
        let mut buffer = ReadBuf::uninit(&mut room);
        let read = ready!(Pin::new(self.get_mut()).poll_read(cx, &mut buffer));
        Poll::Ready(read.map_or(0, |()| buffer.filled().len()))
    }

    fn terminates_behind_data(&mut self) -> bool {
        self.is_reset_behind_data()
    }
}
