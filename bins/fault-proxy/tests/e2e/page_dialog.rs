//! The dialog of the page that adds and changes faults, in a real browser.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{TcpServer, clients, free_addr, free_port, require};

use crate::support::api::Api;
use crate::support::{ANY_CONTROL_PORT, BINARY, utf8};

const TOKEN: &str = "a secret that no preview shows";

/// Names and schemes of upstreams.
const PROXIES: [(&str, &str); 4] =
    [("plain", ""), ("it's psql", "psql://"), ("it's http", "http://"), ("it's redis", "redis://")];

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page").join(name)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs `dialog.mjs`. Returns the texts that the dialog has shown.
fn browse(api: &Api, directory: &TempDir, token: Option<&str>) -> Vec<Value> {
    let screenshots = clients::target_directory().join("screenshots");
    fs::create_dir_all(&screenshots).expect("target is ours");
    let texts = directory.path().join("texts.json");
    let mut browser = Command::new(require("node", "nodejs"));
    browser
        .arg(script("dialog.mjs"))
        .args([&format!("http://{}/", api.addr), utf8(&screenshots), utf8(&texts)])
        .args(token)
        .env("NODE_PATH", clients::npm_modules("axe-core"))
        .env("CHROMIUM", require("chromium", "chromium"));
    let output = browser.output().expect("node starts");
    assert!(output.status.success(), "{}", told(&output));
    let texts = fs::read_to_string(texts).expect("the script writes it");
    serde_json::from_str(&texts).expect("JSON")
}

/// Runs a text in a shell that finds this build, as a user who has copied it.
fn paste(text: &str, token: Option<&str>) {
    let mut path = OsString::from(Path::new(BINARY).parent().expect("it is in a directory"));
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a path"));
    let mut shell = Command::new("sh");
    shell.args(["-euc", text]).env("PATH", path).env_remove("FAULT_CONTROL").env_remove("FAULT_CONTROL_ADDR");
    if let Some(token) = token {
        shell.env("FAULT_CONTROL_TOKEN", token);
    }
    let output = shell.output().expect("sh starts");
    assert!(output.status.success(), "{text}\n{}", told(&output));
}

fn toxics(proxy: &str) -> String {
    format!("/proxies/{}/toxics", proxy.replace(' ', "%20").replace('\'', "%27"))
}

/// The faults of a file have no time to live. Their direction is an attribute, where that of the API may be a stream.
fn without_what_files_lack(mut faults: Value) -> Value {
    for fault in faults.as_array_mut().expect("a list") {
        let fault = fault.as_object_mut().expect("a fault");
        fault.remove("ttl");
        let attributes = fault["attributes"].as_object_mut().expect("attributes");
        attributes.retain(|name, value| name != "direction" || value == "both");
    }
    faults
}

fn assert_file_has(file: &Path, proxy: &str, faults: &Value) {
    let check = Command::new(BINARY)
        .args(["check", "--config", utf8(file)])
        .envs([ANY_CONTROL_PORT])
        .output()
        .expect("it starts");
    assert!(check.status.success(), "{}\n{}", fs::read_to_string(file).expect("it is there"), told(&check));
    let run = Api::with(&["--config", utf8(file)]);
    let of_file = without_what_files_lack(run.get(&toxics(proxy)));
    assert_eq!(
        of_file,
        without_what_files_lack(faults.clone()),
        "{}",
        fs::read_to_string(file).expect("it is there")
    );
}

/// Starts fault-proxy with [`PROXIES`], and a proxy of a file whose latency has a table, which the API does not take.
fn start(directory: &TempDir, upstream: &TcpServer) -> Api {
    let delays = directory.path().join("delays.csv");
    fs::write(&delays, "5\n").expect("the directory is ours");
    let config = json!({"proxies": [{
        "name": "from a file",
        "proxy": format!("127.0.0.1:{}={}", free_port(), upstream.addr()),
        "faults": [{"type": "latency", "distribution": "table", "table": utf8(&delays)}],
    }]});
    let file = directory.path().join("fault-proxy.json");
    fs::write(&file, config.to_string()).expect("the directory is ours");
    let api = Api::with(&["--config", utf8(&file)]);
    for (name, scheme) in PROXIES {
        let upstream = format!("{scheme}{}", upstream.addr());
        // The port outlives its proxy: the runs of the files listen on it later.
        api.post("/proxies", &json!({"name": name, "listen": free_addr().to_string(), "upstream": upstream}));
    }
    api
}

#[test]
fn the_dialog_adds_faults_and_shows_how_to_add_them_elsewhere() {
    let echo = TcpServer::echo();
    let directory = TempDir::new().expect("a temporary directory");
    let api = start(&directory, &echo);
    let records = browse(&api, &directory, None);
    assert!(records.len() > 30, "{} records", records.len());

    // The runs of the files listen on these ports.
    for (name, _) in PROXIES {
        let path = toxics(name);
        api.post(path.trim_end_matches("/toxics"), &json!({"enabled": false}));
    }
    for record in &records {
        let text = |form: &str| record["texts"][form].as_str().expect("a text");
        let (what, proxy) = (&record["what"], record["proxy"].as_str().expect("a name"));
        let faults: Value = serde_json::from_str(record["faults"].as_str().expect("a text")).expect("JSON");
        for form in ["ctl", "curl"] {
            paste(text(form), None);
            assert_eq!(api.get(&toxics(proxy)), faults, "{what}: {}", text(form));
            for fault in faults.as_array().expect("a list") {
                let name = fault["name"].as_str().expect("a name");
                let name: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
                api.delete(&format!("{}/{name}", toxics(proxy)));
            }
        }
        let file = directory.path().join("fault-proxy.toml");
        fs::write(&file, text("toml")).expect("the directory is ours");
        assert_file_has(&file, proxy, &faults);
    }
}

#[test]
fn a_preview_reads_the_token_from_the_environment() {
    let echo = TcpServer::echo();
    let mapping = format!("plain@127.0.0.1:{}={}", free_port(), echo.addr());
    let api = Api::with(&["--control-token", TOKEN, "--proxy", &mapping]);
    let directory = TempDir::new().expect("a temporary directory");
    let record = browse(&api, &directory, Some(TOKEN)).remove(0);
    let bearer = format!("Bearer {TOKEN}");
    for form in ["ctl", "curl"] {
        let text = record["texts"][form].as_str().expect("a text");
        assert!(!text.contains(TOKEN), "{text}");
        paste(text, Some(TOKEN));
        let path = "/proxies/plain/toxics/latency_downstream";
        let (status, _) = api.send("DELETE", path, "", &[("authorization", &bearer)]);
        assert_eq!(status, 204, "{text}");
    }
}

#[test]
fn the_pure_modules_do_as_they_say() {
    let directory = TempDir::new().expect("a temporary directory");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/control/page");
    for file in fs::read_dir(page).expect("it is there") {
        let file = file.expect("a file").path();
        fs::copy(&file, directory.path().join(file.file_name().expect("a name"))).expect("it can be read");
    }
    // Else node reads them as scripts.
    fs::write(directory.path().join("package.json"), r#"{"type": "module"}"#).expect("the directory is ours");
    let mut node = Command::new(require("node", "nodejs"));
    let scripts = ["preview.test.mjs", "presets.test.mjs", "changes.test.mjs"].map(script);
    node.arg("--test").args(scripts);
    let output = node.env("PAGE_MODULES", directory.path()).output().expect("node starts");
    assert!(output.status.success(), "{}", told(&output));
}
