//! `auditql report`: compliance reports. Every report is a subcommand made from its definition, so
//! that its parameters are flags with help.

mod loaded;
mod run;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use super::connection::Connection;
use super::print::Output;
use super::{Exit, ask};
use crate::limits::{REPORT_ROWS_MAX, REPORT_ROWS_SHOWN_MAX, REPORT_TIME};
use crate::query::library::Kind;
use crate::report::Definition;
use crate::report::render::Form;
use loaded::loaded;
use run::{check, check_schedule, list, make_one};

/// Questions that are asked at once.
const THREADS: usize = 2;

#[derive(Debug)]
pub(super) struct Args {
    what: What,
}

#[derive(Debug)]
enum What {
    List(Output),
    Make(Box<Asked>),
    Verify(Vec<PathBuf>),
    CheckSchedule(PathBuf, Box<Connection>),
    /// Nothing: a file of one's own cannot be read.
    Unreadable(&'static str),
}

#[derive(Debug)]
struct Asked {
    name: String,
    given: Vec<(String, String)>,
    forms: Vec<Form>,
    out: Option<PathBuf>,
    made_for: Option<String>,
    rows: Option<usize>,
    rows_max: u64,
    skip_damaged: bool,
    summary: bool,
    timeout: Duration,
    connection: Connection,
}

/// The names of the reports.
pub(super) fn names() -> Vec<&'static str> {
    let reports = loaded().catalogue.reports().iter();
    reports.map(|report| report.name.as_str()).collect()
}

impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        // Only when this command was chosen: no other needs the reports.
        command
            .about("Make a compliance report; without a name, list them")
            .long_about(
                "Make a compliance report; without a name, list them\n\nEvery report is a command \
                 with flags of its own: auditql report pci-dss --help. A report maps controls to \
                 evidence, says what the data cannot prove, and holds a SHA-256 by which anybody \
                 can check it. A server's own reports are learned from it when one is named that \
                 is not known here, and for the list.",
            )
            .after_help(
                "Exit codes: 0 done, 1 nothing matches the parameters or what --verify checks differs, 2 error.\n\n\
                 Examples:\n  auditql report\n  \
                 auditql report pci-dss --since 90d\n  \
                 auditql report pci-dss --since 90d --cluster prod -o html --out reports\n  \
                 auditql report --verify reports/*.html",
            )
            .defer(|command| {
                let texts = (
                    command.get_about().cloned(),
                    command.get_long_about().cloned(),
                );
                // Flattening sets the texts of what is flattened.
                let command = Connection::augment_args(command).mut_args(|arg| arg.global(true));
                let command = Output::augment_args(command)
                    .about(texts.0.unwrap_or_default())
                    .long_about(texts.1.unwrap_or_default())
                    .subcommand_value_name("REPORT")
                    .subcommand_help_heading("Reports")
                    .disable_help_subcommand(true)
                    .arg(directory_arg(
                        "reports",
                        "Directory of more reports; else AUDITQL_REPORTS",
                    ))
                    .arg(directory_arg(
                        "queries",
                        "Directory of more questions; else AUDITQL_QUERIES",
                    ));
                let command = command.arg(
                    Arg::new("verify")
                        .long("verify")
                        .value_name("FILE")
                        .num_args(1..)
                        .value_parser(clap::value_parser!(PathBuf))
                        .help("Check reports' documents and the files beside them by their SHA-256"),
                );
                let command = command
                    .arg(
                        Arg::new("schedule")
                            .long("schedule")
                            .value_name("FILE")
                            .requires("check")
                            .value_parser(clap::value_parser!(PathBuf))
                            .help(
                                "With --check: what auditql serve --report-schedule FILE would do",
                            ),
                    )
                    .arg(
                        Arg::new("check")
                            .long("check")
                            .requires("schedule")
                            .action(ArgAction::SetTrue)
                            .help("Only check the schedule; the server keeps it"),
                    );
                let loaded = loaded();
                command
                    .allow_external_subcommands(loaded.error.is_some())
                    .subcommands(loaded.catalogue.reports().iter().map(subcommand))
            })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn directory_arg(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("DIR")
        .value_parser(clap::value_parser!(PathBuf))
        .global(true)
        .help(help)
}

