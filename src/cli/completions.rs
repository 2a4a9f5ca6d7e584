//! `auditql completions`: what a shell has to be told.

use std::io::{self, Write};

use anyhow::Context;
use clap::ValueEnum;
use clap_complete::env::{self, EnvCompleter};

use super::{Exit, complete, print};

/// Print what makes a shell complete commands, flags and their values
///
/// Values too: namespaces, users, verbs, resources, questions and their parameters, profiles. They
/// come from the store that the typed flags, the environment or the config file name, within half a
/// second. kubectl completes its plugin when this program is found as kubectl_complete-auditql too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 done, 2 error.\n\n\
    Examples:\n  \
    source <(auditql completions bash)\n  \
    auditql completions zsh > ~/.zfunc/_auditql\n  \
    auditql completions fish > ~/.config/fish/completions/auditql.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    /// What asks this program for proposals, and how it is answered.
    pub(super) fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Shell::Bash => &env::Bash,
            Shell::Elvish => &env::Elvish,
            Shell::Fish => &env::Fish,
            Shell::Powershell => &env::Powershell,
            Shell::Zsh => &env::Zsh,
        }
    }
}

/// Bash takes words apart at `:` and `=`, which names of users are full of; `clap_complete`'s own
/// script does not put them together.
const BASH: &str = r#"_auditql() {
    local rest=${COMP_LINE:0:COMP_POINT} words=() word last=0 i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        local blank=${rest%%[![:space:]]*}
        rest=${rest#"$blank"}
        word=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && word=$rest
        if ((i > 0)) && [[ -z $blank ]]; then
            words[last]+=$word
        else
            last=${#words[@]}
            words+=("$word")
        fi
        rest=${rest#"$word"}
    done
    local IFS=$'\n' current=${words[last]} breaks=
    COMPREPLY=($(VAR=bash _CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$last \
        auditql -- "${words[@]}" 2> /dev/null))
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
    if [[ -n $breaks ]]; then
        local kept=${current%"${current##*[$breaks]}"}
        COMPREPLY=("${COMPREPLY[@]#"$kept"}")
    fi
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/:] ]]; then
        compopt -o nospace 2> /dev/null
    fi
}
complete -o bashdefault -o nosort -F _auditql auditql 2> /dev/null ||
    complete -o bashdefault -F _auditql auditql
"#;

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    match args.shell {
        Shell::Bash => text.extend(BASH.replace("VAR", complete::VARIABLE).bytes()),
        other => {
            let completer = other.completer();
            completer
                .write_registration(
                    complete::VARIABLE,
                    "auditql",
                    "auditql",
                    "auditql",
                    &mut text,
                )
                .context("writing for the shell")?;
        }
    }
    let mut out = print::stdout();
    out.write_all(&text)
        .and_then(|()| out.flush())
        .context("writing the answer")?;
    Ok(Exit::Found)
}

/// Answers a shell: `arguments` are the program's own, with the typed words after `--`.
pub(super) fn answer(shell: &str, arguments: Vec<std::ffi::OsString>) -> io::Result<()> {
    let shell = Shell::from_str(shell, true).map_err(io::Error::other)?;
    let mut words = arguments.into_iter();
    words.find(|word| word == "--");
    let mut out = Vec::new();
    let mut program = complete::program();
    shell
        .completer()
        .write_complete(&mut program, words.collect(), None, &mut out)?;
    io::stdout().write_all(&out)
}
