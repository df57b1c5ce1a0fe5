//! Hints for keys and variables that fault-proxy does not have.

use fault_proxy_engine::faults::FAULT_TYPES;

use crate::args::file_keys;

/// Parts of a mapping, with the names that other programs use.
const PARTS_OF_MAPPING: [&str; 15] = [
    "address",
    "backend",
    "destination",
    "from",
    "host",
    "listen",
    "listener",
    "mapping",
    "port",
    "remote",
    "server",
    "source",
    "target",
    "to",
    "upstream",
];

/// Returns what to write instead of the unknown key at this place, such as `proxies[0].target`.
pub(super) fn hint(place: &str) -> Option<String> {
    let (table, key) = place.rsplit_once('.').unwrap_or(("", place));
    let key = &*key.replace('_', "-");
    let is_proxy = table.starts_with("proxies[") && !table.contains('.');
    let is_fault = table.ends_with(']') && table.contains("faults[");
    if is_proxy && key == "toxics" {
        return Some("use [[proxies.faults]]".to_owned());
    }
    if is_proxy && ["enabled", "disabled"].contains(&key) {
        return Some("a proxy of the file is always enabled: remove the proxy to disable it".to_owned());
    }
    if (table.is_empty() && ["proxy", "proxys"].contains(&key))
        || ((table.is_empty() || is_proxy) && is_part_of_mapping(key))
    {
        return Some(
            "use [[proxies]] with proxy = \"PORT=HOST:PORT\", for example \"35432=psql://db:5432\""
                .to_owned(),
        );
    }
    if table.is_empty() && ["control-token", "config"].contains(&key) {
        return Some(format!(
            "use the flag --{key} or the variable FAULT_{}",
            key.to_uppercase().replace('-', "_")
        ));
    }
    if is_fault && key == "ttl" {
        return Some("a fault of the file is not removed: use schedule = \"duration:30s\"".to_owned());
    }
    if is_fault && key == "proxy" {
        return Some("a fault of one proxy belongs under that proxy, as [[proxies.faults]]".to_owned());
    }
    if let Some((kind, param)) = fault_flag(key) {
        return Some(match param {
            Some(param) if is_fault => format!("use `{param}`"),
            _ => format!("use [[faults]] or [[proxies.faults]] with type = \"{kind}\""),
        });
    }
    (!table.is_empty() && file_keys().iter().any(|flag| flag == key))
        .then(|| format!("it applies to the whole run: move it to the top of the file, as `{key}`"))
}

/// Returns the variable to set instead of an unknown one, whose name is given without `FAULT_`: the variable
/// of the mapping for `UPSTREAMS`, and that of the schedule for `RESET_TTL`, because a fault of a variable is
/// not removed.
pub(crate) fn variable_for(name: &str) -> Option<String> {
    if let Some(fault) = name.strip_suffix("_TTL")
        && fault_flag(&fault.to_lowercase().replace('_', "-")).is_some_and(|(_, param)| param.is_none())
    {
        return Some(format!("FAULT_{fault}_SCHED"));
    }
    let part = name.strip_prefix("PROXY_").unwrap_or(name).to_ascii_lowercase();
    is_part_of_mapping(&part).then(|| "FAULT_PROXY".to_owned())
}

fn is_part_of_mapping(name: &str) -> bool {
    PARTS_OF_MAPPING.contains(&name.strip_suffix('s').unwrap_or(name)) || PARTS_OF_MAPPING.contains(&name)
}

/// Returns the type and the parameter of a fault's flag: `latency-mean`, `with-latency` or `latency`.
fn fault_flag(key: &str) -> Option<(&'static str, Option<&str>)> {
    let key = key.strip_prefix("with-").unwrap_or(key);
    FAULT_TYPES.iter().find_map(|fault_type| {
        let name = fault_type.name;
        let rest = key.strip_prefix(name)?;
        if rest.is_empty() { Some((name, None)) } else { Some((name, Some(rest.strip_prefix('-')?))) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_places_and_programs_have_a_hint() {
        for (place, expected) in [
            ("proxies[0].address", "proxy = \"PORT=HOST:PORT\""),
            ("proxies[1].target", "proxy = \"PORT=HOST:PORT\""),
            ("listen", "[[proxies]]"),
            ("proxy", "[[proxies]]"),
            ("proxies[0].toxics", "[[proxies.faults]]"),
            ("proxies[0].seed", "move it to the top of the file, as `seed`"),
            ("proxies[0].max_in_flight", "move it to the top of the file, as `max-in-flight`"),
            ("faults[0].latency-mean", "use `mean`"),
            ("faults[0].proxy", "[[proxies.faults]]"),
            ("faults[0].ttl", "schedule = \"duration:30s\""),
            ("proxies[1].faults[0].ttl", "schedule = \"duration:30s\""),
            ("with-latency", "type = \"latency\""),
            ("proxies[0].latency", "type = \"latency\""),
            ("control-token", "FAULT_CONTROL_TOKEN"),
            ("upstreams", "[[proxies]]"),
        ] {
            let hint = hint(place).unwrap_or_default();
            assert!(hint.contains(expected), "{place}: {hint}");
        }
        for place in ["faults[0].meen", "proxies[0].proxi", "sead"] {
            assert_eq!(hint(place), None, "{place}");
        }
    }
}
