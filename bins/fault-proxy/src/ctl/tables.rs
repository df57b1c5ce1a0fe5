//! Tables of `ctl`.

use proxy_cli::table::Table;
use proxy_cli::terminal::escape_control;
use serde_json::Value;

use super::attributes;
use crate::args::{CtlCommand, FaultCommand};

const NO_PROXIES: &str = "there are no proxies";

pub(super) fn render(command: &CtlCommand, answer: &Value) -> String {
    match command {
        CtlCommand::List => list(answer),
        CtlCommand::Inspect { .. } => inspect(answer),
        CtlCommand::Requests { .. } => requests(answer),
        CtlCommand::Create { proxy, .. } => format!("{} {}", escape_control(proxy), where_to(answer)),
        CtlCommand::Delete { proxy } => format!("{} is deleted", escape_control(proxy)),
        CtlCommand::Toggle { proxy } => match answer["enabled"].as_bool() {
            Some(true) => format!("{} is enabled: it {}", escape_control(proxy), where_to(answer)),
            _ => format!("{} is disabled", escape_control(proxy)),
        },
        CtlCommand::Fault(FaultCommand::Add { proxy, attributes, toxicity, ttl, .. }) => {
            let what = format!("{} has {}", escape_control(proxy), text(&answer["name"]));
            with_attributes(what, as_given(answer, attributes, ttl.as_deref()), *toxicity)
        }
        CtlCommand::Fault(FaultCommand::Update { proxy, fault, attributes, toxicity, ttl }) => {
            let what = format!("{} of {} is changed", escape_control(fault), escape_control(proxy));
            with_attributes(what, as_given(answer, attributes, ttl.as_deref()), *toxicity)
        }
        CtlCommand::Fault(FaultCommand::Disable { proxy, fault }) => {
            format!("{} of {} is switched off", escape_control(fault), escape_control(proxy))
        }
        CtlCommand::Fault(FaultCommand::Enable { proxy, fault }) => {
            format!("{} of {} is switched on", escape_control(fault), escape_control(proxy))
        }
        CtlCommand::Fault(FaultCommand::Remove { proxy, fault }) => {
            format!("{} of {} is removed", escape_control(fault), escape_control(proxy))
        }
        CtlCommand::Reset => "all proxies are enabled and have no faults".to_owned(),
    }
}

fn with_attributes(what: String, fault: Value, toxicity: Option<f64>) -> String {
    let toxicity = toxicity.map(|toxicity| format!("toxicity={toxicity}"));
    let attributes = Some(attributes::shown(&fault)).filter(|attributes| !attributes.is_empty());
    let shown: Vec<_> = attributes.into_iter().chain(toxicity).collect();
    if shown.is_empty() { what } else { format!("{what}: {}", shown.join(" ")) }
}

/// Returns the fault with attributes and a time to live in the units in which the user gave them.
fn as_given(fault: &Value, given: &[(String, String)], ttl: Option<&str>) -> Value {
    let mut fault = fault.clone();
    // If an attribute is given twice, the last value is set.
    for (name, text) in given.iter().rev().filter(|(_, text)| text.parse::<f64>().is_err()) {
        let shown = fault["attributes"].get_mut(name.replace('-', "_"));
        if let Some(shown) = shown.filter(|shown| shown.is_number()) {
            *shown = text.as_str().into();
        }
    }
    if let Some(ttl) = ttl {
        fault["ttl"] = ttl.into();
    }
    fault
}

fn where_to(proxy: &Value) -> String {
    let state = if proxy["enabled"] == true { "listens" } else { "will listen" };
    format!("{state} on {} for {}", text(&proxy["listen"]), text(&proxy["upstream"]))
}

pub(crate) fn list(proxies: &Value) -> String {
    let mut table = Table::new(["proxy", "listen", "upstream", "enabled", "faults"]);
    for proxy in proxies.as_object().into_iter().flat_map(|proxies| proxies.values()) {
        let faults = proxy["toxics"].as_array().into_iter().flatten().map(|fault| text(&fault["name"]));
        let faults = faults.collect::<Vec<_>>().join(", ");
        table.add_row([
            text(&proxy["name"]),
            text(&proxy["listen"]),
            text(&proxy["upstream"]),
            yes_or_no(&proxy["enabled"]),
            if faults.is_empty() { "none".to_owned() } else { faults },
        ]);
    }
    if table.is_empty() { NO_PROXIES.to_owned() } else { table.for_stdout() }
}

