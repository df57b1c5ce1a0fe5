//! Files that are shipped with the programs.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the directory `packaging` of the project.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging")
}

/// Returns the arguments with which the compose file and the Kubernetes manifests start a program.
///
/// # Panics
///
/// Panics if they do not start the program.
pub fn arguments(program: &str) -> Vec<Vec<String>> {
    let files = ["compose.yaml", "kubernetes/fault-proxy.yaml", "kubernetes/nats-proxy.yaml"];
    let mut all = Vec::new();
    for file in files {
        let path = directory().join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut name = "";
        for line in text.lines().map(str::trim) {
            if let Some(service) = line.strip_suffix(':').or_else(|| line.strip_prefix("- name: ")) {
                name = service;
            }
            let list = line.strip_prefix("command: [").or_else(|| line.strip_prefix("args: ["));
            if let Some(list) = list.and_then(|list| list.strip_suffix(']')).filter(|_| name == program) {
                all.push(list.split(", ").map(|word| word.trim_matches('"').to_owned()).collect());
            }
        }
    }
    assert!(!all.is_empty(), "no file starts {program}");
    all
}
