//! One direction of a session: a state machine that reads from the source and writes to the destination.
//!
//! A flow writes what it has read immediately if it can. It holds a buffer or a pipe only from a read to the end of its
//! write. Small reads use the stack, and reads that fill their buffer make the next one larger (see `pool`).

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::DataPath;
use crate::pool::{Lease, PipeLease, Pool, SMALL_READ, Size};
use crate::splice;
use crate::stream::Stream;

/// Maximum number of bytes that one poll moves before it yields to the other sessions of the thread.
const POLL_BUDGET: usize = 4 << 20;

/// State of a direction.
#[derive(Debug, Default)]
pub(crate) enum State {
    #[default]
    Running,
    /// The source has closed the session. Data that was read before is delivered first.
    Closing,
    /// The source has half-closed. Everything but the half-close itself is delivered.
    Finishing,
    /// The half-close is delivered as well, or is not needed.
    Done,
    /// The source failed.
    ReadFailed(io::Error),
    /// The destination failed.
    WriteFailed(io::Error),
}

#[derive(Debug, Default)]
enum PendingData {
    #[default]
    Nothing,
    Buffer {
        lease: Lease,
        start: usize,
        end: usize,
    },
    Pipe(PipeLease),
    /// Data in the source's buffer that is not consumed yet.
    InSource,
}

#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) state: State,
    /// Bytes handed to the destination.
    pub(crate) written: u64,
    held: PendingData,
    next_read: Size,
    unflushed: bool,
    data_path: DataPath,
    /// Error of the source's connection. Data that arrived before the failure is delivered first.
    failure: Option<io::Error>,
    sets_nodelay: bool,
}

impl Flow {
    /// Returns a running flow. With `sets_nodelay`, it calls [`Stream::set_nodelay`] on the destination before the
    /// second write.
    pub(crate) fn new(data_path: DataPath, sets_nodelay: bool) -> Self {
        Self { data_path, sets_nodelay, ..Self::default() }
    }

    /// Returns true while the flow waits for its source and does not hold data for its destination.
    pub(crate) fn awaits_source(&self) -> bool {
        matches!((&self.state, &self.held), (State::Running, PendingData::Nothing))
    }

    /// Returns true if recent reads filled their buffers, so that more data is probably on its way.
    pub(crate) fn is_busy(&self) -> bool {
        self.next_read != Size::SMALL
    }

    /// Returns true while the flow waits for its destination to accept data or the half-close.
    pub(crate) fn awaits_destination(&self) -> bool {
        !self.has_ended() && !self.awaits_source()
    }

