//! Summary of a run for the page of a GitHub Actions job.

use std::fmt::Write;

use proxy_cli::terminal::escape_control;

use super::RunReport;

/// Returns the summary in GitHub's Markdown.
pub(super) fn summary(report: &RunReport) -> String {
    let mut text = format!("### fault-proxy: {}\n\n", if report.passed { "passed" } else { "failed" });
    if !report.expectations.is_empty() {
        let rows = report.expectations.iter().map(|verdict| {
            let result = if verdict.is_met { "✅" } else { "❌" };
            let proxy = verdict.label.as_deref().unwrap_or("all");
            [result.to_owned(), cell(&verdict.condition), cell(proxy), cell(&verdict.measured)]
        });
        table(&mut text, ["", "expected", "proxy", "measured"], rows);
    }
    let rows = report.proxies.iter().map(|proxy| {
        let count =
            |ends: &[&str]| ends.iter().map(|end| proxy.ends.get(end).copied().unwrap_or(0)).sum::<u64>();
        let aborted = count(&["aborted", "cut", "closed"]);
        let errors = count(&["failed", "not_opened"]);
        let counts = [proxy.sessions, aborted, errors, proxy.bytes_to_upstream, proxy.bytes_to_client];
        let [sessions, aborted, errors, up, down] = counts.map(|count| count.to_string());
        [cell(&proxy.label), sessions, aborted, errors, up, down]
    });
    table(&mut text, ["proxy", "sessions", "aborted", "errors", "request bytes", "response bytes"], rows);
    let faults = report.proxies.iter().flat_map(|proxy| proxy.faults.iter().map(move |fault| (proxy, fault)));
    let rows: Vec<_> = faults
        .map(|(proxy, fault)| {
            let asked = cell(&fault.state.description);
            [
                cell(&proxy.label),
                cell(&fault.state.name),
                asked,
                fault.state.sessions.to_string(),
                cell(&fault.achieved),
            ]
        })
        .collect();
    if !rows.is_empty() {
        table(&mut text, ["proxy", "fault", "asked", "sessions", "achieved"], rows);
    }
    let requests =
        report.proxies.iter().flat_map(|proxy| proxy.requests.iter().map(move |of_kind| (proxy, of_kind)));
    let rows: Vec<_> = requests
        .filter(|(_, of_kind)| of_kind.unconfirmed > 0)
        .map(|(proxy, of_kind)| {
            let counts = [of_kind.requests, of_kind.delivered, of_kind.unconfirmed];
            let [requests, delivered, unconfirmed] = counts.map(|count| count.to_string());
            [cell(&proxy.label), cell(&of_kind.kind), requests, delivered, unconfirmed]
        })
        .collect();
    if !rows.is_empty() {
        table(&mut text, ["proxy", "kind of request", "requests", "delivered", "unconfirmed"], rows);
    }
    let seconds = report.duration_ms as f64 / 1e3;
    let _ = writeln!(text, "{seconds:.1} s, seed {}\n", report.seed);
    text
}

fn table<const N: usize>(text: &mut String, header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut row = |cells: &[String]| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    row(&header.map(str::to_owned));
    row(&[(); N].map(|()| "---".to_owned()));
    rows.into_iter().for_each(|cells| row(&cells));
    text.push('\n');
}

/// Escapes what has a meaning in a cell of a Markdown table.
pub(crate) fn cell(text: &str) -> String {
    let mut escaped = String::new();
    for c in escape_control(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_cell() {
        assert_eq!(cell("a|b\n`<img>`[x](y)*_~&"), r"a\|b\\n\`&lt;img>\`\[x\](y)\*\_\~&amp;");
    }
}
