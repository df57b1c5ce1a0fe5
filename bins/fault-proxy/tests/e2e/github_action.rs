//! The actions for GitHub, with a runner that evaluates the part of the language that they use, and a release of this build.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{BINARY, utf8};
use figment::Figment;
use figment::providers::{Format, Yaml};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{Redis, free_port, packaging};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const INSTALL: &str = "action.yml";
const STOP: &str = "stop/action.yml";

/// Returns the content of an action's file.
fn definition(action: &str) -> Value {
    let file = packaging::directory().join("action").join(action);
    Figment::from(Yaml::file(file)).extract().expect("it is YAML")
}

/// A job on a runner.
struct Job {
    directory: TempDir,
    /// Values of expressions, such as `github.action_ref`.
    values: BTreeMap<String, String>,
    /// `RUNNER_OS` and `RUNNER_ARCH`.
    system: (&'static str, &'static str),
    /// Text that the steps have added to the page of the workflow run.
    summary: String,
}

impl Job {
    /// Starts a job that uses the actions with the tag of this version, which has a release for a target.
    fn start(system: (&'static str, &'static str), target: &str) -> Self {
        let directory = TempDir::new().expect("the temporary directory is writable");
        let (work, temp) = (directory.path().join("work"), directory.path().join("temp"));
        fs::create_dir(work).expect("the directory is ours");
        fs::create_dir(&temp).expect("the directory is ours");
        let name = format!("fault-proxy-{VERSION}-{target}");
        let release = directory.path().join(format!("team/tools/releases/download/v{VERSION}"));
        fs::create_dir_all(release.join(&name).join("bin")).expect("the directory is ours");
        fs::copy(BINARY, release.join(&name).join("bin/fault-proxy")).expect("the directory is ours");
        // as the workflow of releases makes them
        let pack = format!(
            "tar -czf '{name}.tar.gz' '{name}' && rm -r '{name}' && sha256sum ./*.tar.gz > SHA256SUMS"
        );
        let packed = Command::new("bash").args(["-c", &pack]).current_dir(&release).status();
        assert!(packed.expect("it starts").success());
        let values = [
            ("github.server_url", format!("file://{}", utf8(directory.path()))),
            ("github.action_repository", "team/tools".to_owned()),
            ("github.action_ref", format!("v{VERSION}")),
            ("runner.temp", utf8(&temp).to_owned()),
        ];
        Self {
            directory,
            values: values.map(|(name, value)| (name.to_owned(), value)).into(),
            system,
            summary: String::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Uses an action up to its first step that fails. Returns what the steps printed with the exit code of the last one, and the
    /// files to upload.
    fn uses(&mut self, action: &str, inputs: &[(&str, &str)]) -> (String, i32, String) {
        let file = packaging::directory().join("action").join(action);
        let definition = definition(action);
        assert_eq!(definition["runs"]["using"], "composite");
        for (name, input) in definition["inputs"].as_object().expect("it has inputs") {
            let given = inputs.iter().find(|(given, _)| given == name).map(|(_, value)| *value);
            let value = given.or(input["default"].as_str()).expect("a default").to_owned();
            self.values.insert(format!("inputs.{name}"), value);
        }
        let (mut printed, mut code, mut uploaded) = (String::new(), 0, String::new());
        for step in definition["runs"]["steps"].as_array().expect("it has steps") {
            let condition =
                step["if"].as_str().map(|text| text.strip_suffix(" != ''").expect("a known form"));
            if condition.is_some_and(|name| self.values[name].is_empty()) {
                continue;
            }
            if let Some(action) = step["uses"].as_str() {
                assert!(action.starts_with("actions/upload-artifact@"), "{action}");
                uploaded = self.evaluated(&step["with"]["path"]);
                continue;
            }
            let output = self.step(&file, step);
            printed += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
            code = output.status.code().unwrap_or(-1);
            if code != 0 {
                break;
            }
        }
        (printed, code, uploaded)
    }

    /// Runs a step as a runner does.
    fn step(&mut self, file: &Path, step: &Value) -> Output {
        assert_eq!(step["shell"], "bash", "{step}");
        let (outputs, path, summary) = (self.path("outputs"), self.path("path"), self.path("summary"));
        fs::write(&outputs, "").expect("the directory is ours");
        fs::write(&summary, "").expect("the directory is ours");
        let found = self.read("path").lines().map(|line| format!("{line}:")).collect::<String>();
        let mut command = Command::new("bash");
        let script = self.evaluated(&step["run"]);
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script]);
        command.current_dir(self.path("work"));
        command.env("PATH", found + &std::env::var("PATH").unwrap_or_default());
        command.env("GITHUB_ACTION_PATH", file.parent().expect("it is in a directory"));
        command.env("GITHUB_OUTPUT", &outputs).env("GITHUB_PATH", &path);
        command.env("GITHUB_STEP_SUMMARY", &summary);
        command.env("RUNNER_TEMP", self.path("temp"));
        command.env("RUNNER_OS", self.system.0).env("RUNNER_ARCH", self.system.1);
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            command.env(name, self.evaluated(value));
        }
        let output = command.output().expect("it starts");
        self.summary += &self.read("summary");
        for line in self.read("outputs").lines() {
            let (name, value) = line.split_once('=').expect("NAME=VALUE");
            let id = step["id"].as_str().expect("a step with outputs has an id");
            self.values.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
        }
        output
    }

    /// Replaces `${{ NAME }}`.
    fn evaluated(&self, text: &Value) -> String {
        let mut parts = text.as_str().expect("a text").split("${{ ");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once(" }}").expect("an end");
            result += self.values.get(name).unwrap_or_else(|| panic!("{name} has no value"));
            result += rest;
        }
        result
    }
}

