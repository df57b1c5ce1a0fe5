//! A member of the account that writes its messages by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::PATIENCE;

/// A body of a request.
pub(crate) const REQUEST: &[u8] = br#"{"ID":"","Reply":"","Data":null,"Metadata":null}"#;

/// A message that NATS delivers.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) reply: Option<String>,
    pub(crate) payload: String,
}

/// A bare connection to NATS.
#[derive(Debug)]
pub(crate) struct Member {
    stream: Arc<Mutex<TcpStream>>,
    /// Requests and replies. The reader drops messages of sessions.
    messages: Receiver<Message>,
    subscriptions: usize,
}

/// Writes a whole command. The thread that reads answers pings, and must not do so within one.
fn send(stream: &Mutex<TcpStream>, command: &[u8]) {
    stream.lock().expect("no writer panics").write_all(command).expect("nats-server lives");
}

impl Member {
    pub(crate) fn at(nats: SocketAddr) -> Self {
        let stream = TcpStream::connect(nats).expect("nats-server listens");
        let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
        let stream = Arc::new(Mutex::new(stream));
        send(&stream, b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n");
        let answers = Arc::clone(&stream);
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
                let words: Vec<_> = line.split_whitespace().collect();
                match words[..] {
                    ["PING"] => send(&answers, b"PONG\r\n"),
                    ["MSG", subject, _, .., length] | ["HMSG", subject, _, .., _, length] => {
                        let mut payload = vec![0; length.parse::<usize>().expect("a number") + 2];
                        reader.read_exact(&mut payload).expect("open");
                        if !subject.starts_with("p.data.") {
                            let is_plain = words[0] == "MSG";
                            let has_reply = words.len() == if is_plain { 5 } else { 6 };
                            let payload = String::from_utf8_lossy(&payload).into_owned();
                            let reply = has_reply.then(|| words[3].to_owned());
                            sender.send(Message { subject: subject.to_owned(), reply, payload }).ok();
                        }
                    }
                    _ => {}
                }
                line.clear();
            }
        });
        Self { stream, messages, subscriptions: 0 }
    }

    pub(crate) fn subscribe(&mut self, subject: &str) {
        self.subscriptions += 1;
        let line = format!("SUB {subject} {}\r\n", self.subscriptions);
        send(&self.stream, line.as_bytes());
    }

    pub(crate) fn publish(&mut self, subject: &str, payload: &[u8]) {
        let command = format!("PUB {subject} {}\r\n", payload.len());
        send(&self.stream, &[command.as_bytes(), payload, b"\r\n"].concat());
    }

    /// Asks for a session, and returns the reply.
    pub(crate) fn ask(&mut self, port: u16, headers: &str, body: &[u8]) -> String {
        let inbox = format!("inbox.{}", self.subscriptions);
        self.subscribe(&inbox);
        let headers = format!("NATS/1.0\r\nremote_host: 127.0.0.1\r\nremote_port: {port}\r\n{headers}\r\n");
        let (head, all) = (headers.len(), headers.len() + body.len());
        let command = format!("HPUB proxy.request {inbox} {head} {all}\r\n{headers}");
        send(&self.stream, &[command.as_bytes(), body, b"\r\n"].concat());
        loop {
            let message = self.next();
            if message.subject == inbox {
                return message.payload;
            }
        }
    }

    /// Opens a session. Returns its ID, or the reply without one.
    pub(crate) fn open(&mut self, port: u16, headers: &str) -> Result<String, String> {
        let reply = self.ask(port, headers, REQUEST);
        let data = reply.split("\"Data\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let id = base64_simd::STANDARD.decode_to_vec(data.unwrap_or_default()).expect("base64");
        if id.len() == 32 { Ok(String::from_utf8(id).expect("hexadecimal digits")) } else { Err(reply) }
    }

    pub(crate) fn next(&self) -> Message {
        self.messages.recv_timeout(PATIENCE).expect("a message in time")
    }
}
