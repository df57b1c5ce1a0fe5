//! Completion by bash.

use std::ffi::OsString;
use std::io::{Result, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::{self, EnvCompleter};

/// The script. Bash splits words at `=`, `:` and `@`, and replaces only the piece at the cursor. The script joins the pieces
/// that no space separates, and removes the part before the piece at the cursor from each candidate.
const SCRIPT: &str = r#"_NAME_complete() {
    local IFS=$'\n' rest=${COMP_LINE:0:COMP_POINT} words=() piece before i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        before=${rest%%[![:space:]]*}
        rest=${rest#"$before"}
        # The piece at the cursor ends there.
        ((i < COMP_CWORD)) || piece=$rest
        rest=${rest#"$piece"}
        if ((i == 0)) || [[ -n $before ]]; then
            words+=("$piece")
        else
            words[${#words[@]}-1]+=$piece
        fi
    done
    local last=${words[${#words[@]}-1]}
    local kept=${last%"$2"}
    COMPREPLY=( $(_CLAP_COMPLETE_INDEX=$((${#words[@]} - 1)) VARIABLE=bash "${1/#\~/$HOME}" -- "${words[@]}" 2> /dev/null) )
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
    if [[ ${COMPREPLY-} == *[=/:] ]]; then
        compopt -o nospace 2> /dev/null
    fi
}
complete -o bashdefault -o nosort -F _NAME_complete PROGRAM 2> /dev/null || complete -o bashdefault -F _NAME_complete PROGRAM
"#;

/// Bash as in [`env::Bash`], which does not complete after `=`, with a script that does.
#[derive(Debug)]
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        env::Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        env::Bash.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        _completer: &str,
        out: &mut dyn Write,
    ) -> Result<()> {
        let script = SCRIPT.replace("NAME", &name.replace('-', "_"));
        out.write_all(script.replace("PROGRAM", program).replace("VARIABLE", variable).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        args: Vec<OsString>,
        directory: Option<&Path>,
        out: &mut dyn Write,
    ) -> Result<()> {
        env::Bash.write_complete(command, args, directory, out)
    }
}
