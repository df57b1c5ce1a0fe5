//! The shell that runs the commands of a page.

use std::{
    env,
    fmt::Display,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

use crate::{Daemon, nats_server, require};

/// Programs that pages use, and the Debian packages that contain them.
const PACKAGES: [(&str, &str); 5] = [
    ("curl", "curl"),
    ("psql", "postgresql-client"),
    ("python3", "python3"),
    ("redis-cli", "redis-tools"),
    ("redis-server", "redis-server"),
];

/// A separate directory, and an environment that does not inherit from the caller's.
#[derive(Debug)]
pub(super) struct Shell {
    directory: TempDir,
    path: String,
    variables: Vec<String>,
}

impl Shell {
    /// Creates a shell that searches `programs` for programs first.
    pub(super) fn with(programs: &Path) -> Self {
        let theirs = env::var_os("PATH").unwrap_or_default();
        let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
        let directories = [programs.to_owned()].into_iter().chain(env::split_paths(&theirs)).chain(system);
        let path = env::join_paths(directories).expect("they came from a PATH");
        let path = path.into_string().expect("it is UTF-8");
        let directory = TempDir::new().expect("the temporary directory is writable");
        Self { directory, path, variables: vec!["LC_ALL=C.UTF-8".to_owned()] }
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn set(&mut self, name: &str, value: impl Display) {
        self.variables.push(format!("{name}={value}"));
    }

    /// Starts a command after a command that ended with `code`. `alone` is true if it is a single program,
    /// which then receives signals itself.
    pub(super) fn start(&self, command: &str, alone: bool, code: i32) -> Daemon {
        let home = self.directory().to_str().expect("temporary files have UTF-8 names");
        let exec = if alone { "exec env " } else { "" };
        let script = format!("exec 2>&1; cd '{home}'; (exit {code}); {exec}{command}");
        let mut args =
            vec!["-i".to_owned(), format!("HOME={home}"), format!("PATH={}", self.path_for(command))];
        args.extend(self.variables.iter().cloned());
        if !command.contains(['|', '>', '(']) {
            // redis-cli prints the same output as on a terminal.
            args.push("FAKETTY=1".to_owned());
        }
        args.extend(["bash", "-c", &script].map(str::to_owned));
        let args: Vec<&str> = args.iter().map(|arg| &**arg).collect();
        Daemon::spawn(&require("env", "coreutils"), &args, &[])
    }

    /// Returns the search path for the programs of a command that are not in the directories of the system.
    fn path_for(&self, command: &str) -> String {
        let mut words = command.split([' ', '|', ';', '(', ')']);
        for (program, package) in PACKAGES {
            if words.clone().any(|word| word == program) {
                require(program, package);
            }
        }
        if words.any(|word| word == "nats-server") {
            let directory = nats_server().parent().expect("it is in a directory").display().to_string();
            return format!("{directory}:{}", self.path);
        }
        self.path.clone()
    }
}
