//! Requests to the control API.

use std::io::{self, BufRead, BufReader};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use fault_proxy_control::proxies::{ProxyHistory, State};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proxy_cli::addr::Endpoint;
use proxy_cli::config::{did_you_mean, nearest};
use proxy_cli::health::from_here;
use proxy_cli::secret::Secret;
use proxy_cli::terminal::{escape_control, plain_lines};
use serde_json::Value;
use ureq::http::request::Builder;
use ureq::http::{Request, Response, StatusCode};
use ureq::{Agent, AsSendBody, Body};

/// Time limit of a request. It is longer than the limit of the API for a change.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Characters to escape in a segment of a path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// End of the error about a new fault whose name is taken.
pub(crate) const EXISTS_WAY_OUT: &str = "update or remove it, or use another name";

/// Default address of the API.
const DEFAULT_ADDR: &str = "127.0.0.1:8474";

/// Returns the address to connect to: `given`, or the address of a proxy that was started with `control` as
/// value of `--control`.
///
/// # Errors
/// Returns an error if `control` is `off` or is not an address.
pub(crate) fn addr(given: Option<String>, control: Option<String>) -> Result<String> {
    let (None, Some(control)) = (&given, control) else {
        return Ok(given.unwrap_or_else(|| DEFAULT_ADDR.to_owned()));
    };
    match control.parse() {
        Ok(Endpoint(Some(addr))) => Ok(from_here(&addr).to_string()),
        Ok(Endpoint(None)) => bail!("the control API is off: FAULT_CONTROL is `off`; set --addr"),
        Err(error) => bail!("FAULT_CONTROL: {error}"),
    }
}

/// Client of the API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    agent: Agent,
    base: String,
    /// Flag that sets the address, for error messages.
    flag: &'static str,
    authorization: Option<String>,
}

impl Api {
    /// Creates a client. `flag` is the flag that sets the address, and `timeout` the time limit of each
    /// request.
    pub(crate) fn new(addr: &str, token: Option<&Secret>, flag: &'static str, timeout: Duration) -> Self {
        let addr = addr.strip_prefix("http://").unwrap_or(addr).trim_end_matches('/');
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(timeout))
            .user_agent(concat!("fault-proxy/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.new_agent(),
            base: format!("http://{addr}"),
            flag,
            authorization: token.map(|token| format!("Bearer {}", token.expose())),
        }
    }

    pub(crate) fn get(&self, path: &[&str]) -> Result<Value> {
        self.send(path, Request::get(self.url(path)), ())
    }

    pub(crate) fn delete(&self, path: &[&str]) -> Result<Value> {
        self.send(path, Request::delete(self.url(path)), ())
    }

    pub(crate) fn post(&self, path: &[&str], body: &Value) -> Result<Value> {
        let request = Request::post(self.url(path)).header("content-type", "application/json");
        let sent = self.send(path, request, body.to_string());
        sent.map_err(|error| match (path, error.to_string().as_str()) {
            (["proxies"], "proxy already exists") => {
                anyhow!("{error}: {}; delete it, or use another name", named(&body["name"]))
            }
            (["proxies", proxy, "toxics"], "toxic already exists") => anyhow!(
                "{error}: {} of {}; {EXISTS_WAY_OUT}",
                named(&self.name_of_new(proxy, body)),
                escape_control(proxy)
            ),
            _ => error,
        })
    }

    /// Returns the name that the API gives to a fault: that of the request, or its type and stream.
    fn name_of_new(&self, proxy: &str, fault: &Value) -> Value {
        if fault["name"].is_string() {
            return fault["name"].clone();
        }
        // Without a stream in the request, the type determines the stream.
        let start = fault["type"].as_str().unwrap_or_default().replace('-', "_")
            + "_"
            + fault["stream"].as_str().unwrap_or_default();
        let all = self.get(&["proxies", proxy, "toxics"]).unwrap_or_default();
        let mut names = all.as_array().into_iter().flatten().map(|fault| &fault["name"]);
        names
            .find(|name| name.as_str().is_some_and(|name| name.starts_with(&start)))
            .cloned()
            .unwrap_or_default()
    }

    fn url(&self, path: &[&str]) -> String {
        let segments = path.iter().map(|segment| format!("/{}", utf8_percent_encode(segment, ENCODED)));
        segments.fold(self.base.clone(), |url, segment| url + &segment)
    }

