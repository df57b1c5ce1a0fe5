//! Checks that the files that a run reads and writes differ.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use figment::value::Dict;
use proxy_cli::config::is_same_file;

use super::file::Config;
use crate::args::SelfSigned;

/// A flag, and the file that it names.
type Named<'a> = (&'a str, PathBuf);

impl Config {
    /// Returns an error for a file that the run would both read and write, or write for two flags. `summary`
    /// is the file of `GITHUB_STEP_SUMMARY`.
    pub(crate) fn refuse_shared_files(&self, summary: Option<PathBuf>) -> Result<()> {
        let mut files = self.inputs();
        for (flag, path) in self.outputs(summary) {
            if let Some((other, _)) = files.iter().find(|(_, other)| is_same_file(other, &path)) {
                bail!("{other} and {flag} have the same file: set another one for {flag}");
            }
            files.push((flag, path));
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<Named<'_>> {
        let (upstream, listener) = (&self.upstream_tls, &self.listener_tls);
        let read = [
            (self.file_flag, Some(PathBuf::from(self.file.file())).filter(|path| path != Path::new(""))),
            ("--toxiproxy-config", self.control.toxiproxy_config.clone()),
            ("--upstream-ca", upstream.upstream_ca.clone()),
            ("--upstream-cert", upstream.upstream_cert.clone()),
            ("--upstream-key", upstream.upstream_key.clone()),
            ("--tls-cert", listener.tls_cert.clone()),
            ("--tls-key", listener.tls_key.clone()),
        ];
        let of_flags = self.faults.iter().filter_map(|fault| {
            let given = serde_json::to_value(fault).ok()?;
            Some(("--latency-table", PathBuf::from(given.get("table")?.as_str()?)))
        });
        let tables = &self.tables;
        let of_file = tables.faults.iter().chain(tables.proxies.iter().flat_map(|proxy| &proxy.faults));
        let of_file = of_file.chain(tables.phases.iter().flat_map(|phase| &phase.faults));
        let of_file = of_file.filter_map(|fault: &Dict| {
            Some(("the table of a latency", PathBuf::from(fault.get("table")?.as_str()?)))
        });
        let read = read.into_iter().filter_map(|(flag, path)| Some((flag, path?)));
        read.chain(of_flags).chain(of_file).collect()
    }

    fn outputs(&self, summary: Option<PathBuf>) -> impl Iterator<Item = Named<'_>> {
        let self_signed = match &self.listener_tls.tls_self_signed {
            Some(SelfSigned::CopiedTo(path)) => Some(path.clone()),
            _ => None,
        };
        let written = [
            ("--log-file", self.log.log_file.clone()),
            ("GITHUB_STEP_SUMMARY", summary),
            ("--tls-self-signed", self_signed),
            ("--journal", self.run.journal.clone()),
            ("--report", self.run.report.clone()),
            ("--junit", self.run.junit.clone()),
        ];
        written.into_iter().filter_map(|(flag, path)| Some((flag, path?)))
    }
}
