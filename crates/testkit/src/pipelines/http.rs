use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use rand::RngExt;

use super::{Builder, RandomSession};
use crate::{Nginx, free_port};

/// Length of the files of the site.
const SIZE: usize = 5000;

/// Locations of the site: the response to `/file` has a length, the response to `/ssi/file` is chunked,
/// `/put` accepts PUT, and `/busy` is unavailable.
const SITE: &str =
    "location /ssi { ssi on; } location /put { dav_methods PUT; } location /busy { return 503; }";

/// Serves the site that the sessions of [`http`] request, with files in this directory.
///
/// # Panics
///
/// Panics if the files cannot be written.
pub fn serve_site(root: &Path) -> (Nginx, SocketAddr) {
    for directory in ["ssi", "put"] {
        fs::create_dir(root.join(directory)).expect("the directory is empty");
    }
    for file in ["file", "ssi/file"] {
        fs::write(root.join(file), "x".repeat(SIZE)).expect("the directory is writable");
    }
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let config = format!(
        "events {{}} http {{ server {{ listen {listen}; root '{}'; default_type text/html; {SITE} }} }}",
        root.display()
    );
    (Nginx::start(&config, listen), listen)
}

/// Makes a session of HTTP for the site of [`serve_site`].
pub fn http(seed: u64) -> RandomSession {
    let mut session = Http { builder: Builder::new(seed), put: format!("/put/{seed}") };
    for _ in 0..session.builder.rng.random_range(1..20) {
        session.step();
    }
    session.request("GET", "/file", "Connection: close\r\n", "", None);
    session.builder.session
}

struct Http {
    builder: Builder,
    put: String,
}

impl Http {
    fn step(&mut self) {
        let put = self.put.clone();
        let missing = format!("/missing/{}?a=b&c", self.builder.text().get(..50).unwrap_or("short"));
        match self.builder.rng.random_range(0..12) {
            0 => self.request("GET", "/file", "", "", None),
            1 => self.request("GET", "/ssi/file", "", "", None),
            2 => self.request("HEAD", "/file", "", "", None),
            3 => self.request("HEAD", "/ssi/file", "", "", None),
            4 => self.request("GET", &missing, "X: y\r\n", "", Some("404")),
            5 => self.request("GET", "/file", "Range: bytes=10-99\r\n", "", None),
            6 => self.request("GET", "/file", "Range: bytes=1-2,5-9\r\n", "", None),
            7 => self.request("GET", "/file", "Range: bytes=9999-\r\n", "", Some("416")),
            8 => self.request("GET", "/file", "If-None-Match: *\r\n", "", None),
            9 => {
                let text = self.builder.text();
                self.request("PUT", &put, &format!("Content-Length: {}\r\n", text.len()), &text, None);
            }
            10 => {
                let chunks = self.chunks();
                self.request("PUT", &put, "Transfer-Encoding: chunked\r\n", &chunks, None);
            }
            _ => {
                // A server may skip an empty line before a request.
                self.builder.push("\r\n");
                self.request("POST", "/busy", "Content-Length: 7\r\n", "GET / \r", Some("503"));
            }
        }
    }

    fn chunks(&mut self) -> String {
        let mut body = String::new();
        for _ in 0..self.builder.rng.random_range(0..4) {
            let text = self.builder.text();
            let extension = if self.builder.one_in(2) { ";a=b" } else { "" };
            body += &format!("{:X}{extension}\r\n{text}\r\n", text.len());
        }
        body + "0\r\n\r\n"
    }

    fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &str,
        body: &str,
        failure: Option<&'static str>,
    ) {
        self.builder.push(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}"));
        self.builder.expect(method, target, failure, 0);
    }
}