    /// Returns the address, as in `http://127.0.0.1:8474`.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Returns the state of all proxies: the first event of `GET /events`.
    pub(crate) fn state(&self) -> Result<State> {
        let path = ["events"];
        let response = self.call(&path, Request::get(self.url(&path)), ())?;
        let no_state = || anyhow!("{} does not send the state of its proxies", self.base);
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            if let Some(state) = line.context("the response is incomplete")?.strip_prefix("data:") {
                return serde_json::from_str(state).with_context(no_state);
            }
        }
        Err(no_state())
    }

    /// Returns the samples of the last minute.
    pub(crate) fn history(&self) -> Result<Vec<ProxyHistory>> {
        let mut history = self.get(&["history"])?;
        serde_json::from_value(history["proxies"].take()).context("the history is incomplete")
    }

    /// Sends a request. Returns the response, which is `null` if it is empty.
    fn send(&self, path: &[&str], request: Builder, body: impl AsSendBody) -> Result<Value> {
        let mut response = self.call(path, request, body)?;
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let text = response.body_mut().read_to_string().context("the response is incomplete")?;
        serde_json::from_str(&text).map_err(|_| self.no_api(status))
    }

    /// Returns a response whose status is a success.
    fn call(&self, path: &[&str], mut request: Builder, body: impl AsSendBody) -> Result<Response<Body>> {
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let answer =
            request.body(body).map_err(ureq::Error::from).and_then(|request| self.agent.run(request));
        let mut answer = answer.map_err(|error| self.unreached(error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.body_mut().read_to_string().context("the response is incomplete")?;
        let body: Value = serde_json::from_str(&text).map_err(|_| self.no_api(status))?;
        let problem = body["error"].as_str().ok_or_else(|| self.no_api(status))?;
        // Users of a command line have not written a body.
        let problem = plain_lines(problem.strip_prefix("bad request body: ").unwrap_or(problem));
        match (status, path) {
            (StatusCode::UNAUTHORIZED, _) if self.authorization.is_some() => {
                bail!(
                    "the control API at {} does not accept the token of --token or FAULT_CONTROL_TOKEN",
                    self.base
                )
            }
            (StatusCode::UNAUTHORIZED, _) => bail!("{problem}: set --token or FAULT_CONTROL_TOKEN"),
            (StatusCode::NOT_FOUND, ["proxies", proxy, rest @ ..]) => {
                Err(self.not_found(&problem, proxy, rest.get(1).copied()))
            }
            _ => Err(Error::msg(problem)),
        }
    }

    fn no_api(&self, status: StatusCode) -> Error {
        anyhow!("{} is not a control API: it responds with {status}; set {}", self.base, self.flag)
    }

    fn unreached(&self, error: ureq::Error) -> Error {
        let Self { base, flag, .. } = self;
        match error {
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => anyhow!(
                "cannot connect to the control API at {base}: connection refused; start it with `fault-proxy run --control ADDR`, or \
                 set {flag}"
            ),
            ureq::Error::Protocol(error) => {
                anyhow!("{base} is not a control API: it does not respond with HTTP ({error}); set {flag}")
            }
            // The kinds of ureq are not for users.
            ureq::Error::Io(error) => {
                anyhow!("cannot connect to the control API at {base}: {error}; set {flag}")
            }
            error => anyhow!("cannot connect to the control API at {base}: {error}; set {flag}"),
        }
    }

    /// Adds the requested name and the most similar existing one.
    fn not_found(&self, problem: &str, proxy: &str, fault: Option<&str>) -> Error {
        let names = |path: &[&str]| match self.get(path) {
            Ok(Value::Object(proxies)) => proxies.keys().cloned().collect(),
            Ok(Value::Array(faults)) => {
                faults.iter().filter_map(|fault| fault["name"].as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        let (name, there) = match fault {
            Some(fault) if problem.starts_with("toxic") => (fault, names(&["proxies", proxy, "toxics"])),
            _ => (proxy, names(&["proxies"])),
        };
        let meant = did_you_mean(nearest(name, there.iter().map(String::as_str)));
        anyhow!("{problem}: `{}`{}", escape_control(name), escape_control(&meant))
    }
}

fn named(name: &Value) -> String {
    format!("`{}`", escape_control(name.as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_given_one_or_that_of_the_proxy() {
        let found = |given: Option<&str>, control: Option<&str>| {
            addr(given.map(str::to_owned), control.map(str::to_owned)).map_err(|error| error.to_string())
        };
        assert_eq!(found(None, None).unwrap(), "127.0.0.1:8474");
        assert_eq!(found(None, Some("127.0.0.1:9000")).unwrap(), "127.0.0.1:9000");
        assert_eq!(found(None, Some(":9000")).unwrap(), "127.0.0.1:9000");
        assert_eq!(found(Some("db:1"), Some("off")).unwrap(), "db:1");
        assert_eq!(
            found(None, Some("off")).unwrap_err(),
            "the control API is off: FAULT_CONTROL is `off`; set --addr"
        );
        assert!(found(None, Some("9000")).unwrap_err().starts_with("FAULT_CONTROL: "));
    }
}
