//! A network namespace that exists as long as its value.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{self, Command};
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace. Dropping it removes the namespace with its interfaces and addresses.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    pub(super) fn create(role: &str) -> Result<Self> {
        let name = format!("fault-bench-{}-{role}", process::id());
        run(&format!("ip netns add {name}"))?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` in the namespace. `args` are separated by spaces.
    pub(super) fn ip(&self, args: &str) -> Result<()> {
        run(&format!("ip -netns {} {args}", self.name))
    }

    /// Runs a command in the namespace. Its arguments are separated by spaces.
    pub(super) fn run(&self, command: &str) -> Result<()> {
        run(&format!("ip netns exec {} {command}", self.name))
    }

    /// Runs `work` on a thread in the namespace. Sockets that it opens stay in the namespace.
    pub(super) fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let file = Path::new("/run/netns").join(&self.name);
        let namespace = File::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
        let inside = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .context("cannot enter a network namespace")?;
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join().expect("work in a namespace does not panic"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = run(&format!("ip netns delete {}", self.name)) {
            eprintln!("{error:#}");
        }
    }
}

/// Runs a command. Its arguments must not contain spaces.
fn run(command: &str) -> Result<()> {
    let mut words = command.split(' ');
    let program = testkit::require(words.next().unwrap_or_default(), "iproute2");
    let output =
        Command::new(program).args(words).output().with_context(|| format!("cannot run {command}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{command}` failed: {}", stderr.trim());
    Ok(())
}