pub(crate) fn inspect(proxy: &Value) -> String {
    let enabled = if proxy["enabled"] == true { "" } else { ", disabled" };
    let heading = format!("{} {}{enabled}", text(&proxy["name"]), where_to(proxy));
    let mut table = Table::new(["fault", "type", "stream", "toxicity", "attributes"]);
    for fault in proxy["toxics"].as_array().into_iter().flatten() {
        let is_both = fault["attributes"]["direction"] == "both";
        let fields = ["name", "type", "stream", "toxicity"].map(|field| match field {
            "stream" if is_both => "both".to_owned(),
            "name" if fault["enabled"] == false => format!("{} (off)", text(&fault["name"])),
            field => text(&fault[field]),
        });
        table.add_row(fields.into_iter().chain([attributes::shown(fault)]));
    }
    if table.is_empty() {
        format!("{heading}\nno faults")
    } else {
        format!("{heading}\n{}", table.for_stdout())
    }
}

/// Formats the counts of one proxy, or of an array of proxies.
fn requests(answer: &Value) -> String {
    const COUNTS: [&str; 6] = ["requests", "forwarded", "answered", "delivered", "unconfirmed", "injected"];
    let [requests, forwarded, answered, delivered, unconfirmed, injected] = COUNTS;
    let header = ["proxy", "kind", requests, forwarded, answered, delivered, unconfirmed, injected];
    let mut table = Table::new(header).with_numbers_from(2);
    let proxies = answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
    for proxy in proxies {
        for kind in proxy["requests"].as_array().into_iter().flatten() {
            let counts = COUNTS.iter().map(|count| text(&kind[count]));
            table.add_row([text(&proxy["name"]), text(&kind["kind"])].into_iter().chain(counts));
        }
    }
    match proxies {
        [] => NO_PROXIES.to_owned(),
        proxies if table.is_empty() => proxies.iter().map(uncounted).collect::<Vec<_>>().join("\n"),
        _ => table.for_stdout(),
    }
}

/// Returns the reason why no requests of a proxy are counted.
fn uncounted(proxy: &Value) -> String {
    let reason = match proxy["sessions_opaque"].as_u64() {
        _ if proxy["protocol"].is_null() => {
            "its upstream needs a scheme such as psql, http or redis".to_owned()
        }
        None | Some(0) if proxy["counted"] == true => "the proxy has not received any yet".to_owned(),
        None | Some(0) => "start fault-proxy with --count-requests, or add a fault on requests".to_owned(),
        Some(sessions) => format!("{sessions} of its sessions could not be read; the log has the reason"),
    };
    format!("no requests of {} were counted: {reason}", text(&proxy["name"]))
}

fn yes_or_no(value: &Value) -> String {
    if *value == true { "yes" } else { "no" }.to_owned()
}

/// Returns a text without its quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| escape_control(&value.to_string()), escape_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EVIL: &str = "two\nlines\u{1b}[2J\u{9b}2J";

    #[test]
    fn what_is_told_is_on_its_lines_and_cannot_control_the_terminal() {
        let proxy = || EVIL.to_owned();
        let fault = json!({"name": EVIL, "type": EVIL, "stream": EVIL, "toxicity": [EVIL], "attributes": {EVIL: EVIL}});
        let answer =
            json!({"name": EVIL, "listen": EVIL, "upstream": EVIL, "enabled": true, "toxics": [fault]});
        let counted = json!({"name": EVIL, "requests": [{"kind": EVIL, "requests": 1}]});
        for (command, answer, lines) in [
            (CtlCommand::List, &json!({EVIL: answer}), 2),
            (CtlCommand::Inspect { proxy: proxy() }, &answer, 3),
            (CtlCommand::Requests { proxy: None }, &json!([counted]), 2),
            (CtlCommand::Requests { proxy: Some(proxy()) }, &json!({"name": EVIL}), 1),
            (CtlCommand::Delete { proxy: proxy() }, &answer, 1),
            (CtlCommand::Toggle { proxy: proxy() }, &answer, 1),
            (CtlCommand::Fault(FaultCommand::Remove { proxy: proxy(), fault: proxy() }), &fault, 1),
        ] {
            let told = render(&command, answer);
            assert_eq!(told.lines().count(), lines, "{told}");
            assert!(told.contains(r"two\nlines\u{1b}[2J\u{9b}2J"), "{told}");
            assert!(!told.contains(|c: char| c.is_control() && !"\n\t".contains(c)), "{told:?}");
        }
    }
}
