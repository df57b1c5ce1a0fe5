//! The Python package: its wheel from this tree, and pytest with its fixture.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::support::{BINARY, printed, utf8};
use serde_json::json;
use testkit::manual::Reader;
use testkit::{Postgres, Redis, clients, require};

/// Returns `python` of an environment with the wheel. Its directory also has the program of the wheel.
pub(crate) fn python() -> &'static Path {
    static PYTHON: LazyLock<PathBuf> = LazyLock::new(install);
    &PYTHON
}

/// The project's directory.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds the wheel, installs it in a fresh environment and returns the environment's `python`.
fn install() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-package");
    fs::remove_dir_all(&directory).ok();
    let wheels = directory.join("wheels");
    fs::create_dir_all(&wheels).expect("the directory is ours");
    let mut maturin = Command::new(clients::python_program("maturin"));
    maturin.args(["build", "--profile", "dev", "--compression-level", "1", "--out"]).arg(&wheels);
    maturin.current_dir(project().join("packaging/python")).env("CARGO", cargo_with_program(&directory));
    printed(&maturin.output().expect("it starts"));
    let wheel =
        fs::read_dir(&wheels).expect("it is ours").next().expect("a wheel").expect("it is ours").path();
    let environment = directory.join("environment");
    let mut venv = Command::new(require("python3", "python3"));
    printed(&venv.args(["-m", "venv", "--without-pip"]).arg(&environment).output().expect("it starts"));
    let python = environment.join("bin/python");
    let mut pip = Command::new(require("pip3", "python3-pip"));
    pip.arg("--python").arg(&python).args(["install", "--quiet", "--no-index"]).arg(&wheel);
    printed(&pip.output().expect("it starts"));
    // pytest and client libraries, as installed for other tests
    let site = Command::new(&python).args(["-c", "import site; print(site.getsitepackages()[0])"]).output();
    let site = PathBuf::from(printed(&site.expect("it starts")).trim());
    let others = clients::python_modules("pytest").canonicalize().expect("it exists");
    fs::write(site.join("others.pth"), utf8(&others)).expect("the directory is ours");
    let pytest = environment.join("bin/pytest");
    let text = format!("#!{}\nimport pytest\nraise SystemExit(pytest.main())\n", utf8(&python));
    write_program(&pytest, &text);
    python
}

fn write_program(file: &Path, text: &str) {
    fs::write(file, text).expect("the directory is ours");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("the directory is ours");
}

/// Writes a program that maturin calls as cargo. It presents a copy of the program of this build, because cargo would build all
/// dependencies again: the features of one package are not those of the workspace.
fn cargo_with_program(directory: &Path) -> PathBuf {
    let file = directory.join("cargo");
    // maturin moves what cargo has built, and puts it back. Until then, other tests would not find the program.
    let program = directory.join("fault-proxy");
    fs::copy(BINARY, &program).expect("the directory is ours");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = manifest.join("src/main.rs");
    let kind = ["bin"];
    let target = json!({
        "kind": kind, "crate_types": kind, "name": "fault-proxy", "src_path": source, "edition": "2024",
        "doc": true, "doctest": false, "test": true,
    });
    let profile = json!({
        "opt_level": "0", "debuginfo": 1, "debug_assertions": true, "overflow_checks": true, "test": false,
    });
    let artifact = json!({
        "reason": "compiler-artifact",
        "package_id": format!("path+file://{}#{}", utf8(manifest), env!("CARGO_PKG_VERSION")),
        "manifest_path": manifest.join("Cargo.toml"), "target": target, "profile": profile, "features": [],
        "filenames": [program], "executable": program, "fresh": true,
    });
    let text =
        format!("#!/bin/sh\n[ \"$1\" = rustc ] || exec '{}' \"$@\"\necho '{artifact}'\n", env!("CARGO"));
    write_program(&file, &text);
    file
}

#[test]
fn its_tests_pass() {
    let redis = Redis::start();
    let mut tests = Command::new(python());
    tests.args(["-m", "pytest", "-q"]).arg(project().join("packaging/python/tests"));
    tests.env("REDIS_PORT", redis.port().to_string()).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tests.output().expect("it starts");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !report.contains("skipped"), "{report}");
}

#[test]
fn its_example_passes() {
    let server = Postgres::start();
    let mut tests = Command::new(python());
    tests.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    tests.arg(project().join("packaging/python/examples")).env("PYTHONDONTWRITEBYTECODE", "1");
    let port = server.port().to_string();
    tests.envs([("PGHOST", "127.0.0.1"), ("PGPORT", &port), ("PGUSER", "postgres")]);
    let output = tests.output().expect("it starts");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("5 passed, 1 xfailed"), "{report}");
}

#[test]
fn the_test_in_the_readme_fails_and_then_passes() {
    let redis = Redis::start();
    let programs = python().parent().expect("it is in a directory");
    let reader = Reader::of_section("../README.md", "A test in Python", programs);
    assert_eq!(reader.with_server(6379, redis.port()).follow(), 2);
}
