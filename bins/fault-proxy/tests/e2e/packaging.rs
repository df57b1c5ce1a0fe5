//! What is shipped, and what is documented, starts the program that there is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{BINARY, PATIENCE, utf8};
use proxy_cli::config;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::manual::{self, Shown};
use testkit::{Daemon, Signal, free_port, packaging};

#[test]
fn manifests_use_flags_that_there_are() {
    for args in packaging::arguments("fault-proxy") {
        let output = Command::new(BINARY).args(&args).arg("--help").output().expect("it starts");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_documentation_shows_commands_that_there_are() {
    let shown = manual::commands("fault-proxy");
    assert!(shown.len() > 20, "{shown:?}");
    for Shown { file, args } in shown {
        // Arguments after `--` belong to another program.
        let own = args.split(|arg| arg == "--").next().unwrap_or_default();
        let output = Command::new(BINARY).args(own).arg("--help").output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {args:?}: {told}", file.display());
    }
}

#[test]
fn the_documentation_shows_runs_with_valid_settings() {
    // Files that the pages write; the tests of these pages run the commands.
    let files = ["--config", "--toxiproxy-config", "--upstream-ca"];
    let directory = TempDir::new().unwrap();
    let mut runs = 0;
    for Shown { file, args } in manual::commands("fault-proxy") {
        let Some(("run", settings)) = args.split_first().map(|(command, rest)| (command.as_str(), rest))
        else {
            continue;
        };
        if settings.iter().any(|arg| files.contains(&&**arg)) {
            continue;
        }
        let mut check = Command::new(BINARY);
        check.arg("check").args(settings).args(["--connect-timeout", "1s"]).current_dir(&directory);
        let output = check.output().expect("it starts");
        // Status 1 is an upstream that does not exist here.
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {args:?}: {told}", file.display());
        runs += 1;
    }
    assert!(runs > 20, "{runs}");
}

#[test]
fn the_config_map_is_a_configuration() {
    let manifest = fs::read_to_string(packaging::directory().join("kubernetes/fault-proxy.yaml")).unwrap();
    let (_, config) = manifest.split_once("fault-proxy.toml: |\n").expect("a file in it");
    let (config, _) = config.split_once("\n---").expect("an end");
    let port = free_port();
    let config = config.replace("5432=", &format!("{port}=")).replace("0.0.0.0", "127.0.0.1");
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("fault-proxy.toml");
    fs::write(&file, config).unwrap();
    let args = ["run", "--control", "off", "--config", utf8(&file)];
    let daemon = Daemon::spawn(Path::new(BINARY), &args, &[]);
    daemon.wait_for_line(&format!("listening on 127.0.0.1:{port}"));
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(PATIENCE).success());
}

#[test]
fn units_wait_until_the_program_is_ready_and_images_ask_for_its_health() {
    for program in ["fault-proxy", "nats-proxy-server", "nats-proxy-client"] {
        let unit = packaging::directory().join(format!("systemd/{program}.service"));
        let unit = fs::read_to_string(unit).unwrap();
        for line in ["Type=notify", "DynamicUser=yes", "NoNewPrivileges=yes"] {
            assert!(unit.lines().any(|other| other == line), "{program}: {line}");
        }
        assert!(unit.contains(&format!("ExecStart=/usr/bin/{program} ")), "{unit}");
        let dockerfile = fs::read_to_string(packaging::directory().join("Dockerfile")).unwrap();
        assert!(dockerfile.contains(&format!("CMD [\"{program}\", \"health\"]")), "{dockerfile}");
    }
}

#[test]
fn what_is_shipped_exports_traces_and_a_plain_build_does_not() {
    for file in ["packaging/Dockerfile", ".github/workflows/release.yml"] {
        let text = fs::read_to_string(packaging::directory().join("..").join(file)).expect("it is there");
        let builds: Vec<_> = text.lines().filter(|line| line.contains("build --profile dist")).collect();
        assert!(!builds.is_empty(), "{file}");
        for build in builds {
            assert!(build.contains("--features jemalloc,otlp"), "{file}: {build}");
        }
    }
    let manifest =
        config::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("it is TOML");
    let features: BTreeMap<String, Vec<String>> =
        manifest.extract_inner("features").expect("it has features");
    assert!(features["otlp"].iter().any(|feature| feature == "proxy-cli/otlp"), "{features:?}");
    let default = features.get("default").into_iter().flatten();
    assert_eq!(default.filter(|feature| feature.contains("otlp")).count(), 0, "{features:?}");
}

#[test]
fn images_have_the_names_in_the_documentation() {
    let root = packaging::directory().join("..");
    let read = |file: &str| fs::read_to_string(root.join(file)).expect("it is there");
    let release = read(".github/workflows/release.yml");
    assert!(release.contains("ghcr.io/${GITHUB_REPOSITORY_OWNER,,}/$PROGRAM"), "{release}");
    let programs = release.lines().find_map(|line| line.trim().strip_prefix("program: [")).expect("a list");
    let install = read("docs/install.md");
    for program in programs.trim_end_matches(']').split(", ") {
        let name = format!("`ghcr.io/OWNER/{program}:VERSION`");
        assert!(install.contains(&name), "{name}");
    }
}

#[test]
fn what_is_shipped_is_optimized() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let manifest = config::read(&manifest).expect("it is TOML");
    let packages = |profile: &str| -> BTreeMap<String, Value> {
        manifest.extract_inner(&format!("profile.{profile}.package")).expect("it has packages")
    };
    // `dist` inherits from `release`, also the packages that are not optimized there.
    let expected = packages("release").into_keys().map(|name| (name, json!({"opt-level": 3}))).collect();
    assert_eq!(packages("dist"), expected);
}
