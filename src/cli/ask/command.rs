//! A question as a command of the command line, its parameters as flags.

use clap::{Arg, ArgAction, Command};

use crate::cli::complete;
use crate::limits::ROWS_DEFAULT;
use crate::query::library::{self, Kind, Param, Question};

/// A question as a command.
pub(super) fn subcommand(question: &Question) -> Command {
    let mut about = format!("{}\n\n{}", question.title, question.answers);
    about.push_str(&format!("\n\nCannot see: {}", question.cannot_see));
    about.push_str(&format!(
        "\n\nNeeds audit level {} or more.",
        question.level
    ));
    if !question.one_of.is_empty() {
        let flags: Vec<String> = question
            .one_of
            .iter()
            .map(|name| library::flag(name))
            .collect();
        about.push_str(&format!("\nNeeds one of {}.", flags.join(", ")));
    }
    if !question.tags.is_empty() {
        about.push_str(&format!("\nTags: {}", question.tags.join(", ")));
    }
    let mut after = String::from("Columns:\n");
    let width = question
        .columns
        .iter()
        .map(|column| column.name.len())
        .max();
    for column in &question.columns {
        let width = width.unwrap_or(0);
        after.push_str(&format!("  {:width$}  {}\n", column.name, column.doc));
    }
    let command = Command::new(question.name.clone())
        .args(question.params.iter().map(flag))
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_name("N")
                .default_value(ROWS_DEFAULT.to_string())
                .value_parser(clap::value_parser!(u64))
                .help_heading("Answer")
                .help("Most rows; 0 is all"),
        )
        .arg(
            // Not the columns of events, which complete others of this name.
            Arg::new("chosen-columns")
                .long("columns")
                .value_name("LIST")
                .add(complete::columns_of(question))
                .help_heading("Answer")
                .help("Columns of the answer, in this order; all is every column"),
        )
        .arg(
            Arg::new("skip_damaged")
                .long("skip-damaged")
                .action(ArgAction::SetTrue)
                .help_heading("Answer")
                .help("Answer without damaged segments instead of failing"),
        )
        .arg(
            Arg::new("explain")
                .long("explain")
                .action(ArgAction::SetTrue)
                .help_heading("Answer")
                .help(
                    "Say on stderr which SQL statement and API call give the same rows, and what \
                     work it took",
                ),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("DURATION")
                .value_parser(crate::cli::sql::timeout)
                .help_heading("Answer")
                .help("Give up after this long, such as 1m; 0 is without limit [default: 10s]"),
        );
    command
        .about(question.title.clone())
        .long_about(about)
        .after_long_help(after)
}

/// A parameter as a flag.
pub(in crate::cli) fn flag(param: &Param) -> Arg {
    let value = match param.kind {
        Kind::Words => "LIST",
        Kind::Names => "NAMES",
        Kind::Text => "TEXT",
        Kind::Int => "N",
        Kind::Duration => "DURATION",
        Kind::Time => "TIME",
        Kind::Flag => "",
    };
    let mut help = param.help.clone();
    if let Some(default) = &param.default
        && param.kind != Kind::Flag
    {
        help.push_str(&format!(" [default: {default}]"));
    }
    let mut arg = Arg::new(param.name.clone())
        .long(param.flag())
        .help(help)
        .help_heading("Parameters (a,b = any of them; !a,b = none; * = any text)")
        .required(param.required);
    if param.name == "namespace" {
        arg = arg.short('n');
    }
    match param.kind {
        Kind::Flag => arg.action(ArgAction::SetTrue),
        _ => arg.value_name(value),
    }
}
