//! Proposals for the words of a command line, values of the store among them. They must be quick,
//! and nothing may be said about what goes wrong: people are typing.

use std::env::{args_os, var};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::config::Config;
use super::connection::{self, Connection};
use super::{Cli, completions, early, values};
use crate::model::column::Column;
use crate::query::library::Question;

/// Set to the name of a shell that wants proposals.
pub(super) const VARIABLE: &str = "AUDITQL_COMPLETE";

/// The name under which kubectl asks for proposals for its plugin.
const KUBECTL_COMPLETE: &str = "kubectl_complete-auditql";

/// How long the store may take to tell its values.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// Whether someone is typing a command line, and waits for proposals.
pub(super) fn is_wanted() -> bool {
    let called = args_os().next().unwrap_or_default();
    Path::new(&called).file_stem() == Some(OsStr::new(KUBECTL_COMPLETE))
        || var(VARIABLE).is_ok_and(|shell| !shell.is_empty())
}

/// Answers when proposals are wanted, and not a command.
pub(super) fn answer() -> Option<ExitCode> {
    let called = args_os().next().unwrap_or_default();
    let by_kubectl = Path::new(&called).file_stem() == Some(OsStr::new(KUBECTL_COMPLETE));
    let shell = var(VARIABLE).ok().filter(|shell| !shell.is_empty());
    connection::do_not_warn_if(by_kubectl || shell.is_some());
    let answered = match shell {
        _ if by_kubectl => kubectl(args_os().skip(1)),
        Some(shell) => completions::answer(&shell, args_os().collect()),
        None => return None,
    };
    Some(match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    })
}

/// Answers kubectl as its plugins do: `VALUE<TAB>HELP` lines, and then that no files are meant.
fn kubectl(words: impl Iterator<Item = OsString>) -> io::Result<()> {
    let words: Vec<_> = [OsString::from("auditql")]
        .into_iter()
        .chain(words)
        .collect();
    let last = words.len() - 1;
    let found = clap_complete::engine::complete(&mut program(), words, last, None)?;
    let mut text = String::new();
    for candidate in found {
        text.push_str(&candidate.get_value().to_string_lossy());
        if let Some(help) = candidate.get_help() {
            let help = help.to_string();
            text.push('\t');
            text.push_str(help.lines().next().unwrap_or_default());
        }
        text.push('\n');
    }
    text.push_str(":4\n");
    io::stdout().write_all(text.as_bytes())
}

/// The program's commands, their flags knowing what values they may have.
pub(super) fn program() -> Command {
    let mut program = Cli::command();
    // Questions are made into commands when the program is built.
    program.build();
    with_values(program)
}

fn with_values(command: Command) -> Command {
    command
        .mut_args(|arg| match completer(&arg) {
            Some(completer) => arg.add(completer),
            None => arg,
        })
        .mut_subcommands(with_values)
}

fn completer(arg: &Arg) -> Option<ArgValueCompleter> {
    if !arg.get_action().takes_values() || !arg.get_possible_values().is_empty() {
        return None;
    }
    let column = arg.get_id().as_str().to_owned();
    match column.as_str() {
        "profile" => Some(ArgValueCompleter::new(|typed: &OsStr| {
            let config = Config::load().unwrap_or_default();
            starting(typed, config.profiles())
        })),
        "field" => Some(ArgValueCompleter::new(|typed: &OsStr| {
            starting(typed, Column::ALL.iter().map(|column| column.name()))
        })),
        "columns" => Some(ArgValueCompleter::new(|typed: &OsStr| {
            listed(typed, |item| {
                let names = Column::ALL.iter().map(|column| column.name());
                names
                    .filter(|name| name.starts_with(item))
                    .map(str::to_owned)
                    .collect()
            })
        })),
        _ if values::are_known(&column) => Some(ArgValueCompleter::new(move |typed: &OsStr| {
            listed(typed, |item| {
                let connection = Connection::early();
                values::of_column(&column, item, PATIENCE, move || connection.open_read().ok())
            })
        })),
        _ => None,
    }
}

/// Proposes columns of a question's answer.
pub(super) fn columns_of(question: &Question) -> ArgValueCompleter {
    let names = question.columns.iter().map(|column| column.name.clone());
    let names: Vec<String> = names.collect();
    ArgValueCompleter::new(move |typed: &OsStr| {
        listed(typed, |item| {
            let fit = names.iter().filter(|name| name.starts_with(item));
            fit.cloned().collect()
        })
    })
}

fn starting<'a>(typed: &OsStr, names: impl Iterator<Item = &'a str>) -> Vec<CompletionCandidate> {
    let typed = typed.to_str().unwrap_or_default();
    let names = names.filter(|name| name.starts_with(typed));
    names.map(CompletionCandidate::new).collect()
}

/// Proposals for the last item of a list.
fn listed(typed: &OsStr, items: impl FnOnce(&str) -> Vec<String>) -> Vec<CompletionCandidate> {
    let (kept, item) = values::last_item(typed.to_str().unwrap_or_default());
    items(item)
        .into_iter()
        .filter(|value| is_plain(value))
        .map(|value| CompletionCandidate::new(format!("{kept}{value}")))
        .collect()
}

/// Whether a value means itself to every shell and to a filter, so that it can be put into a line.
fn is_plain(value: &str) -> bool {
    let plain = |letter: char| letter.is_alphanumeric() || "_-.:/@+%".contains(letter);
    value.chars().all(plain)
}

impl Connection {
    /// What the words of a command line that is being typed say of the store's place.
    pub(super) fn early() -> Connection {
        let flag = |name| early::flag(args_os().skip(1), name);
        let text = |name| flag(name).and_then(|value| value.into_string().ok());
        Connection {
            data: flag("--data").map(Into::into),
            server: text("--server"),
            profile: text("--profile"),
        }
    }
}