fn on_linux() -> Job {
    Job::start(("Linux", "X64"), "x86_64-unknown-linux-musl")
}

#[test]
fn it_runs_the_program_of_the_release_between_two_steps() {
    let (mut job, redis, port) = (on_linux(), Redis::start(), free_port());
    let run = format!(
        "--control 127.0.0.1:0 --proxy cache@{port}=127.0.0.1:{} --journal 'the journal.jsonl' --report report.json",
        redis.port()
    );
    let (printed, code, _) = job.uses(INSTALL, &[("run", &run)]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains(&format!("fault-proxy {VERSION}")), "{printed}");
    assert!(printed.contains(&format!("listening on 127.0.0.1:{port}")), "{printed}");
    let answer = Command::new("redis-cli").args(["-p", &port.to_string(), "PING"]).output();
    assert_eq!(answer.expect("it starts").stdout, b"PONG\n");
    let (second, code, _) = job.uses(INSTALL, &[("run", "")]);
    assert_eq!(code, 0, "{second}");
    let (second, code, _) = job.uses(INSTALL, &[("run", "--control 127.0.0.1:0")]);
    assert!(code == 1 && second.contains("it is running already"), "{second}");
    let (printed, code, uploaded) = job.uses(STOP, &[("path", "the journal.jsonl\nreport.json\n")]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("session ended") && printed.contains("SIGTERM"), "{printed}");
    assert!(job.summary.contains("cache"), "{}", job.summary);
    let log = uploaded.lines().next().expect("the log");
    assert!(fs::read_to_string(log).is_ok_and(|log| log.contains("session ended")), "{uploaded}");
    for file in uploaded.lines().skip(1).filter(|line| !line.is_empty()) {
        assert!(job.path("work").join(file).is_file(), "{file}: {printed}");
    }
}

#[test]
fn it_only_installs_without_arguments_for_a_run() {
    for (system, target) in [
        (("Linux", "X64"), "x86_64-unknown-linux-musl"),
        (("Linux", "ARM64"), "aarch64-unknown-linux-musl"),
        (("macOS", "X64"), "x86_64-apple-darwin"),
        (("macOS", "ARM64"), "aarch64-apple-darwin"),
    ] {
        let mut job = Job::start(system, target);
        let (printed, code, _) = job.uses(INSTALL, &[]);
        assert_eq!(code, 0, "{printed}");
        let program = format!("temp/fault-proxy/fault-proxy-{VERSION}-{target}/bin/fault-proxy");
        assert_eq!(job.values["steps.install.outputs.program"], utf8(&job.path(&program)));
        assert!(!job.path("temp/fault-proxy/pid").exists());
        let (printed, code, _) = job.uses(STOP, &[]);
        assert!(code == 1 && printed.contains("it was not started: set the input run"), "{printed}");
    }
}

