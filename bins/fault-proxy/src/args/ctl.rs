//! Arguments of `ctl`.

use clap::{Args, Subcommand};
use fault_proxy_engine::{Millis, Ratio};
use proxy_cli::completion::one_of;
use proxy_cli::config::{did_you_mean, nearest};
use proxy_cli::secret::Secret;

use crate::ctl::complete;

const API: &str = "Control API";

/// Directions of Toxiproxy's API.
const STREAMS: [&str; 2] = ["upstream", "downstream"];

const ADD_HELP: &str = "\
Toxiproxy has some types with the same names. A number without a unit for a parameter that both have is
Toxiproxy's: rate=1000 of bandwidth is 1000 KB/s, and bytes=1000 of limit-data acts on responses only. With a
unit it is fault-proxy's: rate=1000Bps, and bytes=1000B for both directions. Write the unit.

Example:
  fault-proxy ctl fault add db latency mean=300ms stddev=40ms";

/// The control API of a running proxy.
#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    /// Address of the control API: HOST:PORT [default: FAULT_CONTROL, or 127.0.0.1:8474].
    #[arg(
        long,
        value_name = "ADDR",
        global = true,
        help_heading = API,
        env = "FAULT_CONTROL_ADDR"
    )]
    pub(crate) addr: Option<String>,
    /// Bearer token of the control API.
    #[arg(long, value_name = "TOKEN", global = true, help_heading = API, env = "FAULT_CONTROL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Secret>,
}

