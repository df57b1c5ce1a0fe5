//! Looks at a run and changes it, through its control API.

mod api;
mod tables;

use anyhow::{Context, Result, anyhow};
use proxy_cli::terminal::print;
use proxy_fault::Kind;
use serde_json::{Map, Value, json};

use self::api::Api;
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
        print(tables::told(&args.command, &answer))?;
    } else if !answer.is_null() {
        print(json(&answer))?;
    }
    Ok(())
}

/// JSON that cannot control the terminal: of control characters, those from DEL on are still in it.
fn json(answer: &Value) -> String {
    let escaped = |c| match c {
        '\u{7f}'..='\u{9f}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("{answer:#}").chars().map(escaped).collect()
}

fn toggle(api: &Api, proxy: &str) -> Result<Value> {
    let now = api.get(&["proxies", proxy])?;
    let enabled = now["enabled"].as_bool().context("the answer does not say whether the proxy is enabled")?;
    api.post(&["proxies", proxy], &json!({"enabled": !enabled}))
}

fn fault(api: &Api, command: &FaultCommand) -> Result<Value> {
    match command {
        FaultCommand::Add { proxy, kind, attributes, name, stream, toxicity } => {
            // as the API writes it, which names the fault after it
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
            api.post(&["proxies", proxy, "toxics"], &body).map_err(|error| match kind.parse::<Kind>() {
                Err(types) if error.to_string() == "invalid toxic type" => anyhow!("{error}: {types}"),
                _ => error,
            })
        }
        FaultCommand::Update { proxy, fault, attributes, toxicity } => {
            let body = json!({"attributes": object(attributes), "toxicity": toxicity});
            api.post(&["proxies", proxy, "toxics", fault], &body)
        }
        FaultCommand::Remove { proxy, fault } => api.delete(&["proxies", proxy, "toxics", fault]),
    }
}

fn object(attributes: &[(String, Value)]) -> Map<String, Value> {
    attributes.iter().cloned().collect()
}
