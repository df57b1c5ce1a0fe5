//! The command `ctl`, which inspects and changes a run through its control API.

mod api;
mod tables;

use anyhow::{Context, Error, Result, anyhow, bail};
use fault_proxy_control::attribute_names;
use fault_proxy_engine::faults;
use proxy_cli::config::{did_you_mean, nearest};
use proxy_cli::terminal::print;
use serde_json::{Map, Value, json};

use self::api::{Api, ApiError};
use crate::args::{CtlArgs, CtlCommand, FaultCommand};

pub(crate) fn ctl(args: &CtlArgs) -> Result<()> {
    let api = Api::new(&args.addr, args.token.as_ref());
    let answer = match &args.command {
        CtlCommand::List => api.get(&["proxies"])?,
        CtlCommand::Inspect { proxy } => api.get(&["proxies", proxy])?,
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

/// Escapes the control characters from DEL on, which JSON does not escape, so that they cannot control the terminal.
fn json(answer: &Value) -> String {
    let escaped = |c| match c {
        '\u{7f}'..='\u{9f}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("{answer:#}").chars().map(escaped).collect()
}

fn toggle(api: &Api, proxy: &str) -> Result<Value> {
    let now = api.get(&["proxies", proxy])?;
    let enabled =
        now["enabled"].as_bool().context("the response does not contain whether the proxy is enabled")?;
    api.post(&["proxies", proxy], &json!({"enabled": !enabled}))
}

fn fault(api: &Api, command: &FaultCommand) -> Result<Value> {
    match command {
        FaultCommand::Add { proxy, kind, attributes, name, stream, toxicity } => {
            if attributes.is_empty()
                && let Some(example) = needed(kind)
            {
                bail!("{kind} requires parameters, as in {example}");
            }
            check_names(kind, attributes)?;
            // The API derives the name of the fault from this spelling.
            let mut body = json!({"type": kind.replace('-', "_"), "attributes": object(attributes)});
            let given = [
                ("name", name.clone().map(Value::from)),
                ("stream", stream.clone().map(Value::from)),
                ("toxicity", toxicity.map(Value::from)),
            ];
            for (field, value) in given {
                if let Some(value) = value {
                    body[field] = value;
                }
            }
            api.post(&["proxies", proxy, "toxics"], &body).map_err(|error| match faults::find(kind) {
                Err(types) if error.to_string() == "invalid toxic type" => anyhow!("{error}: {types}"),
                _ if error.to_string() == "toxic already exists" => anyhow!(
                    "{proxy} already has a fault of this name: set another with --name, or update or remove the existing fault"
                ),
                _ => with_unit(error, kind, attributes),
            })
        }
        FaultCommand::Update { proxy, fault, attributes, toxicity } => {
            let kind = &api.get(&["proxies", proxy, "toxics", fault])?["type"];
            check_names(kind.as_str().unwrap_or_default(), attributes)?;
            let body = json!({"attributes": object(attributes), "toxicity": toxicity});
            api.post(&["proxies", proxy, "toxics", fault], &body)
        }
        FaultCommand::Remove { proxy, fault } => api.delete(&["proxies", proxy, "toxics", fault]),
    }
}

/// Refuses attributes that the API would ignore.
fn check_names(kind: &str, attributes: &[(String, Value)]) -> Result<()> {
    let Some(known) = attribute_names(kind) else { return Ok(()) };
    // The API also accepts hyphens, and its error names the place of the last three.
    let is_known = |name: &String| {
        known.contains(&name.replace('-', "_")) || ["name", "probability", "type"].contains(&name.as_str())
    };
    match attributes.iter().find(|(name, _)| !is_known(name)) {
        Some((unknown, _)) => {
            let meant = did_you_mean(nearest(unknown, known.iter().map(String::as_str)));
            bail!("unknown attribute `{unknown}` of {kind}{meant}");
        }
        None => Ok(()),
    }
}

/// An example of the parameters of a type that does something else than expected, or nothing, without any.
fn needed(kind: &str) -> Option<&'static str> {
    Some(match &*kind.replace('_', "-") {
        "latency" => "mean=300ms",
        "bandwidth" => "rate=1mbit/s",
        "slow-close" | "slow-open" => "delay=2s",
        "slicer" => "size=100",
        "limit-data" => "bytes=1KiB",
        "corrupt" => "rate=0.001",
        _ => return None,
    })
}

/// Attributes of toxics with their units, and attributes that accept a unit instead.
const WITHOUT_UNIT: [(&str, &str, &str, &str); 6] = [
    ("latency", "latency", "ms", "mean=500ms"),
    ("latency", "jitter", "ms", "stddev=50ms"),
    ("timeout", "timeout", "ms", "after=500ms"),
    ("reset-peer", "timeout", "ms", ""),
    ("slicer", "average_size", "bytes", "size=500B"),
    ("slicer", "size_variation", "bytes", "variation=50B"),
];

/// Adds the unit of an attribute to the API's error about that attribute.
fn with_unit(error: Error, kind: &str, attributes: &[(String, Value)]) -> Error {
    let is_text = |name: &str| attributes.iter().any(|(given, value)| given == name && value.is_string());
    let of_kind = |(of, name, ..): &&(&str, &str, &str, &str)| *of == kind.replace('_', "-") && is_text(name);
    let Some((_, name, unit, instead)) = WITHOUT_UNIT.iter().find(of_kind) else { return error };
    let is_about_it =
        error.downcast_ref::<ApiError>().is_some_and(|refused| refused.to_string().contains(name));
    if !is_about_it {
        return error;
    }
    let instead = if instead.is_empty() { String::new() } else { format!("; or use {instead}") };
    anyhow!("{error}: `{name}=500` is in {unit}, without a unit{instead}")
}

fn object(attributes: &[(String, Value)]) -> Map<String, Value> {
    attributes.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use fault_proxy_engine::faults::FAULT_TYPES;
    use fault_proxy_engine::{FaultParams, ScheduleContext};

    use super::*;

    #[test]
    fn ctl_requires_parameters_where_flags_do() {
        // Toxiproxy's bandwidth without a rate stalls all data, so ctl requires one.
        for fault_type in FAULT_TYPES.iter().filter(|fault_type| fault_type.name != "bandwidth") {
            let bare = Map::from_iter([("type".to_owned(), fault_type.name.into())]);
            let params = FaultParams::read(bare).expect("types may have no parameters");
            let is_complete = params.resolve(&ScheduleContext::default()).is_ok();
            assert_eq!(needed(fault_type.name).is_none(), is_complete, "{}", fault_type.name);
        }
    }
}
