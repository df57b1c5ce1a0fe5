//! The program `toxiproxy-cli`.

use std::ffi::OsString;
use std::io::{IsTerminal, stdout};

use anyhow::Result;
use clap::{ArgAction, Args, Parser, Subcommand};
use proxy_cli::args::{Hint, parse_typed};
use proxy_cli::secret::Secret;
use proxy_cli::terminal::{escape_control, print};
use serde_json::{Value, json};

use super::{boolean, text, with_long_flags};
use crate::args::attribute;
use crate::ctl::{self, Api, TIMEOUT};

/// Inspects and changes proxies and toxics, with the command line of Toxiproxy's client.
///
/// Flags take one or two dashes.
#[derive(Debug, Parser)]
#[command(name = "toxiproxy-cli", version = concat!("version ", env!("CARGO_PKG_VERSION")), max_term_width = 110)]
#[command(disable_help_flag = true, disable_version_flag = true, args_override_self = true)]
struct Cli {
    /// URL of the API; also -h, which is a request for help without a URL.
    #[arg(
        long,
        alias = "h",
        value_name = "URL",
        global = true,
        env = "TOXIPROXY_URL",
        default_value = "http://localhost:8474"
    )]
    host: String,
    /// Bearer token of the API.
    #[arg(long, value_name = "TOKEN", global = true, env = "FAULT_CONTROL_TOKEN", hide_env_values = true)]
    token: Option<Secret>,
    /// Print help.
    #[arg(long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version; also -v.
    #[arg(long, alias = "v", action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

const HINTS: [Hint; 1] = [(
    "*",
    "this is fault-proxy with the command line of Toxiproxy's client: its commands are list, inspect, create, toggle, delete and toxic",
)];

