//! A session that is busy as long as it takes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use testkit::Pattern;

use super::{MIB, eventually};

const BUFFER: usize = 64 << 10;

/// Sends a pattern to an upstream that echoes, as fast as it is taken, and checks what comes back.
#[derive(Debug)]
pub(crate) struct Flood {
    moved: Arc<AtomicU64>,
    is_enough: Arc<AtomicBool>,
    sending: JoinHandle<u64>,
    receiving: JoinHandle<u64>,
}

impl Flood {
    pub(crate) fn through(stream: TcpStream) -> Self {
        let (moved, is_enough) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (mut writer, mut reader) = (stream.try_clone().expect("a descriptor is free"), stream);
        let sending = thread::spawn({
            let is_enough = Arc::clone(&is_enough);
            move || {
                let (pattern, mut buffer, mut sent) = (Pattern::new(7), vec![0; BUFFER], 0);
                while !is_enough.load(Ordering::Relaxed) {
                    pattern.fill(sent, &mut buffer);
                    writer.write_all(&buffer).expect("the session lives");
                    sent += BUFFER as u64;
                }
                writer.shutdown(Shutdown::Write).expect("the session lives");
                sent
            }
        });
        let receiving = thread::spawn({
            let moved = Arc::clone(&moved);
            move || {
                let (pattern, mut buffer, mut received) = (Pattern::new(7), vec![0; BUFFER], 0);
                loop {
                    let got = reader.read(&mut buffer).expect("the session lives");
                    assert_eq!(pattern.first_difference(received, &buffer[..got]), None, "a byte differs");
                    received += got as u64;
                    moved.store(received, Ordering::Relaxed);
                    if got == 0 {
                        return received;
                    }
                }
            }
        });
        Self { moved, is_enough, sending, receiving }
    }

    /// Waits until this many more MiB have been received.
    pub(crate) fn wait_for_mib(&self, more: u64) {
        let wanted = self.moved.load(Ordering::Relaxed) + more * MIB;
        eventually("bytes move", || {
            assert!(!self.receiving.is_finished(), "the session has ended");
            self.moved.load(Ordering::Relaxed) >= wanted
        });
    }

    /// Half-closes, and checks that all that was sent came back.
    pub(crate) fn finish(self) {
        self.is_enough.store(true, Ordering::Relaxed);
        let sent = self.sending.join().expect("everything is sent");
        assert_eq!(self.receiving.join().expect("everything comes back"), sent);
    }
}
