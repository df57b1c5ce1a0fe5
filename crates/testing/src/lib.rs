#![doc = include_str!("../README.md")]

mod api;
mod error;
mod program;
mod proxy;

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use api::Api;
use program::Program;

pub use error::Error;
pub use proxy::{Fault, Outage, Proxy};
pub use serde_json::json;

// Compiles the test that the README of the repository shows.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct _ReadmeOfTheRepository;

/// A running fault-proxy. Dropping it ends the program with all its connections.
///
/// If it is dropped because a test panics, it prints its proxies and the log of the program, which libtest shows for the failed
/// test. On Unix the program also ends if the test process ends without dropping it, for example because the value is in a
/// `static` or the process was killed.
#[derive(Debug)]
pub struct FaultProxy {
    api: Arc<Api>,
    program: Program,
}

/// Settings of a [`FaultProxy`] before it starts.
#[derive(Debug, Default)]
pub struct Builder {
    program: Option<PathBuf>,
    args: Vec<OsString>,
}

impl FaultProxy {
    /// Starts the program that the variable `FAULT_PROXY_BIN` names, or the first one on `PATH`.
    ///
    /// # Errors
    ///
    /// Returns an error if the program does not exist or does not start.
    pub fn start() -> Result<Self, Error> {
        Builder::default().start()
    }

    /// Returns settings to change before the start.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the URL of the control API, `http://127.0.0.1:PORT`. Clients of Toxiproxy can use it too.
    pub fn url(&self) -> &str {
        self.api.url()
    }

    /// Starts a proxy on a free port of 127.0.0.1.
    ///
    /// `upstream` is `HOST:PORT`, or the right side of a mapping, for example `https://web` or `psqls://db`.
    ///
    /// # Errors
    ///
    /// Returns an error if a proxy with this name exists or the upstream is not valid.
    pub fn proxy(&self, name: &str, upstream: impl Display) -> Result<Proxy, Error> {
        let spec = json!({"name": name, "listen": "127.0.0.1:0", "upstream": upstream.to_string()});
        let made = self.api.post(&["proxies"], &spec)?;
        let addr = made["listen"].as_str().and_then(|listen| listen.parse().ok());
        let addr = addr.ok_or_else(|| Error::unexpected(self.url(), &made))?;
        Ok(Proxy::new(self.api.clone(), name, addr))
    }

    /// Removes all faults and ends all outages. The proxies stay.
    ///
    /// # Errors
    ///
    /// Returns an error if the program has ended.
    pub fn reset(&self) -> Result<(), Error> {
        self.api.post(&["reset"], &json!({})).map(drop)
    }

    /// Returns the latest 10,000 log lines of the program.
    pub fn log(&self) -> Vec<String> {
        self.program.lines()
    }
}

impl Drop for FaultProxy {
    #[allow(clippy::print_stderr, reason = "libtest shows it for the test that fails")]
    fn drop(&mut self) {
        if thread::panicking() {
            let proxies = self.api.get(&["proxies"]);
            let proxies = proxies.map_or_else(|error| error.to_string(), |proxies| proxies.to_string());
            eprintln!("fault-proxy: {proxies}\n{}", self.log().join("\n"));
        }
    }
}

impl Builder {
    /// Sets the path of the program.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Adds arguments of `fault-proxy run`, for example `["--journal", "run.jsonl"]`.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    ///
    /// Returns an error if the program does not exist or does not start.
    pub fn start(self) -> Result<FaultProxy, Error> {
        let file = self.program.map_or_else(program::find, Ok)?;
        let (program, url) = Program::start(&file, &self.args)?;
        Ok(FaultProxy { api: Arc::new(Api::new(url)), program })
    }
}
