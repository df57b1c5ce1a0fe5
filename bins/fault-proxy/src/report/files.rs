//! Files of `--report` and `--junit`, and the summary of a GitHub Actions job.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use proxy_cli::open::open_blocking;
use proxy_cli::signals::Signals;
use serde::Serialize;
use tracing::warn;

use super::junit::{self, Suite};
use super::{RunReport, markdown};
use crate::args::Options;

/// Files for the report at the end of a run. They are empty until then, so that a killed run does not leave an older report.
#[derive(Debug)]
pub(crate) struct ReportFiles {
    report: Option<OpenFile>,
    junit: Option<OpenFile>,
    summary: Option<PathBuf>,
}

#[derive(Debug)]
struct OpenFile {
    /// Flag and path.
    name: String,
    file: File,
}

impl ReportFiles {
    /// Creates the files. `summary` is the file to append the summary to.
    ///
    /// # Errors
    /// A file cannot be created, or a signal arrived while it blocked.
    pub(crate) fn create(options: &Options, summary: Option<PathBuf>, signals: &Signals) -> Result<Self> {
        let create = |flag: &str, path: &Option<PathBuf>| -> Result<Option<OpenFile>> {
            let Some(path) = path.clone() else { return Ok(None) };
            let name = format!("{flag} {}", path.display());
            let file = path.clone();
            let notice = || {
                let path = path.display();
                warn!(flag, %path, "{name} is blocked: the run starts when something reads from it");
            };
            let file = open_blocking(move || File::create(file), notice, || signals.have_come());
            Ok(Some(OpenFile { file: file.with_context(|| name.clone())?, name }))
        };
        let report = create("--report", &options.report)?;
        Ok(Self { report, junit: create("--junit", &options.junit)?, summary })
    }

    /// Writes the report to all files. A summary that cannot be written is only logged, because no flag asks for it.
    ///
    /// # Errors
    /// A file cannot be written. The others are written.
    pub(crate) fn write(self, report: &RunReport) -> Result<()> {
        self.write_all(report, &report.suite(), || markdown::summary(report))
    }

    /// As [`write`](Self::write), for any report.
    pub(crate) fn write_all(
        self,
        report: &impl Serialize,
        suite: &Suite<'_>,
        summary: impl FnOnce() -> String,
    ) -> Result<()> {
        let json = || {
            let mut json = serde_json::to_vec_pretty(report)?;
            json.push(b'\n');
            Ok(json)
        };
        let reported = self.report.map_or(Ok(()), |file| file.write(json));
        let junit = self.junit.map_or(Ok(()), |file| file.write(|| junit::document(suite)));
        if let Some(path) = self.summary {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            let written = file.and_then(|mut file| file.write_all(summary().as_bytes()));
            if let Err(error) = written {
                warn!(path = %path.display(), %error, "cannot write the summary of GITHUB_STEP_SUMMARY");
            }
        }
        all([reported, junit])
    }
}

impl OpenFile {
    fn write(mut self, document: impl FnOnce() -> io::Result<Vec<u8>>) -> Result<()> {
        document().and_then(|document| self.file.write_all(&document)).context(self.name)
    }
}

/// Returns the errors of all results as one, each on its own line as [`print_error`](proxy_cli::terminal::print_error) prints it.
///
/// # Errors
/// A result is an error.
pub(crate) fn all<const N: usize>(results: [Result<()>; N]) -> Result<()> {
    let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    match &errors[..] {
        [] => Ok(()),
        errors => {
            let lines = errors.iter().map(|error| format!("{error:#}"));
            bail!("{}", lines.collect::<Vec<_>>().join("\nfault-proxy: "))
        }
    }
}

/// Returns the file to append the summary to, in a job of GitHub Actions.
pub(crate) fn summary_file() -> Option<PathBuf> {
    env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Checks whether the file of a flag could be created, without changing it.
pub(crate) fn check(flag: &str, path: &Path) -> Result<()> {
    let checked = match fs::metadata(path) {
        Ok(there) if there.is_file() || there.is_dir() => {
            OpenOptions::new().append(true).open(path).map(drop)
        }
        // Opening a pipe would wait for its reader.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => return check(flag, &path.with_file_name(target)),
            Err(_) => File::create_new(path).and_then(|_| fs::remove_file(path)),
        },
        Err(error) => Err(error),
    };
    checked.with_context(|| format!("{flag} {}", path.display()))
}