#[derive(Debug, Args)]
pub(crate) struct CtlArgs {
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    /// Print the response of the API as JSON.
    #[arg(long, global = true, help_heading = API)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: CtlCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CtlCommand {
    /// Show all proxies.
    List,
    /// Show a proxy and its faults.
    Inspect {
        /// Name of the proxy.
        #[arg(add = complete::proxies())]
        proxy: String,
    },
    /// Show the counts of requests, by proxy and kind.
    Requests {
        /// Name of the proxy [default: all].
        #[arg(add = complete::proxies())]
        proxy: Option<String>,
    },
    /// Create a proxy.
    Create {
        /// Name of the proxy to create.
        proxy: String,
        /// Listen address: HOST:PORT; port 0 selects a free port.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
        listen: String,
        /// Upstream: HOST:PORT, SCHEME://HOST, SCHEME://HOST:PORT or unix:/PATH.
        #[arg(long, value_name = "UPSTREAM")]
        upstream: String,
        /// Create the proxy disabled: it does not listen.
        #[arg(long)]
        disabled: bool,
    },
    /// Delete a proxy and close its sessions.
    Delete {
        /// Name of the proxy.
        #[arg(add = complete::proxies())]
        proxy: String,
    },
    /// Disable a proxy and close its sessions, or enable it again.
    Toggle {
        /// Name of the proxy.
        #[arg(add = complete::proxies())]
        proxy: String,
    },
    /// Add, change, switch and remove the faults of a proxy.
    #[command(subcommand)]
    Fault(FaultCommand),
    /// Remove all faults and enable all proxies.
    Reset,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum FaultCommand {
    /// Add a fault. It also acts on open sessions.
    #[command(after_help = ADD_HELP)]
    Add {
        /// Name of the proxy.
        #[arg(add = complete::proxies())]
        proxy: String,
        /// Type: latency, jitter, bandwidth, packet_loss, blackhole, reset, timeout, slow_close, slicer, limit_data,
        /// refuse, slow_open, corrupt, or a toxic of Toxiproxy's API.
        #[arg(value_name = "TYPE", add = complete::types())]
        kind: String,
        /// Parameters of the fault.
        #[arg(value_name = "KEY=VALUE", value_parser = attribute, add = complete::attributes())]
        attributes: Vec<(String, String)>,
        /// Name of the fault [default: its type and stream].
        #[arg(long)]
        name: Option<String>,
        /// Direction that the fault acts on: upstream (requests) or downstream (responses) [default: that of its type].
        #[arg(long, value_parser = stream, add = one_of(&STREAMS))]
        stream: Option<String>,
        /// Share of sessions that the fault acts on, 0 to 1 [default: 1].
        #[arg(long, value_name = "SHARE", value_parser = share, allow_hyphen_values = true)]
        toxicity: Option<f64>,
        /// Time after which the fault is removed, for example 30s [default: the fault stays].
        #[arg(long, value_name = "TIME", value_parser = ttl, allow_hyphen_values = true)]
        ttl: Option<String>,
    },
    /// Change a fault.
    Update {
        /// Name of the proxy.
        #[arg(add = complete::proxies())]
        proxy: String,
        /// Name of the fault.
        #[arg(add = complete::faults_of_proxy())]
        fault: String,
        /// Parameters to change.
        #[arg(value_name = "KEY=VALUE", value_parser = attribute, add = complete::attributes())]
        attributes: Vec<(String, String)>,
        /// Share of sessions that the fault acts on, 0 to 1.
        #[arg(long, value_name = "SHARE", value_parser = share, allow_hyphen_values = true)]
        toxicity: Option<f64>,
        /// Time from now after which the fault is removed, for example 30s [default: as before].
        #[arg(long, value_name = "TIME", value_parser = ttl, allow_hyphen_values = true)]
        ttl: Option<String>,
    },
    /// Switch a fault off. It keeps its parameters and its measurements.
    Disable {
        /// Name of the proxy.
        #[arg(add = complete::proxies())]
        proxy: String,
        /// Name of the fault.
        #[arg(add = complete::faults_of_proxy())]
        fault: String,
    },
    /// Switch a fault on again.
    Enable {
        /// Name of the proxy.
        #[arg(add = complete::proxies())]
        proxy: String,
        /// Name of the fault.
        #[arg(add = complete::faults_of_proxy())]
        fault: String,
    },
    /// Remove a fault.
    Remove {
        /// Name of the proxy.
        #[arg(add = complete::proxies())]
        proxy: String,
        /// Name of the fault.
        #[arg(add = complete::faults_of_proxy())]
        fault: String,
    },
}

/// Parses KEY=VALUE.
pub(crate) fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Parses a share of sessions. The API would limit an invalid share without an error, as Toxiproxy does.
fn share(text: &str) -> Result<f64, String> {
    text.parse::<Ratio>().map(Ratio::fraction).map_err(|error| error.to_string())
}

/// Checks a time to live. It requires a unit, because a bare number is in seconds in `--duration` of `run`,
/// but in milliseconds in the API.
fn ttl(text: &str) -> Result<String, String> {
    // The API has a lower limit than other times.
    let with_limit = |error: String| error.replace("use 8760h (a year) at most", "use 168h (a week) at most");
    text.parse::<Millis>().map_err(|error| with_limit(error.to_string()))?;
    match text.parse::<f64>() {
        Ok(_) => Err(format!("no unit: use {text}s for seconds, or {text}ms")),
        Err(_) => Ok(text.to_owned()),
    }
}

/// Parses a stream of the API, which ignores letter case.
fn stream(text: &str) -> Result<String, String> {
    if STREAMS.iter().any(|stream| text.eq_ignore_ascii_case(stream)) {
        return Ok(text.to_owned());
    }
    let way_out = match text.to_ascii_lowercase().as_str() {
        "both" => "; for both directions use the parameter direction=both".to_owned(),
        "up" | "request" | "requests" => did_you_mean(Some(STREAMS[0])),
        "response" | "responses" | "replies" => did_you_mean(Some(STREAMS[1])),
        other => did_you_mean(nearest(other, STREAMS)),
    };
    Err(format!("expected upstream (requests) or downstream (responses){way_out}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_a_key_and_a_value() {
        assert_eq!(attribute("x=a=b"), Ok(("x".to_owned(), "a=b".to_owned())));
        assert_eq!(attribute("x="), Ok(("x".to_owned(), String::new())));
        assert!(attribute("latency").is_err() && attribute("=1").is_err());
    }

    #[test]
    fn a_time_to_live_has_a_unit() {
        assert_eq!(ttl("30s"), Ok("30s".to_owned()));
        assert_eq!(ttl("30").expect_err("no unit"), "no unit: use 30s for seconds, or 30ms");
        assert!(ttl("9000h").expect_err("too long").contains("168h (a week)"));
        assert!(ttl("soon").expect_err("no time").contains("is not a time"));
    }

    #[test]
    fn a_share_is_at_most_1() {
        assert_eq!(share("0.5"), Ok(0.5));
        for text in ["1.5", "-1", "half"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_misspelled_stream_suggests_the_right_one() {
        for (text, words) in [
            ("upsteam", "; did you mean `upstream`?"),
            ("downstraem", "; did you mean `downstream`?"),
            ("Down", "; did you mean `downstream`?"),
            ("up", "; did you mean `upstream`?"),
            ("responses", "; did you mean `downstream`?"),
            ("both", "use the parameter direction=both"),
            ("sideways", "or downstream (responses)"),
        ] {
            let error = stream(text).expect_err(text);
            assert!(error.ends_with(words), "{text}: {error}");
        }
        assert_eq!(stream("UPstream"), Ok("UPstream".to_owned()));
    }
}
