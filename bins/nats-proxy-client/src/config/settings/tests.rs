use std::fs;

use clap::Parser;
use tempfile::TempDir;
use tracing::level_filters::LevelFilter;

use super::*;

fn load(args: &[&str], yaml: &str) -> Result<(Config, LogArgs, Option<PathBuf>)> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("client.yaml");
    fs::write(&path, yaml).unwrap();
    let path = path.to_str().unwrap();
    Config::load(Cli::try_parse_from([&["nats-proxy-client", "--config", path], args].concat()).unwrap())
}

fn settings(args: &[&str], yaml: &str) -> Result<Settings> {
    Settings::resolve(load(args, yaml)?.0)
}

fn forwards(args: &[&str], yaml: &str) -> Vec<String> {
    settings(args, yaml).unwrap().forwards.iter().map(Forward::to_string).collect()
}

/// That of the first version's manual, with other values.
const FILE: &str = "
nats:
  url: nats://file:4222
client:
  listen_addr: 127.0.0.1:9000
  remote_addr: db:5432
  proxy_addr: proxy-server:8081
log:
  level: warn
";

#[test]
fn the_defaults_are_those_of_the_first_version() {
    assert_eq!(forwards(&[], "{}"), ["0.0.0.0:8082=redis:6379"]);
    let settings = settings(&[], "{}").unwrap();
    assert_eq!(settings.program.nats.urls, ["nats://localhost:4222".parse().unwrap()]);
    assert_eq!(settings.program.health, None);
}

#[test]
fn a_file_says_what_flags_do_not() {
    assert_eq!(forwards(&[], FILE), ["127.0.0.1:9000=db:5432"]);
    assert_eq!(forwards(&["--listen-addr", ":1"], FILE), [":1=db:5432"]);
    assert_eq!(forwards(&["--remote-addr", "nats-service:a"], FILE), ["127.0.0.1:9000=nats-service:a"]);
    assert_eq!(settings(&[], FILE).unwrap().program.nats.urls, ["nats://file:4222".parse().unwrap()]);
    assert_eq!(load(&[], FILE).unwrap().1.log_level, LevelFilter::WARN);
    assert_eq!(load(&["--log-level", "error"], FILE).unwrap().1.log_level, LevelFilter::ERROR);
}

#[test]
fn forwards_stand_alone_unless_an_address_is_given() {
    let two = ["--forward", "1=a:1,2=b:2"];
    assert_eq!(forwards(&two, "{}"), ["127.0.0.1:1=a:1", "127.0.0.1:2=b:2"]);
    let three = [&two[..], &["--remote-addr", "c:3"]].concat();
    assert_eq!(forwards(&three, "{}"), ["0.0.0.0:8082=c:3", "127.0.0.1:1=a:1", "127.0.0.1:2=b:2"]);
    assert_eq!(forwards(&two, FILE).len(), 3);
    let in_file = "client: { forwards: [1=a:1, 2=nats-service:b] }";
    assert_eq!(forwards(&[], in_file), ["127.0.0.1:1=a:1", "127.0.0.1:2=nats-service:b"]);
    assert_eq!(forwards(&["--forward", "3=c:3"], in_file), ["127.0.0.1:3=c:3"]);
}

#[test]
fn one_address_has_one_target() {
    let refused = settings(&["--forward", "1=a:1", "--listen-addr", "127.0.0.1:1"], "{}").unwrap_err();
    assert!(refused.to_string().contains("--forward 127.0.0.1:1=a:1"), "{refused}");
}

#[test]
fn a_forward_with_a_scheme_in_a_file_is_named_by_its_key() {
    let refused = load(&[], "client: { forwards: ['1=https://a'] }").unwrap_err().to_string();
    assert!(
        refused.starts_with("client.forwards in ") && refused.contains("connects without TLS"),
        "{refused}"
    );
}
