//! Parses delays from a CSV file.

use std::sync::Arc;
use std::time::Duration;

use crate::delay::Delay;
use crate::units::Millis;

/// Errors state the place but not the content, because the caller may lack permission to read the file.
pub(super) fn parse(text: &str) -> Result<Arc<[Duration]>, String> {
    let mut delays = Vec::new();
    let mut header_may_come = true;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let cells =
            line.split([',', ';']).map(|cell| cell.trim().trim_matches('"')).filter(|cell| !cell.is_empty());
        let values: Vec<Option<Millis>> = cells.map(|cell| cell.parse().ok()).collect();
        if values.is_empty() {
            continue;
        }
        let header = header_may_come && values.iter().all(Option::is_none);
        header_may_come = false;
        if header {
            continue;
        }
        for (column, value) in values.into_iter().enumerate() {
            match value.map(Millis::duration) {
                Some(delay) if delay <= Delay::MAX => delays.push(delay),
                _ => {
                    let (line, column) = (index + 1, column + 1);
                    return Err(format!(
                        "line {line}, value {column} is not a delay: use milliseconds, 0 to 3600000, like 12.5"
                    ));
                }
            }
        }
    }
    if delays.is_empty() {
        Err("no delays: at least one is expected, in milliseconds, like 12.5".to_owned())
    } else {
        Ok(delays.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: &[u64]) -> Arc<[Duration]> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn reads_values_comments_and_a_header() {
        assert_eq!(parse("10\n20\n30\n"), Ok(ms(&[10, 20, 30])));
        assert_eq!(
            parse("\u{feff}# measured\r\n\r\nrtt_ms, other\r\n10, 20 # two\r\n30,\r\n"),
            Ok(ms(&[10, 20, 30]))
        );
        assert_eq!(parse("\"delay\"\n\"10\";2s"), Ok(ms(&[10, 2000])));
        assert_eq!(parse("0.5").expect("half a millisecond")[0], Duration::from_micros(500));
    }

    #[test]
    fn refuses_what_is_no_delay_and_keeps_it_to_itself() {
        for (text, place) in [
            ("10\nsecret\n", "line 2, value 1"),
            ("10,secret", "line 1, value 2"),
            ("secret\nsecret", "line 2, value 1"),
            ("10\n-1", "line 2, value 1"),
            ("header\n\n5,3600001", "line 3, value 2"),
            ("", "no delays"),
            ("secret\n# 10", "no delays"),
        ] {
            let problem = parse(text).expect_err(text);
            assert!(problem.starts_with(place), "{problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