/// A report as a command.
fn subcommand(report: &Definition) -> Command {
    let mut about = format!("{}\n\n{}", report.title, report.about);
    if !report.framework.is_empty() {
        let version = &report.framework_version;
        about.push_str(&format!("\n\nFramework: {} {version}", report.framework));
    }
    let mut after = String::from("Controls:\n");
    let width = report.controls.iter().map(|control| control.id.len()).max();
    let width = width.unwrap_or(0);
    for control in &report.controls {
        after.push_str(&format!("  {:width$}  {}\n", control.id, control.title));
    }
    let command = Command::new(report.name.clone()).args(report.params.iter().map(|param| {
        // What is needed may come from a default.
        let required = param.required && param.default.is_none();
        ask::flag(param).required(required)
    }));
    let value = |name: &'static str, shown: &'static str| {
        Arg::new(name)
            .long(name.replace('_', "-"))
            .value_name(shown)
            .help_heading("Document")
    };
    let command = command
        .arg(
            value("output", "FORM")
                .short('o')
                .value_parser(clap::builder::EnumValueParser::<Form>::new())
                .value_delimiter(',')
                .default_value("md")
                .help("How it is written; several, such as html,json, with --out"),
        )
        .arg(
            value("out", "DIR")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Write NAME.html and the like there, and files with all rows into NAME-rows-.../"),
        )
        .arg(value("for", "WHO").help("For whom it is made [default: the user who runs this]"))
        .arg(
            value("rows", "N")
                .value_parser(clap::value_parser!(u64).range(0..=REPORT_ROWS_SHOWN_MAX as u64))
                .help("Rows of each piece of evidence in the document, instead of its own number"),
        )
        .arg(
            value("rows_max", "N")
                .default_value(REPORT_ROWS_MAX.to_string())
                .value_parser(clap::value_parser!(u64))
                .help("Most rows of each piece of evidence that are counted and written; 0 is all"),
        )
        .arg(
            Arg::new("skip_damaged")
                .long("skip-damaged")
                .action(ArgAction::SetTrue)
                .help_heading("Document")
                .help("Leave damaged segments out, and say so, instead of failing"),
        )
        .arg(
            Arg::new("summary")
                .long("summary")
                .action(ArgAction::SetTrue)
                .help_heading("Document")
                .help("Only what is found of each control, and what the store could see"),
        )
        .arg(
            value("timeout", "DURATION")
                .value_parser(super::sql::timeout)
                .help("Give up after this long, such as 5m; 0 is without limit [default: 1m]"),
        );
    command
        .about(report.title.clone())
        .long_about(about)
        .after_long_help(after)
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let what = match matches.subcommand() {
            None => match matches.get_many::<PathBuf>("verify") {
                Some(files) => {
                    // The flag takes all that follows it.
                    let mut names = files.clone().filter_map(|file| file.to_str());
                    let report = |name: &&str| loaded().catalogue.get(name).is_ok();
                    if let Some(name) = names.find(|name| report(name) && !Path::new(name).exists())
                    {
                        return Err(no_report(name));
                    }
                    What::Verify(files.cloned().collect())
                }
                None => match matches.get_one::<PathBuf>("schedule") {
                    Some(file) => {
                        let connection = Connection::from_arg_matches(matches)?;
                        What::CheckSchedule(file.clone(), Box::new(connection))
                    }
                    None => What::List(Output::from_arg_matches(matches)?),
                },
            },
            Some((name, _)) if matches.contains_id("verify") => return Err(no_report(name)),
            Some((name, asked)) => {
                if let Some(error) = &loaded().error {
                    return Ok(Args {
                        what: What::Unreadable(error),
                    });
                }
                // It would be the form of the list.
                let given = matches.value_source("format");
                if given == Some(clap::parser::ValueSource::CommandLine) {
                    return Err(clap::Error::raw(
                        clap::error::ErrorKind::ArgumentConflict,
                        format!("give -o behind the report's name: auditql report {name} -o ...\n"),
                    ));
                }
                What::Make(Box::new(read(name, asked)?))
            }
        };
        Ok(Args { what })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Args::from_arg_matches(matches)?;
        Ok(())
    }
}

fn no_report(name: &str) -> clap::Error {
    clap::Error::raw(
        clap::error::ErrorKind::ArgumentConflict,
        format!("--verify takes files and no report; leave out {name}\n"),
    )
}

fn read(name: &str, matches: &ArgMatches) -> Result<Asked, clap::Error> {
    let unknown = |error| clap::Error::raw(clap::error::ErrorKind::InvalidSubcommand, error);
    let report = loaded().catalogue.get(name).map_err(unknown)?;
    let mut given = Vec::new();
    for param in &report.params {
        let value = match param.kind {
            Kind::Flag => matches.get_flag(&param.name).then(|| "true".to_owned()),
            _ => matches.get_one::<String>(&param.name).cloned(),
        };
        given.extend(value.map(|value| (param.name.clone(), value)));
    }
    let rows = matches.get_one::<u64>("rows");
    let forms: Vec<Form> = matches
        .get_many("output")
        .into_iter()
        .flatten()
        .copied()
        .collect();
    for (at, form) in forms.iter().enumerate() {
        if forms[..at].contains(form) {
            let error = format!("-o names {} twice; once is enough\n", form.name());
            return Err(clap::Error::raw(
                clap::error::ErrorKind::ArgumentConflict,
                error,
            ));
        }
    }
    Ok(Asked {
        name: name.to_owned(),
        given,
        forms,
        out: matches.get_one("out").cloned(),
        made_for: matches.get_one("for").cloned(),
        rows: rows.and_then(|&rows| usize::try_from(rows).ok()),
        rows_max: matches
            .get_one("rows_max")
            .copied()
            .unwrap_or(REPORT_ROWS_MAX),
        skip_damaged: matches.get_flag("skip_damaged"),
        summary: matches.get_flag("summary"),
        timeout: matches.get_one("timeout").copied().unwrap_or(REPORT_TIME),
        connection: Connection::from_arg_matches(matches)?,
    })
}

pub(super) fn run(args: Args) -> anyhow::Result<Exit> {
    if let What::Verify(files) = &args.what {
        return check(files);
    }
    if let Some(error) = &loaded().error {
        bail!("{error}");
    }
    match args.what {
        What::Verify(files) => check(&files),
        What::Unreadable(error) => bail!("{error}"),
        What::CheckSchedule(file, connection) => check_schedule(&file, *connection),
        What::List(output) => list(output),
        What::Make(asked) => make_one(*asked),
    }
}
