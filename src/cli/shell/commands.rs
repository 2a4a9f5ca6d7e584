//! The shell's own commands, which begin with a dot.

use clap::ValueEnum;

use crate::cli::sql;
use crate::model::suggest::suggest;
use crate::model::value::Value;
use crate::query::output::Format;

/// A command as `.help` shows it.
pub(super) struct Described {
    pub(super) name: &'static str,
    value: &'static str,
    doc: &'static str,
}

const fn described(name: &'static str, value: &'static str, doc: &'static str) -> Described {
    Described { name, value, doc }
}

pub(super) const COMMANDS: [Described; 6] = [
    described("help", "", "what there is"),
    described("tables", "", "the tables"),
    described("schema", "[TABLE]", "the columns of a table, or of all"),
    described(
        "mode",
        "[FORMAT]",
        "how answers are written: table, wide, json, jsonl, csv",
    ),
    described(
        "param",
        "[NAME[=VALUE]]",
        "set, forget or list the values of :NAME",
    ),
    described("quit", "", "end the shell; so does Ctrl-D"),
];

/// A command that was read.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    Help,
    Tables,
    Schema(Option<String>),
    /// `None` shows what is set; the same below.
    Mode(Option<Format>),
    Params,
    SetParam(String, Value),
    ForgetParam(String),
    Quit,
}

/// What `.help` says.
pub(super) fn help() -> String {
    let usage = |command: &Described| format!(".{} {}", command.name, command.value);
    let width = COMMANDS.iter().map(|command| usage(command).len()).max();
    let width = width.unwrap_or(0);
    let mut text =
        String::from("A statement ends with ; and may take several lines. Ctrl-C ends it.\n");
    for command in &COMMANDS {
        text.push_str(&format!("{:width$}  {}\n", usage(command), command.doc));
    }
    text
}

/// Reads a command, which comes without its dot.
pub(super) fn parse(text: &str) -> Result<Command, String> {
    let (name, value) = match text.split_once(char::is_whitespace) {
        Some((name, value)) => (name, value.trim().trim_end_matches(';').trim_end()),
        None => (text.trim_end_matches(';'), ""),
    };
    let given = (!value.is_empty()).then_some(value);
    match name {
        "help" => Ok(Command::Help),
        "tables" => Ok(Command::Tables),
        "schema" => Ok(Command::Schema(given.map(str::to_owned))),
        "mode" => given.map(format).transpose().map(Command::Mode),
        "param" => match given {
            None => Ok(Command::Params),
            Some(text) if text.contains('=') => {
                sql::param(text).map(|(name, value)| Command::SetParam(name, value))
            }
            Some(name) => Ok(Command::ForgetParam(
                name.trim_start_matches([':', '@', '$']).to_owned(),
            )),
        },
        "quit" | "exit" => Ok(Command::Quit),
        _ => {
            let names = COMMANDS.iter().map(|command| command.name);
            let hint = suggest(name, names);
            Err(format!("unknown command .{name}; {hint}"))
        }
    }
}

fn format(name: &str) -> Result<Format, String> {
    Format::from_str(name, true).map_err(|_| {
        let known: Vec<_> = Format::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .collect();
        let hint = suggest(
            name,
            known.iter().map(clap::builder::PossibleValue::get_name),
        );
        format!("unknown format {name:?}; {hint}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        for (text, command) in [
            ("help", Command::Help),
            ("schema", Command::Schema(None)),
            ("schema users;", Command::Schema(Some("users".to_owned()))),
            ("mode jsonl", Command::Mode(Some(Format::Jsonl))),
            (
                "param n=5",
                Command::SetParam("n".to_owned(), Value::Int(5)),
            ),
            ("param :n", Command::ForgetParam("n".to_owned())),
            ("quit", Command::Quit),
            ("exit", Command::Quit),
        ] {
            assert_eq!(parse(text), Ok(command), "{text}");
        }
        for (text, error) in [
            ("shema", "did you mean schema?"),
            ("mode jsn", "did you mean json?"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.contains(error), "{text}: {told}");
        }
    }

    #[test]
    fn every_command_is_read_and_helped() {
        for command in &COMMANDS {
            let told = parse(command.name).err().unwrap_or_default();
            assert!(!told.contains("unknown"), "{told}");
            assert!(help().contains(&format!(".{} ", command.name)));
        }
    }
}
