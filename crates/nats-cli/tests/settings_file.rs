//! Errors about a file of settings.

use std::fs;

use nats_proxy_cli::NatsArgs;
use proxy_cli::config::read_settings;
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    nats: NatsArgs,
}

/// Returns the error for a file of this name and text.
fn refused(name: &str, text: &str) -> String {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join(name);
    fs::write(&path, text).expect("a file");
    format!("{:#}", read_settings::<File>(Some(&path)).expect_err("refused"))
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
