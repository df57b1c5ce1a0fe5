//! The description that the control API gives of itself, held against what it does by schemathesis.

use std::process::Command;

use crate::support::api::Api;
use testkit::{clients, require};

/// It reads more leniently than it describes, and not every text is an address.
const NOT_PROMISED: &str = "negative_data_rejection,positive_data_acceptance";

#[test]
fn the_api_answers_as_it_describes_itself() {
    let api = Api::alone();
    let directory = tempfile::tempdir().expect("a directory");
    let mut schemathesis = Command::new(require("python3", "python3"));
    schemathesis
        .args(["-m", "schemathesis.cli", "--no-color", "run", "--seed", "1", "--max-examples", "10"])
        .args(["--exclude-checks", NOT_PROMISED, &format!("http://{}/openapi.json", api.addr)])
        .env("PYTHONPATH", clients::python_modules("schemathesis"))
        .current_dir(&directory);
    let output = schemathesis.output().expect("python starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    for phase in ["Examples", "Coverage", "Fuzzing", "Stateful"] {
        assert!(told.contains(&format!("✅ {phase}")), "{told}");
    }
    assert_eq!(api.send("GET", "/version", "", &[]).0, 200, "it still answers");
}
