use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use fault_proxy_protocol::Protocol;
use testkit::session::printed;
use testkit::{Nginx, free_port, require};

use crate::relay::{Found, Relay};
use crate::scripts::{node, python};

const SIZE: usize = 100_000;

/// Serves `/file` with its length, `/ssi/file` in chunks, events with a length below `/events` and in chunks below `/feed`, and takes
/// PUT below `/put`.
struct Site {
    relay: Relay,
    _server: Nginx,
    _root: tempfile::TempDir,
}

impl Site {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("the temporary directory is writable");
        for directory in ["ssi", "put", "events", "feed"] {
            fs::create_dir(root.path().join(directory)).expect("the directory is ours");
        }
        for file in ["file", "ssi/file"] {
            fs::write(root.path().join(file), "x".repeat(SIZE)).expect("the directory is ours");
        }
        for file in ["events/five", "feed/five"] {
            fs::write(root.path().join(file), ": hello\n\n".to_owned() + &"id: 1\ndata: x\n\n".repeat(5))
                .expect("the directory is ours");
        }
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let config = format!(
            "events {{}} http {{ server {{ listen {listen}; root '{}'; default_type text/html; client_max_body_size 1m;\n\
             location /events {{ default_type text/event-stream; }}\n\
             location /feed {{ default_type text/event-stream; ssi on; ssi_types text/event-stream; }}\n\
             location /ssi {{ ssi on; }} location /put {{ dav_methods PUT; }} location /busy {{ return 503; }} }} }}",
            root.path().display()
        );
        let server = Nginx::start(&config, listen);
        Self { relay: Relay::start(Protocol::Http, listen.port()), _server: server, _root: root }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.relay.port)
    }

    /// Returns what curl prints, and what the framers have found.
    fn curl(&self, options: &[&str]) -> (String, Found) {
        let output = Command::new(require("curl", "curl"))
            .args(["-q", "--noproxy", "*", "-sS", "--max-time", "60"])
            .args(options)
            .output()
            .expect("it is executable");
        (printed(&output), self.relay.found())
    }

    /// Sends the bytes and returns the number of bytes of the response until the server closes.
    fn send(&self, requests: &str) -> (usize, Found) {
        let mut stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.relay.port)).expect("the relay listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
        stream.write_all(requests.as_bytes()).expect("the relay reads");
        stream.shutdown(Shutdown::Write).expect("the stream is open");
        let mut responses = Vec::new();
        stream.read_to_end(&mut responses).expect("the relay closes");
        (responses.len(), self.relay.found())
    }
}

#[test]
fn curl_keeps_a_connection_to_nginx_alive() {
    let site = Site::start();
    let urls = ["/file", "/ssi/file", "/missing?a=b", "/busy"].map(|path| site.url(path));
    let (body, found) = site.curl(&urls.each_ref().map(String::as_str));
    assert!(body.len() > 2 * SIZE);
    found.assert_complete();
    assert_eq!(found.keys, ["/file", "/ssi/file", "/missing?a=b", "/busy"]);
    assert_eq!((found.count("GET"), found.failures), (4, vec!["404".to_owned(), "503".to_owned()]));

    let (file, ssi) = (site.url("/file"), site.url("/ssi/file"));
    let (_, found) = site.curl(&["-I", &file, &ssi, &file]);
    found.assert_complete();
    assert_eq!((found.count("HEAD"), found.failures.len()), (3, 0));
}

#[test]
fn a_file_that_has_not_changed_has_no_content() {
    let site = Site::start();
    let (file, ssi) = (site.url("/file"), site.url("/ssi/file"));
    let options = ["-H", "If-None-Match: *", "-w", "%{http_code} "];
    let (printed, found) = site.curl(&[&options, &[&*file, &*file, &*ssi][..]].concat());
    assert!(printed.starts_with("304 304 "), "{}", &printed[..20]);
    found.assert_complete();
    assert_eq!((found.answered, found.failures.len()), (3, 0));
}

#[test]
fn curl_sends_bodies_after_100_continue() {
    let site = Site::start();
    let (one, two) = (site.url("/put/one"), site.url("/put/two"));
    let body = "y".repeat(50_000);
    let expect = ["-X", "PUT", "-d", &body, "-H", "Expect: 100-continue", "--expect100-timeout", "30"];
    for options in [&expect[..], &[&expect[..], &["-H", "Transfer-Encoding: chunked"]].concat()] {
        let (codes, found) = site.curl(&[options, &["-w", "%{http_code} ", &one, &two]].concat());
        assert!(codes.contains("201") || codes.contains("204"), "{codes}");
        found.assert_complete();
        assert_eq!((found.count("PUT"), found.failures.len()), (2, 0));
    }
    // nginx refuses a large body before the client has sent it.
    let large = "y".repeat(2_000_000);
    let file = tempfile::NamedTempFile::new().expect("the temporary directory is writable");
    fs::write(&file, &large).expect("the file is ours");
    let path = format!("@{}", file.path().display());
    let (_, found) =
        site.curl(&["-X", "PUT", "--data-binary", &path, "-H", "Expect: 100-continue", &one, &one]);
    assert_eq!((found.begun, found.answered, &found.opaque[..]), (2, 2, &[][..]), "{found:?}");
    assert_eq!(found.failures, ["413", "413"]);
}

