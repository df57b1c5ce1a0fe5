//! `cargo xtask soak`: real clients of fault-proxy and the NATS programs, while servers and resources fail.
//!
//! | module | content |
//! |---|---|
//! | [`faulty`] | fault-proxy, with faults that are added and removed at random |
//! | [`tunnel`] | the NATS programs, with a nats-server that is killed and paused |
//! | [`starved`] | fault-proxy without descriptors, and without room for its journal |
//! | [`clients`] | clients that check every byte |
//! | [`cores`] | the property tests of the pure cores, with more cases |
//! | [`process`] | checks that a program has released its resources |

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
    /// Minutes for which clients run. The property tests follow and take a few minutes more.
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    minutes: f64,
    /// Seed that determines faults and outages. The timing of the clients still varies.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// State that all threads of a soak test share.
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

    /// Returns a separate random number generator for each value of `of`.
    fn draws(&self, of: u64) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(self.seed.wrapping_mul(1000).wrapping_add(of))
    }

    /// Records a failure. The soak test continues and fails at its end.
    fn wrong(&self, what: String) {
        eprintln!("wrong: {what}");
        self.wrong.lock().expect("no thread panics while it holds the lock").push(what);
    }
}

/// Runs the soak test.
///
/// # Errors
/// Returns an error with all failures: a wrong byte, a session or a descriptor that is left, or a refusal
/// without a reason in the log.
pub(crate) fn run(args: &SoakArgs) -> Result<()> {
    packages::install_missing(packages::SOAK)?;
    // Same features as in the tests, so that the programs are already built.
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
    // Run the property tests afterwards, because the clients leave little processor time.
    cores::run(&soak)?;
    let wrong = soak.wrong.into_inner().context("a thread panicked")?;
    ensure!(wrong.is_empty(), "{} failures:\n{}", wrong.len(), wrong.join("\n"));
    println!("no failures");
    Ok(())
}

/// Returns the path of a program that cargo has built, in the directory of this program.
fn program(name: &str) -> Result<PathBuf> {
    let this = env::current_exe().context("cannot find this program")?;
    Ok(this.with_file_name(name))
}
