//! The npm packages: packed from this tree, and `node:test` with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::support::{BINARY, printed};
use testkit::manual::Reader;
use testkit::{Redis, clients, require};

/// Returns a directory with the packages and their tests.
pub(crate) fn installed() -> &'static Path {
    static INSTALLED: LazyLock<PathBuf> = LazyLock::new(install);
    &INSTALLED
}

/// The packages' directory in the project.
fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/npm")
}

/// Name of this machine's platform in the names of packages.
fn platform() -> String {
    let cpu = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux-{cpu}")
}

fn node() -> Command {
    Command::new(require("node", "nodejs"))
}

/// Packs the program of this build, and installs the packages in a new directory without the registry, by the
/// command that the documentation shows.
fn install() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("npm-package");
    fs::remove_dir_all(&directory).ok();
    let (tarballs, tests) = (directory.join("tarballs"), directory.join("test"));
    fs::create_dir_all(&tests).expect("the directory is ours");
    let mut pack = node();
    pack.arg(packages().join("pack.mjs")).arg(&tarballs).arg(format!("{}={BINARY}", platform()));
    printed(&pack.output().expect("it starts"));
    fs::write(directory.join("package.json"), "{}").expect("the directory is ours");
    let files = |directory: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).expect("it exists");
        entries.map(|entry| entry.expect("it exists").path()).collect()
    };
    require("npm", "npm");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/test-suite.md");
    let page = fs::read_to_string(page).expect("it is there");
    let shown = page.lines().find(|line| line.starts_with("npm install ")).expect("it is shown");
    let command = format!("{shown} --offline --no-audit --no-fund --loglevel error");
    let mut npm = Command::new("sh");
    printed(&npm.args(["-c", &command]).current_dir(&directory).output().expect("it starts"));
    for test in files(&packages().join("test")) {
        fs::copy(&test, tests.join(test.file_name().expect("a file"))).expect("the directory is ours");
    }
    directory
}

#[test]
fn its_tests_pass() {
    let redis = Redis::start();
    let mut tests = node();
    tests.args(["--test", "test/faults.test.mjs", "test/program.test.mjs"]).current_dir(installed());
    tests.env("REDIS_PORT", redis.port().to_string()).env_remove("FAULT_PROXY_BIN");
    tests.env("NODE_PATH", clients::npm_modules("toxiproxy-node-client"));
    let output = tests.output().expect("it starts");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("fail 0"), "{report}");
}

#[test]
fn its_types_fit_a_program_in_typescript() {
    let compiler = clients::npm_modules("typescript").join("typescript/bin/tsc");
    let mut tsc = node();
    tsc.arg(compiler).args(["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext"]);
    tsc.args(["--lib", "es2022,esnext.disposable", "test/types.ts"]).current_dir(installed());
    let output = tsc.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_tests_in_both_readmes_pass() {
    let redis = Redis::start();
    let programs = Path::new(BINARY).parent().expect("it is in a directory");
    for reader in [
        Reader::of("../packaging/npm/fault-proxy/README.md", programs),
        Reader::of_section("../README.md", "A test in Node", programs),
    ] {
        let reader = reader.with_server(6379, redis.port());
        assert_eq!(reader.with_directory("node_modules", &installed().join("node_modules")).follow(), 1);
    }
}
