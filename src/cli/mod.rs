//! The command line. A command is one file with `Args` and `run`, one variant of `Command` and
//! one line in `Command::run`.
//!
//! Data goes to stdout, everything else to stderr.

mod ask;
mod bench;
mod complete;
mod completions;
mod config;
mod connection;
mod count;
mod demo;
mod early;
mod empty;
mod events_table;
mod explain;
mod generate;
mod import;
mod man;
mod object;
mod print;
mod prune;
mod quarantine;
mod query;
mod report;
mod reseal;
mod seal;
pub mod serve;
mod shell;
mod show;
mod sql;
mod stats;
mod tail;
mod terminal;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// What a command found; with 2 for errors these are the exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: found, or done.
    Found,
    /// 1: nothing found.
    Nothing,
}

impl Exit {
    /// Found when there is any row.
    pub fn of_rows(rows: u64) -> Exit {
        if rows > 0 { Exit::Found } else { Exit::Nothing }
    }
}

/// A SQL-queryable audit event store for Kubernetes
#[derive(Debug, Parser)]
#[command(
    name = "auditql",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Exit codes: 0 found, 1 nothing found, 2 error.\n\n\
        Examples:\n  \
        auditql import /var/log/kubernetes/audit*.log\n  \
        auditql query --verb delete --resource secrets --since 2h\n  \
        auditql sql 'select verb, count(*) from events group by verb'"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Import(import::Args),
    Query(query::Args),
    Tail(tail::Args),
    Show(show::Args),
    Top(count::Top),
    Count(count::Count),
    Histogram(count::Histogram),
    Facets(count::Facets),
    Ask(ask::Args),
    Report(report::Args),
    Sql(sql::Args),
    Stats(stats::Args),
    Quarantine(quarantine::Args),
    Seal(seal::Args),
    Reseal(reseal::Args),
    Prune(prune::Args),
    Generate(generate::Args),
    Demo(demo::Args),
    Bench(bench::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    fn run(self) -> anyhow::Result<Exit> {
        match self {
            Command::Serve(args) => serve::run(args),
            Command::Import(args) => import::run(args),
            Command::Query(args) => query::run(args),
            Command::Tail(args) => tail::run(args),
            Command::Show(args) => show::run(args),
            Command::Top(args) => count::top(args),
            Command::Count(args) => count::count(args),
            Command::Histogram(args) => count::histogram(args),
            Command::Facets(args) => count::facets(args),
            Command::Ask(args) => ask::run(args),
            Command::Report(args) => report::run(args),
            Command::Sql(args) => sql::run(args),
            Command::Stats(args) => stats::run(args),
            Command::Quarantine(args) => quarantine::run(args),
            Command::Seal(args) => seal::run(args),
            Command::Reseal(args) => reseal::run(args),
            Command::Prune(args) => prune::run(args),
            Command::Generate(args) => generate::run(args),
            Command::Demo(args) => demo::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
        }
    }
}

/// The program as it was called: kubectl starts `kubectl-auditql` for `kubectl auditql`.
fn program() -> clap::Command {
    let called = std::env::args_os().next().unwrap_or_default();
    let program = Cli::command();
    match Path::new(&called).file_stem() == Some(OsStr::new("kubectl-auditql")) {
        true => program.bin_name("kubectl auditql"),
        false => program,
    }
}

/// How many names are proposed for a mistyped one.
const SUGGESTIONS_MAX: usize = 3;

/// Names few questions, reports or commands beside a mistyped one. clap names whatever is alike,
/// the nearest last. Where nothing is alike, there is a command that lists them.
fn nearest_first(mut error: clap::Error) -> clap::Error {
    let kind = ContextKind::SuggestedSubcommand;
    let alike: Vec<String> = match error.get(kind) {
        Some(ContextValue::Strings(names)) => names.iter().rev().cloned().collect(),
        _ => Vec::new(),
    };
    let alike = &alike[..alike.len().min(SUGGESTIONS_MAX)];
    let usage = error.get(ContextKind::Usage).map(ToString::to_string);
    let of = |word: &str| usage.as_ref().is_some_and(|usage| usage.contains(word));
    let name = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) => name.clone(),
        _ => return error,
    };
    let (what, names, list) = if of("[QUESTION]") {
        ("question", Vec::new(), "auditql ask")
    } else if of("[REPORT]") {
        ("report", report::names(), "auditql report")
    } else {
        if !alike.is_empty() {
            error.insert(kind, ContextValue::Strings(alike.to_vec()));
        }
        return error;
    };
    let hint = match (alike, &names[..]) {
        ([], []) => String::new(),
        ([], names) => format!("use one of {}; ", names.join(", ")),
        (alike, _) => format!("did you mean {}? ", alike.join(", ")),
    };
    let told = format!("there is no {what} {name:?}; {hint}{list} lists them\n");
    clap::Error::raw(clap::error::ErrorKind::InvalidSubcommand, told)
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    if let Some(answered) = complete::answer() {
        return answered;
    }
    let mut program = program();
    let matches = program.clone().try_get_matches();
    let matches = matches.unwrap_or_else(|error| nearest_first(error).exit());
    let cli = Cli::from_arg_matches(&matches);
    let cli = cli.unwrap_or_else(|error| error.format(&mut program).exit());
    match cli.command.run() {
        Ok(Exit::Found) => ExitCode::SUCCESS,
        Ok(Exit::Nothing) => ExitCode::from(1),
        Err(error) if print::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print::say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