#[derive(Debug, Subcommand)]
enum Command {
    /// List all proxies.
    #[command(visible_aliases = ["l", "li", "ls"])]
    List,
    /// Show the toxics of a proxy.
    #[command(visible_aliases = ["i", "ins"])]
    Inspect(Proxy),
    /// Create a proxy.
    #[command(visible_aliases = ["c", "new"])]
    Create {
        /// Listen address; also -l.
        #[arg(long, alias = "l", value_name = "ADDR")]
        listen: String,
        /// Address of the upstream; also -u.
        #[arg(long, alias = "u", value_name = "ADDR")]
        upstream: String,
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Disable a proxy, or enable it again.
    #[command(visible_alias = "tog")]
    Toggle(Proxy),
    /// Delete a proxy.
    #[command(visible_alias = "d")]
    Delete(Proxy),
    /// Add, update or remove a toxic.
    #[command(subcommand, visible_alias = "t")]
    Toxic(Toxic),
}

#[derive(Debug, Args)]
struct Proxy {
    /// Name of the proxy.
    #[arg(id = "proxy", value_name = "PROXY")]
    name: String,
}

#[derive(Debug, Subcommand)]
enum Toxic {
    /// Add a toxic.
    #[command(visible_alias = "a")]
    Add {
        /// Type of the toxic, for example latency; also -t.
        #[arg(long = "type", alias = "t", value_name = "TYPE")]
        kind: String,
        /// Name of the toxic; also -n [default: its type and stream].
        #[arg(long = "toxicName", alias = "n", value_name = "NAME")]
        name: Option<String>,
        /// Add the toxic to the requests; also -u.
        #[arg(long, alias = "u", value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_parser = boolean, hide_default_value = true)]
        upstream: bool,
        /// Add the toxic to the responses, which is the default; also -d.
        #[arg(long, alias = "d", value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_parser = boolean, hide_default_value = true, conflicts_with = "upstream")]
        downstream: bool,
        #[command(flatten)]
        parameters: Parameters,
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Update a toxic.
    #[command(visible_alias = "u")]
    Update {
        /// Name of the toxic; also -n.
        #[arg(long = "toxicName", alias = "n", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        parameters: Parameters,
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Remove a toxic.
    #[command(visible_aliases = ["r", "delete", "d"])]
    Remove {
        /// Name of the toxic; also -n.
        #[arg(long = "toxicName", alias = "n", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        proxy: Proxy,
    },
}

#[derive(Debug, Args)]
struct Parameters {
    /// Share of connections that the toxic acts on, 0 to 1; also -tox [default: 1].
    #[arg(long, alias = "tox", value_name = "SHARE", value_parser = share)]
    toxicity: Option<f64>,
    /// Attribute of the toxic; can be repeated, or be a list with commas; also -a.
    #[arg(long = "attribute", alias = "a", value_name = "KEY=VALUE", value_delimiter = ',', value_parser = attribute)]
    attributes: Vec<(String, String)>,
}

impl Parameters {
    /// Returns the body of a request. `kind` is empty for an update, because the type of the toxic is not
    /// known here.
    fn request(&self, kind: &str) -> Value {
        let mut request = json!({"attributes": ctl::read_attributes(kind, &self.attributes)});
        if let Some(toxicity) = self.toxicity {
            request["toxicity"] = toxicity.into();
        }
        request
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number between 0 and 1".to_owned())
}

/// Runs the program with these arguments. Exits if they are invalid.
pub(crate) fn cli(typed: &[OsString]) -> Result<()> {
    let mut args = with_long_flags(typed);
    // Without a URL after it, `-h` is a request for help.
    if let Some(last) = args.last_mut().filter(|last| *last == "--h") {
        *last = "--help".into();
    }
    let cli: Cli = parse_typed(&args, typed, &HINTS);
    let api = Api::new(&cli.host, cli.token.as_ref(), "--host", TIMEOUT);
    let done = cli.command.run(&api, stdout().is_terminal())?;
    if !done.is_empty() {
        print(done)?;
    }
    Ok(())
}

impl Command {
    /// Runs the command. Returns the text to print.
    fn run(&self, api: &Api, is_terminal: bool) -> Result<String> {
        Ok(match self {
            Self::List => {
                let proxies = api.get(&["proxies"])?;
                if is_terminal { ctl::list(&proxies) } else { text::list(&proxies) }
            }
            Self::Inspect(Proxy { name }) => {
                let proxy = api.get(&["proxies", name])?;
                if is_terminal { ctl::inspect(&proxy) } else { text::inspect(&proxy) }
            }
            Self::Create { listen, upstream, proxy: Proxy { name } } => {
                api.post(&["proxies"], &json!({"name": name, "listen": listen, "upstream": upstream}))?;
                format!("Created new proxy {}", escape_control(name))
            }
            Self::Toggle(Proxy { name }) => {
                let proxy = ctl::toggle(api, name)?;
                format!("Proxy {} is now {}", escape_control(name), text::state(&proxy))
            }
            Self::Delete(Proxy { name }) => {
                api.delete(&["proxies", name])?;
                format!("Deleted proxy {}", escape_control(name))
            }
            Self::Toxic(toxic) => toxic.run(api)?,
        })
    }
}

impl Toxic {
    fn run(&self, api: &Api) -> Result<String> {
        let (done, toxic, proxy) = match self {
            Self::Add { kind, name, upstream, parameters, proxy: Proxy { name: proxy }, .. } => {
                let mut request = parameters.request(kind);
                request["type"] = kind.as_str().into();
                request["stream"] = if *upstream { "upstream" } else { "downstream" }.into();
                if let Some(name) = name {
                    request["name"] = name.as_str().into();
                }
                let added = api.post(&["proxies", proxy, "toxics"], &request);
                let added = added.map_err(|error| ctl::with_types(error, kind))?;
                let [stream, kind, name] = ["stream", "type", "name"].map(|field| text::shown(&added[field]));
                (format!("Added {stream} {kind}"), name, proxy)
            }
            Self::Update { name, parameters, proxy: Proxy { name: proxy } } => {
                api.post(&["proxies", proxy, "toxics", name], &parameters.request(""))?;
                ("Updated".to_owned(), escape_control(name), proxy)
            }
            Self::Remove { name, proxy: Proxy { name: proxy } } => {
                api.delete(&["proxies", proxy, "toxics", name])?;
                ("Removed".to_owned(), escape_control(name), proxy)
            }
        };
        Ok(format!("{done} toxic '{toxic}' on proxy '{}'", escape_control(proxy)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
