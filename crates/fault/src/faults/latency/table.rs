//! A CSV file of delays.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::delay::Delay;
use crate::fault_type::ParamError;
use crate::units::Millis;

/// Over a million values.
const LARGEST: u64 = 16 << 20;

pub(super) fn read(path: &Path) -> Result<Arc<[Duration]>, ParamError> {
    let refused = |problem: String| ParamError::quoting("table", format!("{}: {problem}", path.display()));
    let text = text(path).map_err(|error| refused(error.to_string()))?;
    parse(&text).map_err(refused)
}

fn text(path: &Path) -> std::io::Result<String> {
    // A pipe or a device might never end, and opening a pipe might never return.
    if !path.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    if File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)? as u64 > LARGEST {
        return Err(std::io::Error::other("larger than 16MiB"));
    }
    Ok(text)
}

/// Problems tell where, and not what is there: the file may be one that the caller may not read.
fn parse(text: &str) -> Result<Arc<[Duration]>, String> {
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
                Some(delay) if delay <= Delay::LONGEST => delays.push(delay),
                _ => {
                    let (line, column) = (index + 1, column + 1);
                    return Err(format!(
                        "line {line}, value {column} is no delay: say milliseconds, 0 to 3600000, like 12.5"
                    ));
                }
            }
        }
    }
    if delays.is_empty() {
        Err("no delays: say some, in milliseconds, like 12.5".to_owned())
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

    #[test]
    fn refuses_what_is_no_file() {
        let directory = tempfile::tempdir().expect("a directory");
        for (path, problem) in [("", "not a regular file"), ("absent.csv", "No such file")] {
            let error = read(&directory.path().join(path)).expect_err(path);
            assert!(error.problem().contains(problem), "{error}");
        }
        let large = directory.path().join("large.csv");
        File::create(&large).and_then(|file| file.set_len(LARGEST + 1)).expect("a large file");
        let error = read(&large).expect_err("too large");
        assert!(error.problem().ends_with("larger than 16MiB"), "{error}");
    }
}