    /// Returns true once the flow delivers nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::Done | State::ReadFailed(_) | State::WriteFailed(_))
    }

    /// Returns the error of the source's connection as soon as it is detected, which may be before the flow has ended.
    pub(crate) fn source_error(&self) -> Option<&io::Error> {
        match &self.state {
            State::ReadFailed(error) => Some(error),
            _ => self.failure.as_ref(),
        }
    }

    /// Returns the error of the destination's connection.
    pub(crate) fn destination_error(&self) -> Option<&io::Error> {
        match &self.state {
            State::WriteFailed(error) => Some(error),
            _ => None,
        }
    }

    /// Records that the source's connection has failed. The flow still delivers what arrived before: the transport
    /// reports the failure once, so the end of file that follows is this failure.
    pub(crate) fn fail_source(&mut self, error: io::Error) {
        match self.state {
            State::Done => self.state = State::ReadFailed(error),
            // The session ends with a half-close even if the source fails now.
            State::Closing => {}
            _ => _ = self.failure.get_or_insert(error),
        }
    }

    /// Discards the data of a source that has closed the session, because the destination does not accept it. Returns
    /// false if the source has not closed the session.
    pub(crate) fn give_up(&mut self) -> bool {
        let is_closing = matches!(self.state, State::Closing);
        if is_closing {
            self.held = PendingData::Nothing;
            self.state = State::Finishing;
        }
        is_closing
    }

    /// Moves as much data as possible. Ready when the direction has ended; `state` then holds the result.
    ///
    /// `other` is the state of the opposite direction.
    pub(crate) fn poll(
        &mut self,
        other: &State,
        cx: &mut Context<'_>,
        from: &mut dyn Stream,
        to: &mut dyn Stream,
        pool: &Arc<Pool>,
    ) -> Poll<()> {
        let until = self.written + POLL_BUDGET as u64;
        loop {
            match self.state {
                State::Closing => {
                    self.state = ready!(self.poll_deliver(cx, to, pool))
                        .map_or_else(State::WriteFailed, |()| State::Finishing);
                }
                State::Running => match self.poll_deliver(cx, to, pool) {
                    Poll::Ready(Ok(())) if self.written >= until => {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(())) => ready!(self.poll_fetch(cx, from, to, pool)),
                    Poll::Ready(Err(error)) => self.state = State::WriteFailed(error),
                    Poll::Pending => {
                        if let Err(error) = ready!(from.poll_terminated(cx)) {
                            self.held = PendingData::Nothing;
                            self.state = State::ReadFailed(error);
                        } else {
                            self.state = State::Closing;
                            return Poll::Pending;
                        }
                    }
                },
                State::Finishing => {
                    // The system reports a reset once, and a write of the other direction may have received it. The end
                    // of file that follows is part of that reset.
                    let is_failure = self.failure.is_some() || matches!(other, State::WriteFailed(_));
                    let finished = if is_failure {
                        Pin::new(&mut *to).poll_flush(cx)
                    } else if matches!(other, State::Done) && to.as_tcp().is_some() {
                        // The session closes the socket next, which is the half-close.
                        Poll::Ready(Ok(()))
                    } else {
                        Pin::new(&mut *to).poll_shutdown(cx)
                    };
                    self.state = match finished {
                        Poll::Ready(Ok(())) => self.failure.take().map_or(State::Done, State::ReadFailed),
                        Poll::Ready(Err(error)) => State::WriteFailed(error),
                        // A terminated session does not wait for a peer that does not read.
                        Poll::Pending => match ready!(from.poll_terminated(cx)) {
                            Ok(()) => State::Done,
                            Err(error) => State::ReadFailed(error),
                        },
                    };
                }
                State::Done | State::ReadFailed(_) | State::WriteFailed(_) => return Poll::Ready(()),
            }
        }
    }

    /// Reads from the source of a flow that has ended, and discards the data. Otherwise a peer that reads only after it
    /// has sent everything would never read what the other direction delivers to it. Returns the number of bytes, or 0
    /// at the end of file.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>, from: &mut dyn Stream) -> Poll<usize> {
        self.held = PendingData::Nothing;
        Poll::Ready(ready!(poll_discard(cx, from)).unwrap_or_else(|error| {
            self.fail_source(error);
            0
        }))
    }

    /// Writes until no data is pending.
    fn poll_deliver(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut dyn Stream,
        pool: &Arc<Pool>,
    ) -> Poll<io::Result<()>> {
        loop {
            match &mut self.held {
                PendingData::Nothing | PendingData::InSource => return Poll::Ready(Ok(())),
                PendingData::Buffer { lease, start, end } => {
                    set_nodelay_once(&mut self.sets_nodelay, self.written, to);
                    while start < end {
                        let written = ready!(Pin::new(&mut *to).poll_write(cx, &lease.bytes[*start..*end]))?;
                        if written == 0 {
                            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                        }
                        *start += written;
                        self.written += written as u64;
                        self.unflushed = true;
                    }
                    self.held = PendingData::Nothing;
                }
                PendingData::Pipe(pipe) => match to.as_tcp() {
                    Some(socket) => {
                        while pipe.filled > 0 {
                            self.written += ready!(splice::poll_out(cx, pipe, socket))? as u64;
                        }
                        self.held = PendingData::Nothing;
                    }
                    None => {
                        let (lease, end) = splice::into_buffer(pipe, pool)?;
                        self.held = PendingData::Buffer { lease, start: 0, end };
                    }
                },
            }
        }
    }

    /// Reads once. Writes as much of a small read as possible immediately.
    fn poll_fetch(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Stream,
        to: &mut dyn Stream,
        pool: &Arc<Pool>,
    ) -> Poll<()> {
        let fetched = if from.as_buffered().is_some() {
            self.poll_pass_on(cx, from, to)
        } else {
            match self.poll_fetch_bulk(cx, from, to, pool) {
                Some(bulk) => bulk,
                None => self.poll_fetch_small(cx, from, to, pool),
            }
        };
        match fetched {
            Poll::Ready(Ok(0)) => self.state = State::Finishing,
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => {
                self.fail_source(error);
                self.state = State::Finishing;
            }
            Poll::Pending => {
                if self.unflushed {
                    match ready!(Pin::new(&mut *to).poll_flush(cx)) {
                        Ok(()) => self.unflushed = false,
                        Err(error) => self.state = State::WriteFailed(error),
                    }
                }
                return if matches!(self.state, State::Running) { Poll::Pending } else { Poll::Ready(()) };
            }
        }
        Poll::Ready(())
    }

    /// Writes data directly from the buffer of the source. Returns `Pending` and leaves `held` at `Nothing` if the
    /// source does not have any data, or at `InSource` if the destination does not accept it.
    fn poll_pass_on(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Stream,
        to: &mut dyn Stream,
    ) -> Poll<io::Result<usize>> {
        self.held = PendingData::Nothing;
        let Some(source) = from.as_buffered() else { return Poll::Pending };
        let bytes = ready!(Pin::new(&mut *source).poll_fill_buf(cx))?;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let waiting = bytes.len();
        self.held = PendingData::InSource;
        set_nodelay_once(&mut self.sets_nodelay, self.written, to);
        let written = ready!(Pin::new(&mut *to).poll_write(cx, bytes));
        self.held = PendingData::Nothing;
        match written {
            Ok(written) if written > 0 => {
                Pin::new(source).consume(written);
                self.written += written as u64;
                self.unflushed = true;
            }
            Ok(_) => self.state = State::WriteFailed(io::ErrorKind::WriteZero.into()),
            Err(error) => self.state = State::WriteFailed(error),
        }
        Poll::Ready(Ok(waiting))
    }

    /// Reads into a pooled buffer or a pipe. Returns `None` if the flow is not busy or the pool is exhausted.
    fn poll_fetch_bulk(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Stream,
        to: &dyn Stream,
        pool: &Arc<Pool>,
    ) -> Option<Poll<io::Result<usize>>> {
        if self.next_read == Size::SMALL {
            return None;
        }
        if self.data_path == DataPath::Splice
            && self.next_read == Size::LARGEST
            && to.as_tcp().is_some()
            && let Some(socket) = from.as_tcp()
            && let Some(mut pipe) = pool.pipe()
        {
            let spliced = splice::poll_in(cx, socket, &mut pipe);
            match spliced {
                Poll::Ready(Ok(0)) => {
                    self.next_read = Size::SMALL;
                    return None;
                }
                Poll::Ready(Ok(got)) => {
                    // A pipe is full when all its slots are used, even by small reads. So only a nearly empty one shows that the flow is not busy.
                    if got < SMALL_READ {
                        self.next_read = Size::SMALL;
                    }
                    self.held = PendingData::Pipe(pipe);
                }
                Poll::Ready(Err(_)) => {}
                // Before it waits, the flow polls the stream itself, which may wait for more than its socket.
                Poll::Pending => {
                    self.next_read = Size::SMALL;
                    return None;
                }
            }
            return Some(spliced);
        }
        let mut lease = pool.lease(self.next_read)?;
        let mut buffer = ReadBuf::new(&mut lease.bytes);
        let room = buffer.capacity();
        let read = Pin::new(&mut *from).poll_read(cx, &mut buffer);
        let got = buffer.filled().len();
        Some(read.map_ok(|()| {
            self.next_read = self.next_read.after_read(got, room);
            self.held = PendingData::Buffer { lease, start: 0, end: got };
            got
        }))
    }

    /// Reads into a buffer on the stack and writes as much of it as possible.
    fn poll_fetch_small(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Stream,
        to: &mut dyn Stream,
        pool: &Arc<Pool>,
    ) -> Poll<io::Result<usize>> {
        let mut room = [MaybeUninit::<u8>::uninit(); SMALL_READ];
        let mut buffer = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
        let got = buffer.filled();
        if got.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.next_read = self.next_read.after_read(got.len(), SMALL_READ);
        set_nodelay_once(&mut self.sets_nodelay, self.written, to);
        let written = match Pin::new(&mut *to).poll_write(cx, got) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => {
                self.state = State::WriteFailed(error);
                return Poll::Ready(Ok(got.len()));
            }
            Poll::Pending => 0,
        };
        self.written += written as u64;
        self.unflushed = true;
        if written < got.len() {
            let rest = &got[written..];
            let mut lease = pool.lease_for(rest.len());
            lease.bytes[..rest.len()].copy_from_slice(rest);
            self.held = PendingData::Buffer { lease, start: 0, end: rest.len() };
        }
        Poll::Ready(Ok(got.len()))
    }
}

/// Reads and discards data. Returns the number of bytes, or 0 at the end of file.
pub(crate) fn poll_discard(cx: &mut Context<'_>, from: &mut dyn Stream) -> Poll<io::Result<usize>> {
    let mut room = [MaybeUninit::<u8>::uninit(); SMALL_READ];
    let mut buffer = ReadBuf::uninit(&mut room);
    ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Disables the delay of small writes at the destination (Nagle's algorithm) before the second write.
fn set_nodelay_once(sets_nodelay: &mut bool, moved: u64, to: &mut dyn Stream) {
    if moved > 0 && std::mem::take(sets_nodelay) {
        to.set_nodelay();
    }
}
