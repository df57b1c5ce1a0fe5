//! The command `ctl`, which inspects and changes a run through its control API.

mod api;
mod attributes;
pub(crate) mod complete;
mod tables;

use std::{env, fmt};

use anyhow::{Context, Error, Result, anyhow};
use fault_proxy_engine::faults;
use proxy_cli::config::{did_you_mean, nearest};
use proxy_cli::terminal::print;
use serde_json::{Value, json};

pub(crate) use self::api::{Api, EXISTS_WAY_OUT, TIMEOUT};
pub(crate) use self::attributes::{read as read_attributes, shared_with_toxic};
pub(crate) use self::tables::{inspect, list};
use crate::args::{ApiArgs, CtlArgs, CtlCommand, FaultCommand};

/// Arguments that the program refuses before it sends a request.
#[derive(Debug)]
pub(crate) struct WrongUsage(Error);

impl fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for WrongUsage {}

/// Variable with the address of the control API of `run`.
const CONTROL: &str = "FAULT_CONTROL";

pub(crate) fn ctl(args: &CtlArgs) -> Result<()> {
    let api = connect(&args.api)?;
    let answer = match &args.command {
        CtlCommand::List => api.get(&["proxies"])?,
        CtlCommand::Inspect { proxy } => api.get(&["proxies", proxy])?,
        CtlCommand::Requests { proxy } => requests(&api, proxy.as_deref())?,
        CtlCommand::Create { proxy, listen, upstream, disabled } => {
            let body = json!({"name": proxy, "listen": listen, "upstream": upstream, "enabled": !disabled});
            api.post(&["proxies"], &body)?
        }
        CtlCommand::Delete { proxy } => api.delete(&["proxies", proxy])?,
        CtlCommand::Toggle { proxy } => toggle(&api, proxy)?,
        CtlCommand::Fault(command) => fault(&api, command)?,
        CtlCommand::Reset => api.post(&["reset"], &Value::Null)?,
    };
    if !args.json {
        print(tables::render(&args.command, &answer))?;
    } else if !answer.is_null() {
        print(json(&answer))?;
    }
    Ok(())
}

/// Returns a client of the API that the flags and variables name.
pub(crate) fn connect(args: &ApiArgs) -> Result<Api> {
    let addr = api::addr(args.addr.clone(), env::var(CONTROL).ok())?;
    Ok(Api::new(&addr, args.token.as_ref(), "--addr", TIMEOUT))
}

/// Returns the text that `ctl fault` prints for a response.
pub(crate) fn told(command: FaultCommand, answer: &Value) -> String {
    tables::render(&CtlCommand::Fault(command), answer)
}

/// Returns the counts of the requests of this proxy, or an array with those of all.
fn requests(api: &Api, proxy: Option<&str>) -> Result<Value> {
    let of = |name: &str| api.get(&["proxies", name, "requests"]);
    match proxy {
        Some(name) => of(name),
        None => api.get(&["proxies"])?.as_object().into_iter().flatten().map(|(name, _)| of(name)).collect(),
    }
}

/// Formats a response as JSON. Escapes control characters from DEL on, which JSON does not escape, so that they cannot control the terminal.
fn json(answer: &Value) -> String {
    let escaped = |c| match c {
        '\u{7f}'..='\u{9f}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("{answer:#}").chars().map(escaped).collect()
}

/// Disables an enabled proxy, or enables it again. Returns the proxy.
pub(crate) fn toggle(api: &Api, proxy: &str) -> Result<Value> {
    let now = api.get(&["proxies", proxy])?;
    let enabled =
        now["enabled"].as_bool().context("the response does not contain whether the proxy is enabled")?;
    api.post(&["proxies", proxy], &json!({"enabled": !enabled}))
}

/// Changes a fault. Returns the response.
pub(crate) fn fault(api: &Api, command: &FaultCommand) -> Result<Value> {
    change(api, command).map_err(|error| {
        let text = error.to_string();
        // The API has the words of Toxiproxy.
        text.strip_prefix("toxic ").map_or(error, |rest| anyhow!("fault {rest}"))
    })
}

fn change(api: &Api, command: &FaultCommand) -> Result<Value> {
    match command {
        FaultCommand::Add { proxy, kind, attributes, name, stream, toxicity, ttl } => {
            let kind = kind.replace('-', "_");
            let given = attributes::for_request(&kind, &attributes::read(&kind, attributes));
            let given = given.map_err(WrongUsage)?;
            let mut body = json!({"type": kind, "attributes": given});
            let given = [
                ("name", name.clone().map(Value::from)),
                ("stream", stream.clone().map(Value::from)),
                ("toxicity", toxicity.map(Value::from)),
                ("ttl", ttl.clone().map(Value::from)),
            ];
            for (field, value) in given {
                if let Some(value) = value {
                    body[field] = value;
                }
            }
            let answer = api.post(&["proxies", proxy, "toxics"], &body);
            answer.map_err(|error| {
                let unknown = unknown_type(&kind).filter(|_| is_invalid_type(&error));
                unknown.map_or(error, |unknown| WrongUsage(unknown).into())
            })
        }
        FaultCommand::Update { proxy, fault, attributes, toxicity, ttl } => {
            if attributes.is_empty() && toxicity.is_none() && ttl.is_none() {
                let problem = anyhow!("nothing to change: set KEY=VALUE, --toxicity or --ttl");
                return Err(WrongUsage(problem).into());
            }
            let existing = api.get(&["proxies", proxy, "toxics", fault])?;
            let kind = existing["type"].as_str().unwrap_or_default();
            let before = existing["attributes"].as_object().cloned().unwrap_or_default();
            let given = attributes::read(kind, attributes);
            let sent = attributes::for_update(kind, &before, given).map_err(WrongUsage)?;
            let body = json!({"attributes": sent, "toxicity": toxicity, "ttl": ttl});
            api.post(&["proxies", proxy, "toxics", fault], &body)
        }
        FaultCommand::Disable { proxy, fault } => {
            api.post(&["proxies", proxy, "toxics", fault], &json!({"enabled": false}))
        }
        FaultCommand::Enable { proxy, fault } => {
            api.post(&["proxies", proxy, "toxics", fault], &json!({"enabled": true}))
        }
        FaultCommand::Remove { proxy, fault } => api.delete(&["proxies", proxy, "toxics", fault]),
    }
}

/// Adds the known types to the error of an unknown one.
pub(crate) fn with_types(error: Error, kind: &str) -> Error {
    match faults::find(kind) {
        Err(types) if is_invalid_type(&error) => anyhow!("{error}: {types}"),
        _ => error,
    }
}

fn is_invalid_type(error: &Error) -> bool {
    error.to_string() == "invalid toxic type"
}

/// Returns the error for a type that is not known, with the most similar type or all of them.
fn unknown_type(kind: &str) -> Option<Error> {
    let types = faults::find(kind).err()?;
    let written = kind.replace('_', "-");
    Some(match nearest(&written, faults::FAULT_TYPES.iter().map(|fault_type| fault_type.name)) {
        Some(meant) => anyhow!("{written:?} is not a type of fault{}", did_you_mean(Some(meant))),
        None => anyhow!("{types}"),
    })
}