#[test]
fn it_refuses_what_is_not_the_release() {
    let mut job = on_linux();
    let archive = format!("fault-proxy-{VERSION}-x86_64-unknown-linux-musl.tar.gz");
    let archive = job.path(&format!("team/tools/releases/download/v{VERSION}/{archive}"));
    let mut bytes = fs::read(&archive).unwrap();
    bytes.push(0);
    fs::write(&archive, bytes).unwrap();
    let (printed, code, _) = job.uses(INSTALL, &[]);
    assert!(code == 1 && printed.contains("its checksum differs"), "{printed}");
    assert!(!job.path("path").exists());
}

#[test]
fn it_explains_releases_that_do_not_exist() {
    let mut job = on_linux();
    let (printed, code, _) = job.uses(INSTALL, &[("version", "v9.9.9")]);
    assert!(code == 1 && printed.contains("cannot download file:///"), "{printed}");
    assert!(printed.contains("v9.9.9") && printed.contains("check the version"), "{printed}");
    job.values.insert("github.action_ref".to_owned(), "main".to_owned());
    let (printed, code, _) = job.uses(INSTALL, &[]);
    assert!(code == 1 && printed.contains("\"main\" is not the tag of a release"), "{printed}");
    job.system = ("Windows", "X64");
    let (printed, code, _) = job.uses(INSTALL, &[]);
    assert!(code == 1 && printed.contains("releases have no program for Windows on X64"), "{printed}");
}

#[test]
fn it_fails_as_the_run_fails() {
    let mut job = on_linux();
    let (printed, code, _) = job.uses(INSTALL, &[("run", "--no-such-flag")]);
    assert!(code == 1 && printed.contains("it ended with exit code 2"), "{printed}");
    let run = format!(
        "--control 127.0.0.1:0 --proxy cache@{}=127.0.0.1:1 --with-latency --latency-mean 1ms --strict",
        free_port()
    );
    let (printed, code, _) = job.uses(INSTALL, &[("run", &run)]);
    assert_eq!(code, 0, "{printed}");
    let (printed, code, uploaded) = job.uses(STOP, &[]);
    assert!(code == 3 && uploaded.contains("log.txt"), "{printed}");
}

#[test]
fn it_downloads_files_by_the_names_of_the_workflow_of_releases() {
    let archive = fs::read_to_string(packaging::directory().join("archive.sh")).unwrap();
    assert!(archive.contains("\nname=fault-proxy-$version-$target\n"), "{archive}");
    let workflow =
        fs::read_to_string(packaging::directory().join("../.github/workflows/release.yml")).unwrap();
    assert!(workflow.contains("cd archives && sha256sum ./*.tar.gz ./*.json > SHA256SUMS"), "{workflow}");
    for target in ["x86_64", "aarch64"] {
        for system in ["unknown-linux-musl", "apple-darwin"] {
            assert!(workflow.contains(&format!("target: {target}-{system},")), "{workflow}");
        }
    }
}

#[test]
fn its_page_shows_inputs_and_arguments_that_exist() {
    let page = packaging::directory().join("../docs/how-to/github-actions.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, workflow) = page.split_once("```yaml\n").expect("a workflow");
    let (workflow, _) = workflow.split_once("```").expect("an end");
    let workflow: Value = Figment::from(Yaml::string(workflow)).extract().unwrap();
    for (step, action) in [(1, INSTALL), (3, STOP)] {
        let step = &workflow["jobs"]["test"]["steps"][step];
        let name = action.strip_suffix("action.yml").expect("the file of an action").trim_end_matches('/');
        let directory = Path::new("OWNER/REPOSITORY/packaging/action").join(name);
        assert_eq!(step["uses"], format!("{}@v{VERSION}", utf8(&directory).trim_end_matches('/')));
        for input in step["with"].as_object().expect("it has inputs").keys() {
            assert!(!definition(action)["inputs"][input].is_null(), "{input}");
        }
    }
    let run = workflow["jobs"]["test"]["steps"][1]["with"]["run"].as_str().expect("arguments");
    let mut check = Command::new("bash");
    check.args([
        "-c",
        &format!("'{BINARY}' check --control off {}", run.replace("localhost:6379", "127.0.0.1:1")),
    ]);
    let output = check.output().unwrap();
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    for shown in ["cache\t127.0.0.1:6380", "latency.p99<400ms", "report.json", "journal.jsonl"] {
        assert!(printed.contains(shown), "{shown}: {printed}");
    }
}
