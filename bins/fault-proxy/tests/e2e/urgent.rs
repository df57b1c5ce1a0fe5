//! TCP urgent bytes stay in line, in both directions and on both data paths.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc,
    thread,
};

use crate::support::{PATIENCE, Proxy};
use socket2::SockRef;
use testkit::TcpServer;

const BULK: usize = 8 << 20;
const OPTIONS: [&[&str]; 3] =
    [&["--data-path", "copy"], &["--data-path", "splice"], &["--with-latency", "--latency-mean", "20ms"]];

/// Sends bytes with an urgent byte between them, and one that is the last of its message. Waits after each for the
/// peer to have it, if `step` is called for it.
fn send_urgent(stream: &TcpStream, mut step: impl FnMut(usize)) {
    let socket = SockRef::from(stream);
    let messages: [(&[u8], bool); 4] = [(b"abc", false), (b"!", true), (b"def", false), (b"ghi?", true)];
    let mut sent = 0;
    for (message, is_urgent) in messages {
        let length = if is_urgent { socket.send_out_of_band(message) } else { socket.send(message) };
        assert_eq!(length.expect("connected"), message.len());
        sent += message.len();
        step(sent);
    }
}

fn receive(mut stream: &TcpStream, length: usize) -> Vec<u8> {
    SockRef::from(stream).set_out_of_band_inline(true).expect("a socket");
    let mut got = vec![0; length];
    stream.read_exact(&mut got).expect("all of it");
    got
}

/// In pieces that arrive one by one, and all at once. The receiver waits for the last byte, not for an end.
#[test]
fn urgent_bytes_of_the_client_arrive_in_their_place() {
    for options in OPTIONS {
        for at_once in [false, true] {
            let (report, received) = mpsc::channel();
            let far_end = TcpServer::start(move |stream| {
                for _ in 0..11 {
                    let byte = receive(&stream, 1);
                    report.send(byte[0]).ok();
                }
            });
            let proxy = Proxy::with(far_end.addr(), options);
            let client = proxy.connect();
            let mut got = Vec::new();
            send_urgent(&client, |sent| {
                while !at_once && got.len() < sent {
                    got.push(received.recv_timeout(PATIENCE).expect("the urgent byte is not held back"));
                }
            });
            while got.len() < 11 {
                got.push(received.recv_timeout(PATIENCE).expect("the urgent byte is not held back"));
            }
            assert_eq!(got.escape_ascii().to_string(), "abc!defghi?", "{options:?}");
        }
    }
}

#[test]
fn urgent_bytes_of_the_upstream_arrive_in_their_place() {
    for options in OPTIONS {
        let far_end = TcpServer::start(|mut stream| {
            send_urgent(&stream, |_| {});
            stream.read_exact(&mut [0]).ok();
        });
        let proxy = Proxy::with(far_end.addr(), options);
        let client = proxy.connect();
        assert_eq!(receive(&client, 11).escape_ascii().to_string(), "abc!defghi?", "{options:?}");
    }
}

/// A pipe cannot take the bytes behind an urgent one: the flow has to leave the pipe, and lose none of them.
#[test]
fn an_urgent_byte_in_the_middle_of_a_transfer_arrives_in_its_place() {
    for options in OPTIONS {
        let (report, received) = mpsc::channel();
        let far_end = TcpServer::start(move |mut stream| {
            SockRef::from(&stream).set_out_of_band_inline(true).expect("a socket");
            let mut got = Vec::new();
            stream.read_to_end(&mut got).ok();
            report.send(got).ok();
        });
        let proxy = Proxy::with(far_end.addr(), options);
        let mut client = proxy.connect();
        let bulk: Vec<u8> = (0..=250).cycle().take(BULK).collect();
        let expected = [&bulk[..], b"!", &bulk, b"?"].concat();
        thread::scope(|scope| {
            scope.spawn(|| {
                client.write_all(&bulk).expect("relayed");
                SockRef::from(&client).send_out_of_band(b"!").expect("relayed");
                client.write_all(&bulk).expect("relayed");
                SockRef::from(&client).send_out_of_band(b"?").expect("relayed");
                client.shutdown(Shutdown::Write).expect("open");
            });
        });
        let got = received.recv_timeout(PATIENCE).expect("an end");
        assert_eq!(got.len(), expected.len(), "{options:?}");
        assert!(got == expected, "{options:?}");
    }
}
