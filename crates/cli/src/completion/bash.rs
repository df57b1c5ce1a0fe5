//! Completion by bash.

/// Bash splits words at `=`, `:` and `@`, and replaces only the part at the cursor. The script joins parts
/// that are not separated by spaces, and removes the text before the part at the cursor from each candidate.
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

/// Returns the script for a program with this name.
pub(super) fn script(variable: &str, program: &str) -> String {
    let script = SCRIPT.replace("NAME", &program.replace('-', "_"));
    script.replace("PROGRAM", program).replace("VARIABLE", variable)
}
