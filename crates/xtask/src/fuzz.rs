//! `cargo xtask fuzz`: libFuzzer on the targets of fuzz/libfuzzer, with the pinned toolchain.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use testkit::clients::target_directory;
use testkit::packages;

use crate::cargo;

/// Compiler flags of `cargo fuzz --sanitizer none`. With them, libFuzzer receives the taken branches and the
/// compared values.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
];

/// Maximum length of an input.
const MAX_LENGTH: &str = "-max_len=4096";

#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// Minutes for each target.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    minutes: f64,
    /// Targets to run [default: all].
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Runs the targets one after the other.
///
/// # Errors
/// Returns an error if a target cannot be built, fails, or finds something. Its input is then in
/// `target/fuzz/artifacts`.
pub(crate) fn run(args: &FuzzArgs) -> Result<()> {
    packages::install_missing(packages::FUZZ)?;
    let fuzz = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let work = target_directory().join("fuzz");
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--manifest-path"]).arg(fuzz.join("libfuzzer/Cargo.toml"));
    // With an explicit target, build scripts are built without the flags.
    build.arg("--target-dir").arg(&work).args(["--target", &host()?]);
    build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    ensure!(build.status().context("cannot run cargo")?.success(), "the targets cannot be built");
    for name in names(&fuzz.join("seeds"), &args.targets)? {
        let [corpus, artifacts] = ["corpus", "artifacts"].map(|kind| work.join(kind).join(&name));
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&artifacts)?;
        println!("{name}, for {} minutes", args.minutes);
        let program = work.join(host()?).join("release").join(&name);
        let mut target = Command::new(program);
        target.arg(corpus).arg(fuzz.join("seeds").join(&name)).args([
            MAX_LENGTH,
            "-print_final_stats=1",
            "-verbosity=0",
        ]);
        target.arg(format!("-max_total_time={}", seconds(args.minutes)));
        target.arg(format!("-artifact_prefix={}/", artifacts.display()));
        let before = written(&artifacts)?;
        let status = target.status()?;
        if status.success() {
            continue;
        }
        match written(&artifacts)?.into_iter().find(|input| !before.contains(input)) {
            Some((input, _)) => {
                bail!("{name} found an error: add {} to fuzz/seeds/{name} once it is fixed", input.display())
            }
            None => bail!("{name} failed and wrote no input: {status}"),
        }
    }
    Ok(())
}

/// Returns the time limit for libFuzzer, at least 1, since 0 means unlimited.
fn seconds(minutes: f64) -> f64 {
    (minutes * 60.0).round().max(1.0)
}

/// Returns the files in a directory with their modification times. An input that is found again is written to
/// the same file.
fn written(directory: &Path) -> Result<Vec<(PathBuf, SystemTime)>> {
    let entry = |entry: fs::DirEntry| Ok((entry.path(), entry.metadata()?.modified()?));
    fs::read_dir(directory)?.map(|found| entry(found?)).collect()
}

/// Returns the requested targets. Defaults to all that have seeds.
fn names(seeds: &Path, asked: &[String]) -> Result<Vec<String>> {
    let names =
        fs::read_dir(seeds)?.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>, _>>()?;
    names.sort();
    if let Some(unknown) = asked.iter().find(|name| !names.contains(name)) {
        bail!("there is no target `{unknown}`; there are {}", names.join(", "));
    }
    names.retain(|name| asked.is_empty() || asked.contains(name));
    Ok(names)
}

/// Returns the target triple of this machine.
fn host() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-vV").output().context("cannot run rustc")?;
    let version = String::from_utf8(version.stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_limit_is_at_least_a_second() {
        assert_eq!(
            [0.0, 0.005, 0.1, 10.0].map(|minutes| seconds(minutes).to_string()),
            ["1", "1", "6", "600"]
        );
    }

    #[test]
    fn what_is_written_and_what_is_written_again_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("crash-1")).unwrap();
        let before = written(directory.path()).unwrap();
        assert_eq!(written(directory.path()).unwrap(), before);
        File::create(directory.path().join("crash-2")).unwrap();
        assert_eq!(
            written(directory.path()).unwrap().iter().filter(|input| !before.contains(input)).count(),
            1
        );
        file.set_modified(before[0].1 + Duration::from_secs(1)).unwrap();
        assert_eq!(
            written(directory.path()).unwrap().iter().filter(|input| !before.contains(input)).count(),
            2
        );
    }
}
