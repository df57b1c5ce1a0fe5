use std::fs;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Parser;
use nats_proxy_cli::Encoding;
use tempfile::TempDir;
use tracing::level_filters::LevelFilter;

use super::*;

fn load(args: &[&str], yaml: &str) -> Result<(Config, LogArgs, Option<PathBuf>)> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("server.yaml");
    fs::write(&path, yaml).unwrap();
    let path = path.to_str().unwrap();
    Config::load(Cli::try_parse_from([&["nats-proxy-server", "--config", path], args].concat()).unwrap())
}

fn settings(args: &[&str], yaml: &str) -> Result<Settings> {
    Settings::resolve(load(args, yaml)?.0)
}

const FILE: &str = "
nats:
  url: nats://file:4222
log:
  level: warn
server:
  listen_addr: 127.0.0.1:9000
  allow: ['10.0.0.0/8:5432', '*.internal:*']
  deny: 10.1.0.0/16:*, 10.2.0.0/16:*
  services: [db=db:5432]
tunnel:
  max_outage: 5m
  max_sessions: 7
  memory_limit: 64MiB
  encoding: json
";

fn shown(rules: &[fault_proxy_nats::Rule]) -> Vec<String> {
    rules.iter().map(ToString::to_string).collect()
}

#[test]
fn the_defaults_are_those_of_the_first_version() {
    let settings = settings(&[], "{}").unwrap();
    assert_eq!(settings.program.health.unwrap().to_string(), ":8080");
    assert_eq!(settings.program.nats.urls, ["nats://localhost:4222".parse().unwrap()]);
    assert_eq!(settings.program.tunnel.max_outage.0, Duration::from_secs(60));
    assert_eq!(settings.program.tunnel.memory_limit.0, 256 << 20);
    assert_eq!(settings.program.tunnel.half_close_timeout.0, Duration::from_secs(3600));
    assert!(
        settings.targets.is_unrestricted()
            && settings.services.is_empty()
            && settings.program.faults.faults.is_empty()
    );
    assert_eq!(load(&[], "{}").unwrap().1.log_level, LevelFilter::INFO);
}

#[test]
fn a_file_says_what_flags_do_not() {
    let settings = settings(&[], FILE).unwrap();
    assert_eq!(settings.program.health.unwrap().to_string(), "127.0.0.1:9000");
    assert_eq!(settings.program.nats.urls, ["nats://file:4222".parse().unwrap()]);
    assert_eq!(shown(&settings.targets.allow), ["10.0.0.0/8:5432", "*.internal"]);
    assert_eq!(shown(&settings.targets.deny), ["10.1.0.0/16", "10.2.0.0/16"]);
    assert_eq!(settings.services, ["db=db:5432".parse().unwrap()]);
    let tunnel = settings.program.tunnel;
    assert_eq!((tunnel.max_outage.0, tunnel.max_sessions), (Duration::from_secs(300), NonZeroU32::new(7)));
    assert_eq!(tunnel.memory_limit.0, 64 << 20);
    assert_eq!((tunnel.encoding, tunnel.drain_timeout.0), (Encoding::Json, Duration::from_secs(10)));
    assert_eq!(load(&[], FILE).unwrap().1.log_level, LevelFilter::WARN);
}

#[test]
fn flags_come_before_a_file() {
    let flags = [
        &["--nats-url", "flag", "--listen-addr", "off", "--allow", "a:1, b:2", "--allow", "c:3"][..],
        &["--service", "x=y:1", "--max-outage", "1s", "--encoding", "auto", "--log-level", "debug"],
    ]
    .concat();
    let settings = settings(&flags, FILE).unwrap();
    assert_eq!(settings.program.health, None);
    assert_eq!(settings.program.nats.urls, ["nats://flag".parse().unwrap()]);
    assert_eq!(shown(&settings.targets.allow), ["a:1", "b:2", "c:3"]);
    assert_eq!(settings.targets.deny.len(), 2);
    assert_eq!(settings.services, ["x=y:1".parse().unwrap()]);
    assert_eq!(settings.program.tunnel.max_outage.0, Duration::from_secs(1));
    assert_eq!(
        (settings.program.tunnel.encoding, settings.program.tunnel.max_sessions),
        (Encoding::Auto, NonZeroU32::new(7))
    );
    assert_eq!(load(&flags, FILE).unwrap().1.log_level, LevelFilter::DEBUG);
}

#[test]
fn two_services_of_a_name_are_refused() {
    let refused = settings(&["--service", "a=b:1,a=c:2"], "{}").unwrap_err().to_string();
    assert!(refused.contains("--service a="), "{refused}");
}

#[test]
fn faults_are_resolved() {
    let faults = settings(&["--with-refuse", "--seed", "7"], "{}").unwrap().program.faults;
    assert_eq!((&*faults.faults[0].name, faults.seed), ("refuse", Some(7)));
    let refused = settings(&["--with-latency"], "{}").unwrap_err().to_string();
    assert!(refused.contains("--latency-mean"), "{refused}");
}
