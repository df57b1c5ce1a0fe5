mod copy;
mod names;
mod opaque;
mod pieces;
mod requests;
mod responses;

use crate::Protocol;
use crate::testing::{Turn, events, pieces};

/// A message with a tag.
fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 4).expect("a test message is short");
    [&[tag][..], &length.to_be_bytes(), payload].concat()
}

fn startup(parameters: &str) -> Vec<u8> {
    packet(196_608, parameters.as_bytes())
}

fn packet(code: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 8).expect("a test packet is short");
    [&length.to_be_bytes()[..], &code.to_be_bytes(), payload].concat()
}

fn client(messages: &[Vec<u8>]) -> Turn {
    Turn::Client(messages.concat())
}

fn server(messages: &[Vec<u8>]) -> Turn {
    Turn::Server(messages.concat())
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{text}\0\0\0").as_bytes())
}

fn bind(portal: &str, name: &str) -> Vec<u8> {
    message(b'B', format!("{portal}\0{name}\0\0\0\0\0\0\0").as_bytes())
}

fn execute(portal: &str) -> Vec<u8> {
    message(b'E', format!("{portal}\0\0\0\0\0").as_bytes())
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn complete() -> Vec<u8> {
    message(b'C', b"COMMIT\0")
}

fn row() -> Vec<u8> {
    message(b'D', b"\0\x01\0\0\0\x011")
}

fn error(code: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0VERROR\0C{code}\0Mit failed\0\0").as_bytes())
}

fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

/// The turns that start a session. Requests begin at offset 15, responses at 15 too.
fn started() -> Vec<Turn> {
    vec![client(&[startup("user\0a\0")]), server(&[message(b'R', b"\0\0\0\0"), ready(b'I')])]
}

fn all_seen(turns: &[Turn]) -> Vec<String> {
    events(Protocol::Psql, &[&started()[..], turns].concat(), &[usize::MAX])[2..].to_vec()
}

/// The events, without the ends of groups and without asynchronous messages.
fn seen(turns: &[Turn]) -> Vec<String> {
    let is_other = |event: &String| !event.contains("group ends") && !event.contains("asynchronous");
    all_seen(turns).into_iter().filter(is_other).collect()
}