#[test]
fn nginx_responds_to_a_pipeline_in_order() {
    let site = Site::start();
    let requests: String = (0..50)
        .map(|index| match index % 5 {
            0 => "GET /file HTTP/1.1\r\nHost: a\r\n\r\n",
            1 => "HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n",
            2 => "GET /ssi/file HTTP/1.1\r\nHost: a\r\n\r\n",
            3 => {
                "PUT /put/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n"
            }
            _ => "\r\nPOST /busy HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /",
        })
        .collect();
    let (length, found) = site.send(&requests);
    assert!(length > 20 * SIZE, "{length}");
    found.assert_complete();
    assert_eq!(found.failures, ["503"; 10]);
    let counts = ["GET", "HEAD", "PUT", "POST"].map(|kind| found.count(kind));
    assert_eq!(counts, [20, 10, 10, 10]);

    // The body lasts until the close, because HTTP/1.0 has no chunks.
    let (length, found) = site.send("GET /ssi/file HTTP/1.0\r\n\r\n");
    assert!(length > SIZE);
    assert_eq!((found.begun, found.sent, found.answered, found.opaque.len()), (1, 1, 0, 0), "{found:?}");
}

#[test]
fn each_event_of_a_stream_is_a_part() {
    let site = Site::start();
    let urls = ["/events/five", "/feed/five"].map(|path| site.url(path));
    for options in [&["-N"][..], &["--compressed"], &["--http1.0"]] {
        let (printed, found) = site.curl(&[options, &[&*urls[0], &*urls[1]]].concat());
        assert_eq!(printed.matches("data: x").count(), 10);
        assert_eq!((found.begun, found.parts, found.opaque.len()), (2, 10, 0), "{options:?} {found:?}");
    }
}

#[test]
fn clients_of_python_are_read() {
    let site = Site::start();
    for (module, open) in [("requests", "requests.Session()"), ("httpx", "httpx.Client()")] {
        let script = format!("import {module}\nclient = {open}\n{PYTHON}");
        python(&site.relay, module, &script);
        let found = site.relay.found();
        found.assert_complete();
        let expected = ["/file", "/ssi/file", "/missing?a=b", "/put/a", "/put/b", "/file", "/events/five"];
        assert_eq!(found.keys, expected, "{module}");
        let counts = ["GET", "PUT", "HEAD"].map(|kind| found.count(kind));
        assert_eq!((counts, found.parts, found.failures), ([4, 2, 1], 5, vec!["404".to_owned()]), "{module}");
    }
}

const PYTHON: &str = r#"
url = f"http://127.0.0.1:{port}"
assert len(client.get(f"{url}/file").content) == 100_000
assert len(client.get(f"{url}/ssi/file").content) == 100_000
assert client.get(f"{url}/missing", params={"a": "b"}).status_code == 404
assert client.put(f"{url}/put/a", data=b"x" * 5000).status_code in (201, 204)
# In chunks, because the length of a generator is not known.
assert client.put(f"{url}/put/b", data=(b"x" * 500 for _ in range(5))).status_code in (201, 204)
assert client.head(f"{url}/file").headers["content-length"] == "100000"
assert client.get(f"{url}/events/five").text.count("data: x") == 5
client.close()
"#;

#[test]
fn fetch_of_node_reads_and_sends_streams() {
    let site = Site::start();
    // `fetch` is part of Node; any package will do.
    node(
        &site.relay,
        "pg",
        r#"
const url = `http://127.0.0.1:${port}`;
for (let i = 0; i < 5; i++) {
  if ((await (await fetch(`${url}/file`)).text()).length !== 100_000) throw new Error("short");
}
if ((await fetch(`${url}/busy`, { method: "POST", body: "x" })).status !== 503) throw new Error("not busy");
const body = new Blob(["x".repeat(5000)]).stream();
const sent = await fetch(`${url}/put/a`, { method: "PUT", body, duplex: "half" });
if (!sent.ok) throw new Error(sent.status);
let text = "";
for await (const piece of (await fetch(`${url}/feed/five`)).body) text += new TextDecoder().decode(piece);
if (text.split("data: x").length !== 6) throw new Error(text);
"#,
    );
    let found = site.relay.found();
    found.assert_complete();
    let counts = ["GET", "POST", "PUT"].map(|kind| found.count(kind));
    assert_eq!((counts, found.parts, found.failures), ([6, 1, 1], 5, vec!["503".to_owned()]));
}
