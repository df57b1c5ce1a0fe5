//! A relay between a proxy and a server that records sessions.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::Recording;

/// Recordings of sessions that have ended.
#[derive(Debug)]
pub struct Recorder {
    addr: SocketAddr,
    recordings: Arc<Mutex<Vec<Recording>>>,
}

impl Recorder {
    /// Accepts sessions on a free port and relays them to this server.
    ///
    /// # Panics
    ///
    /// Panics if no port is free.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let recordings = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&recordings);
        // The thread ends with the process.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                thread::spawn(move || {
                    let upstream = TcpStream::connect(server).expect("the server listens");
                    let recording = relay(&client, &upstream);
                    all.lock().expect("no holder panics").push(recording);
                });
            }
        });
        Self { addr, recordings }
    }

    /// Returns the address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Removes the recording of a session that has ended, if one exists.
    ///
    /// # Panics
    ///
    /// If a session has panicked.
    pub fn pop(&self) -> Option<Recording> {
        self.recordings.lock().expect("no holder panics").pop()
    }

    /// Removes a recording that is equal to this one. Returns false if no such recording exists so far.
    ///
    /// # Panics
    ///
    /// If a session has panicked.
    pub fn take(&self, recording: &Recording) -> bool {
        let mut recordings = self.recordings.lock().expect("no holder panics");
        let index = recordings.iter().position(|other| other == recording);
        index.map(|index| recordings.swap_remove(index)).is_some()
    }
}

fn relay(client: &TcpStream, server: &TcpStream) -> Recording {
    thread::scope(|scope| {
        let responses = scope.spawn(|| pump(server, client));
        let requests = pump(client, server);
        Recording { requests, responses: responses.join().expect("it does not panic") }
    })
}

/// Forwards data to its end. Returns all bytes that were read.
fn pump(mut from: &TcpStream, mut to: &TcpStream) -> Vec<u8> {
    let mut buffer = vec![0; 16 << 10];
    let mut recorded = Vec::new();
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        recorded.extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // The peer may have closed the connection.
    let _ = to.shutdown(Shutdown::Write);
    recorded
}
