//! The monitoring endpoint of a nats-server.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Returns every number with the key `name` in the JSON document at `path`, in the order of the document.
///
/// # Panics
///
/// Panics if the server does not respond in time, or responds with a status other than 200.
pub(super) fn numbers(server: SocketAddr, path: &str, name: &str) -> Vec<u64> {
    let reply =
        get(server, path).unwrap_or_else(|error| panic!("no response from http://{server}{path}: {error}"));
    assert!(reply.starts_with("HTTP/1.0 200 "), "http://{server}{path} answered {reply}");
    numbers_in(&reply, name)
}

/// Sends a request over HTTP/1.0, so that the response ends with the connection and is not chunked.
fn get(server: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

fn numbers_in(json: &str, name: &str) -> Vec<u64> {
    let name = format!("\"{name}\":");
    let after_names = json.split(&name).skip(1).map(str::trim_start);
    after_names.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::numbers_in;

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        let json = r#"{"total_connections": 9, "connections": 12, "list": [{"connections":3}]}"#;
        assert_eq!(numbers_in(json, "connections"), [12, 3]);
    }

    #[test]
    fn what_is_no_number_is_passed_over() {
        assert!(numbers_in(r#"{"connections": [], "subscriptions": 1}"#, "connections").is_empty());
    }
}
