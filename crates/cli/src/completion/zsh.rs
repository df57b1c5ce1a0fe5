//! Completion by zsh.

use std::ffi::OsString;
use std::io::{Result, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::{self, EnvCompleter};

/// The part of the script that offers candidates which are not directories.
const OFFER: &str = "[[ -n $other ]] && _describe -V 'values' other";

/// Without a space after a candidate that ends with `=`, because its value follows.
const OFFER_KEYS: &str = r#"local -a keys=("${(@M)other:#*=}")
        other=("${(@)other:#*=}")
        [[ -n $keys ]] && _describe -V 'values' keys -S ''
        [[ -n $other ]] && _describe -V 'values' other"#;

/// Zsh as in [`env::Zsh`], which adds a space after `KEY=`.
#[derive(Debug)]
pub(super) struct Zsh;

impl EnvCompleter for Zsh {
    fn name(&self) -> &'static str {
        env::Zsh.name()
    }

    fn is(&self, name: &str) -> bool {
        env::Zsh.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> Result<()> {
        let mut script = Vec::new();
        env::Zsh.write_registration(variable, name, program, completer, &mut script)?;
        out.write_all(String::from_utf8_lossy(&script).replace(OFFER, OFFER_KEYS).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        args: Vec<OsString>,
        directory: Option<&Path>,
        out: &mut dyn Write,
    ) -> Result<()> {
        env::Zsh.write_complete(command, args, directory, out)
    }
}
