//! Completion by zsh.

use clap_complete::env::{EnvCompleter, Zsh};

/// The part of the script that offers candidates which are not directories.
const OFFER: &str = "[[ -n $other ]] && _describe -V 'values' other";

/// Offers candidates that end with `=` without a space after them, because their value follows.
const OFFER_KEYS: &str = r#"local -a keys=("${(@M)other:#*=}")
        other=("${(@)other:#*=}")
        [[ -n $keys ]] && _describe -V 'values' keys -S ''
        [[ -n $other ]] && _describe -V 'values' other"#;

/// Returns the script for a program with this name. It is the script of clap_complete, except that it does
/// not add a space after `KEY=`.
pub(super) fn script(variable: &str, program: &str) -> String {
    let mut script = Vec::new();
    Zsh.write_registration(variable, program, program, program, &mut script).expect("memory");
    String::from_utf8_lossy(&script).replace(OFFER, OFFER_KEYS)
}
