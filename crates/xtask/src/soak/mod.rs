//! `cargo xtask soak`: real clients, through both halves of the project, while everything around them fails.
//!
//! | module | what it is |
//! |---|---|
//! | [`faulty`] | fault-proxy, with faults that are added and removed at random |
//! | [`tunnel`] | the NATS programs, with a nats-server that is killed and paused |
//! | [`starved`] | fault-proxy without descriptors, and without room for its journal |
//! | [`clients`] | who checks every byte |
//! | [`cores`] | the property tests of the pure cores, with more cases |
//! | [`process`] | a program, and whether it is again as it was |

mod clients;
mod cores;
mod faulty;
mod process;
mod starved;
mod tunnel;

use std::env;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use testkit::packages;

use crate::{WORKSPACE, cargo};

#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// How long clients run. The property tests come after them and take a few minutes more.
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    minutes: f64,
    /// What faults and outages come when; the clients' timing is the machine's.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What all threads of a soak share.
#[derive(Debug)]
pub(crate) struct Soak {
    is_over: AtomicBool,
    seed: u64,
    wrong: Mutex<Vec<String>>,
}

impl Soak {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Each its own.
    fn draws(&self, of: u64) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(self.seed.wrapping_mul(1000).wrapping_add(of))
    }

    /// Must not happen; the soak goes on and fails at its end.
    fn wrong(&self, what: String) {
        eprintln!("wrong: {what}");
        self.wrong.lock().expect("no thread panics while it holds the lock").push(what);
    }
}

/// Runs to its end by itself.
///
/// # Errors
/// What was wrong: a byte, a session or a descriptor that is left, a refusal that no log explains.
pub(crate) fn run(args: &SoakArgs) -> Result<()> {
    packages::install_missing(packages::SOAK)?;
    // as the tests do, so that it is built already
    ensure!(
        cargo().arg("test").args(WORKSPACE).args(["--no-run", "--quiet"]).status()?.success(),
        "cannot build the programs"
    );
    let soak = Soak { is_over: AtomicBool::new(false), seed: args.seed, wrong: Mutex::default() };
    println!("{} minutes, --seed {}", args.minutes, args.seed);
    let world = (faulty::Faulty::start(&soak)?, tunnel::Tunnel::start(&soak)?);
    let (faulty, tunnel) = &world;
    thread::scope(|scope| {
        faulty.run(scope, &soak);
        tunnel.run(scope, &soak);
        scope.spawn(|| starved::run(&soak));
        thread::sleep(Duration::from_secs_f64(args.minutes * 60.0));
        soak.is_over.store(true, Ordering::Relaxed);
    });
    faulty.check(&soak);
    tunnel.check(&soak);
    // Not at the same time: the clients leave next to no processor time.
    cores::run(&soak)?;
    let wrong = soak.wrong.into_inner().context("a thread panicked")?;
    ensure!(wrong.is_empty(), "{} things were wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("nothing was wrong");
    Ok(())
}

/// Where cargo puts what it builds: this program's directory.
fn program(name: &str) -> Result<PathBuf> {
    let this = env::current_exe().context("cannot find this program")?;
    Ok(this.with_file_name(name))
}
