//! Output of `toxiproxy-cli` into a pipe: one line per proxy or toxic, with tabs between its fields.

use proxy_cli::terminal::escape_control;
use serde_json::Value;

/// Returns a line with name, listen address, upstream, state and number of toxics for each proxy.
pub(super) fn list(proxies: &Value) -> String {
    let line = |proxy: &Value| {
        let [name, listen, upstream] = ["name", "listen", "upstream"].map(|field| shown(&proxy[field]));
        let toxics = proxy["toxics"].as_array().map_or(0, Vec::len);
        format!("{name}\t{listen}\t{upstream}\t{}\t{toxics}", state(proxy))
    };
    let proxies = proxies.as_object().into_iter().flat_map(|proxies| proxies.values());
    let mut lines: Vec<_> = proxies.map(line).collect();
    lines.sort();
    lines.join("\n")
}

/// Returns a line for each toxic of a proxy.
pub(super) fn inspect(proxy: &Value) -> String {
    let line = |toxic: &Value| {
        let [name, kind, stream] = ["name", "type", "stream"].map(|field| shown(&toxic[field]));
        let toxicity = toxic["toxicity"].as_f64().unwrap_or_default();
        let attributes = toxic["attributes"].as_object().into_iter().flatten();
        let mut attributes: Vec<_> =
            attributes.map(|(name, value)| format!("\t{}={}", escape_control(name), shown(value))).collect();
        attributes.sort();
        let attributes = attributes.concat();
        format!("{name}\ttype={kind}\tstream={stream}\ttoxicity={toxicity:.2}\tattributes=[{attributes}\t]")
    };
    let toxics = proxy["toxics"].as_array().into_iter().flatten();
    toxics.map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the state of a proxy: enabled or disabled.
pub(super) fn state(proxy: &Value) -> &'static str {
    if proxy["enabled"] == true { "enabled" } else { "disabled" }
}

/// Returns a text without its quotes.
pub(super) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| escape_control(&value.to_string()), escape_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_tabs_between_them() {
        let toxic = json!({"name": "slow", "type": "latency", "stream": "downstream", "toxicity": 0.5,
            "attributes": {"latency": 100, "jitter": 0}});
        let proxy = |name, toxics| json!({"name": name, "listen": "a:1", "upstream": "b\t:2", "enabled": true, "toxics": toxics});
        let proxies = json!({"two": proxy("two", json!([])), "one": proxy("one", json!([toxic]))});
        assert_eq!(list(&proxies), "one\ta:1\tb\\t:2\tenabled\t1\ntwo\ta:1\tb\\t:2\tenabled\t0");
        assert_eq!(
            inspect(&proxies["one"]),
            "slow\ttype=latency\tstream=downstream\ttoxicity=0.50\tattributes=[\tjitter=0\tlatency=100\t]"
        );
        assert_eq!((list(&json!({})), inspect(&proxies["two"])), (String::new(), String::new()));
    }
}
