//! A run with a control API, and requests to it.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::Path;

use serde_json::{Value, json};
use testkit::{Daemon, free_addr};
use ureq::http::{Method, Request};
use ureq::{Agent, Body, http::Response};

use crate::support::{BINARY, PATIENCE, patient};

/// `fault-proxy run` with a control API on a free port.
pub(crate) struct Api {
    daemon: Daemon,
    /// `HOST:PORT`.
    pub(crate) addr: String,
    agent: Agent,
}

impl Api {
    /// With nothing else.
    pub(crate) fn alone() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(options: &[&str]) -> Self {
        Self::on("127.0.0.1:0", options)
    }

    pub(crate) fn on(control: &str, options: &[&str]) -> Self {
        let args = [&["run", "--control", control], options].concat();
        Self::of(Daemon::spawn(Path::new(BINARY), &args, &[]))
    }

    /// That of a program that logs its address.
    pub(crate) fn of(daemon: Daemon) -> Self {
        let line = daemon.wait_for_line("control API on http://");
        let addr = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .expect("an address");
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Self { daemon, addr: addr.to_owned(), agent: config.new_agent() }
    }

    /// The status and the body, as it is.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let mut answer = self.answer(method, path, body, headers);
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("it is whole"))
    }

    pub(crate) fn answer(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let mut request = Request::builder()
            .method(method.parse::<Method>().expect("a method"))
            .uri(format!("http://{}{path}", self.addr));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_owned()).expect("a request");
        self.agent.run(request).expect("it answers")
    }

    /// The status and the body, as JSON.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = self.send(method, path, &body, &[]);
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The body of an answer that is a success.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask("POST", path, body);
        assert!((200..300).contains(&status), "{path} {body}: {status} {answer}");
        answer
    }

    pub(crate) fn delete(&self, path: &str) {
        assert_eq!(self.ask("DELETE", path, &Value::Null), (204, Value::Null), "{path}");
    }
}

impl Deref for Api {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

/// Creates a proxy called `name` on a free port that no other test takes while the proxy is disabled.
pub(crate) fn create(api: &Api, name: &str, upstream: SocketAddr) -> SocketAddr {
    let listen = free_addr().to_string();
    let spec = json!({"name": name, "listen": listen, "upstream": upstream.to_string()});
    listen_of(&api.post("/proxies", &spec))
}

pub(crate) fn listen_of(proxy: &Value) -> SocketAddr {
    proxy["listen"].as_str().and_then(|listen| listen.parse().ok()).expect("an address with its port")
}

pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(addr).expect("it listens"))
}

pub(crate) fn is_refused(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}
