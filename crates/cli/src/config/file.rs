use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Json, Toml, Yaml};
use figment::value::{Dict, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::FileErrors;
use super::table::Source;

/// Reads the file of `--config`, in the format of its extension.
///
/// # Errors
/// If the file cannot be read or its extension is unknown. The content is checked later.
pub fn read(path: &Path) -> Result<Figment> {
    let text =
        || fs::read_to_string(path).with_context(|| format!("cannot read --config {}", path.display()));
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Figment::from(Source::new::<Toml>(text()?)),
        Some("yaml" | "yml") => Figment::from(Source::new::<Yaml>(text()?)),
        Some("json") => Figment::from(Source::new::<Json>(text()?)),
        _ => bail!("--config {}: its name must end in .toml, .yaml, .yml or .json", path.display()),
    })
}

/// Returns the settings of the file, or the default without a file.
///
/// # Errors
/// The file cannot be read, or a key or a value in it is invalid. The error names the key and the file. It does not show lines
/// of the file, because they may contain a secret.
pub fn read_settings<T: DeserializeOwned + Default>(path: Option<&Path>) -> Result<T> {
    let Some(path) = path else { return Ok(T::default()) };
    read(path)?.extract().map_err(|mut error| {
        if let Kind::Message(problem) = &error.kind {
            error.kind = Kind::Message(without_snippet(problem));
        }
        FileErrors::new(path).explain(&error, "", &[])
    })
}

/// Removes the lines in which a parser quotes the file: an optional line number, then `|`.
fn without_snippet(problem: &str) -> String {
    let is_snippet = |line: &&str| {
        line.trim_start_matches(|c: char| c.is_ascii_digit() || c.is_whitespace()).starts_with('|')
    };
    problem.lines().filter(|line| !is_snippet(line)).collect::<Vec<_>>().join(": ")
}

/// Returns the settings as keys and values of a file, without unset ones.
///
/// # Errors
/// The settings cannot be serialized.
pub fn as_file(settings: &impl Serialize) -> Result<Dict> {
    let Value::Dict(_, mut settings) = Value::serialize(settings)? else { return Ok(Dict::new()) };
    settings.retain(|_, value| match value {
        Value::Empty(..) => false,
        Value::Array(_, values) => !values.is_empty(),
        _ => true,
    });
    Ok(settings)
}

#[cfg(test)]
#[cfg(feature = "nats")]
mod tests {
    use serde::Deserialize;
    use tempfile::TempDir;

    use super::*;
    use crate::nats::NatsArgs;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct File {
        nats: NatsArgs,
    }

    /// Returns the error for a file of this name and text.
    fn refused(name: &str, text: &str) -> String {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        format!("{:#}", read_settings::<File>(Some(&path)).unwrap_err())
    }

    #[test]
    fn nothing_is_the_default() {
        assert!(read_settings::<File>(None).unwrap().nats.nats_url.is_empty());
    }

    #[test]
    fn a_wrong_key_or_value_is_named_with_its_file() {
        let key = refused("x.yaml", "nats:\n  usr: me\n");
        assert!(
            key.starts_with("nats.usr in ") && key.contains("x.yaml: unknown key; did you mean `user`?"),
            "{key}"
        );
        let value = refused("x.toml", "nats.url = 'nats://host:70000'");
        assert!(value.starts_with("nats.url in ") && value.contains("x.toml: invalid port"), "{value}");
    }

    #[test]
    fn a_key_that_occurs_twice_is_refused() {
        for (name, text) in [
            ("x.json", "{\"nats\": {\"user\": \"a\",\n\"user\": \"b\"}}"),
            ("x.yaml", "nats:\n  user: a\n  user: b\n"),
            ("x.toml", "[nats]\nuser = 'a'\nuser = 'b'\n"),
        ] {
            let refused = refused(name, text);
            assert!(refused.contains(name) && refused.contains("duplicate key"), "{refused}");
            assert!(refused.contains("user") || name == "x.toml", "{refused}");
        }
    }

    #[test]
    fn a_file_is_a_table_or_empty() {
        for (name, text) in [("x.json", "[1]"), ("x.yaml", "- 1"), ("x.yaml", "1")] {
            let refused = refused(name, text);
            assert!(refused.contains("expected a table of keys and values"), "{refused}");
        }
        for name in ["x.json", "x.yaml", "x.toml"] {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join(name);
            fs::write(&path, "\n").unwrap();
            assert!(read_settings::<File>(Some(&path)).unwrap().nats.nats_url.is_empty());
        }
    }

    #[test]
    fn no_secret_in_a_file_is_shown() {
        for (name, text) in [
            ("x.toml", "[nats]\npassword = \"s3cr3t\n"),
            ("x.toml", "[nats]\npassword = s3cr3t\n"),
            ("x.toml", "[nats]\nurl = 'ftp://me:s3cr3t@host'\n"),
            ("x.yaml", "nats:\n  password: \"s3cr3t\n"),
            ("x.yaml", "nats:\n  password: {s3cr3t: 1}\n"),
            ("x.yaml", "nats:\n  token: [s3cr3t]\n"),
            ("x.json", "{\"nats\": {\"password\": \"s3cr3t}}"),
        ] {
            let refused = refused(name, text);
            assert!(refused.contains(name) && !refused.contains("s3cr3t"), "{text}{refused}");
        }
    }
}
