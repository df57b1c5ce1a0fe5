//! Order of the proxies.

use std::cmp::Ordering;

use fault_proxy_control::proxies::ProxyState;

/// Figure that the proxies are sorted by. Names are in ascending order, and figures in descending order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Key {
    #[default]
    Name,
    Failed,
    Sessions,
    Rate,
    Latency,
}

impl Key {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Name => Self::Failed,
            Self::Failed => Self::Sessions,
            Self::Sessions => Self::Rate,
            Self::Rate => Self::Latency,
            Self::Latency => Self::Name,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Failed => "failed",
            Self::Sessions => "sessions",
            Self::Rate => "rate",
            Self::Latency => "p99",
        }
    }

    fn figure(self, proxy: &ProxyState) -> f64 {
        let recent = &proxy.recent;
        match self {
            Self::Name => 0.0,
            Self::Failed => proxy.sessions_failed as f64,
            Self::Sessions => proxy.sessions_active as f64,
            Self::Rate => recent.bytes_per_second_to_upstream + recent.bytes_per_second_to_client,
            Self::Latency => recent.latency_ms.map_or(0.0, |latency| latency.p99),
        }
    }
}

/// Sorts the proxies. Those with equal figures are in the order of their names.
pub(super) fn sort(proxies: &mut [&ProxyState], key: Key, is_reversed: bool) {
    proxies.sort_by(|a, b| {
        let figures = key.figure(b).total_cmp(&key.figure(a));
        figures.then_with(|| natural(&a.name, &b.name))
    });
    if is_reversed {
        proxies.reverse();
    }
}

/// Compares names with their numbers as numbers: `svc-2` is before `svc-10`.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let parts = |text| parts(text).into_iter().map(Part::new);
    parts(a).cmp(parts(b)).then_with(|| a.cmp(b))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Length without leading zeros, and the digits.
    Number(usize, String),
    Text(String),
}

impl Part {
    fn new(part: &str) -> Self {
        if part.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = part.trim_start_matches('0');
            return Self::Number(digits.len(), digits.to_owned());
        }
        Self::Text(part.to_lowercase())
    }
}

/// Splits a text into numbers and the texts between them.
fn parts(text: &str) -> Vec<&str> {
    let starts: Vec<_> = text
        .char_indices()
        .zip(text.chars().skip(1))
        .filter(|((_, c), next)| c.is_ascii_digit() != next.is_ascii_digit())
        .map(|((at, c), _)| at + c.len_utf8())
        .collect();
    let mut rest = text;
    let mut parts: Vec<_> = starts
        .into_iter()
        .rev()
        .map(|at| {
            let (before, part) = rest.split_at(at);
            rest = before;
            part
        })
        .collect();
    parts.push(rest);
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::super::testing::proxy;
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let mut names = ["svc-10", "svc-2", "Svc-1", "svc", "svc-002", "a9b2", "a9b10", "日2", "日10", ""];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "a9b2", "a9b10", "svc", "Svc-1", "svc-002", "svc-2", "svc-10", "日2", "日10"]);
    }

    #[test]
    fn figures_are_in_descending_order_and_equal_ones_by_name() {
        let [mut a, b, mut c] = ["a", "b", "c"].map(proxy);
        (a.sessions_failed, c.sessions_failed) = (1, 5);
        c.recent.bytes_per_second_to_client = 3.0;
        let sorted = |key, is_reversed| {
            let mut all = [&c, &b, &a];
            sort(&mut all, key, is_reversed);
            all.map(|proxy| proxy.name.clone()).concat()
        };
        assert_eq!(sorted(Key::Name, false), "abc");
        assert_eq!(sorted(Key::Name, true), "cba");
        assert_eq!(sorted(Key::Failed, false), "cab");
        assert_eq!(sorted(Key::Rate, false), "cab");
        assert_eq!(sorted(Key::Failed, true), "bac");
    }
}
