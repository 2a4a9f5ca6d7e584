//! `auditql sql` without a statement: a shell on a terminal, a script from anything else.

mod commands;
mod complete;
mod editor;
mod place;
mod split;
mod statement;

pub(super) use place::{help, pointed};

use std::io::{self, BufRead, IsTerminal};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustyline::error::ReadlineError;

use super::Exit;
use super::connection::Connection;
use super::print::{self, Output, count, say};
use crate::model::suggest::suggest;
use crate::model::value::Value;
use crate::query::output::Format;
use crate::query::schema::{TABLES, Table, TableColumn};
use crate::query::wire::type_name;
use crate::store::{SqlColumn, SqlQuery, SqlSink};
use commands::Command;
use split::{Item, Lines};

const PROMPT: &str = "auditql> ";

/// What statements are run with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) connection: Connection,
    pub(super) output: Output,
    pub(super) params: Vec<(String, Value)>,
    /// Most rows; 0 is all.
    pub(super) limit: u64,
    /// Zero is without limit.
    pub(super) timeout: Duration,
    pub(super) skip_damaged: bool,
    /// Whether what is typed is kept for the next time.
    pub(super) history: bool,
}

struct Session {
    settings: Settings,
    on_terminal: bool,
    /// Whether any statement had a row.
    found: Exit,
}

/// What an item asks the loop to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Quit,
}

pub(super) fn run(settings: Settings) -> anyhow::Result<Exit> {
    let mut session = Session {
        settings,
        on_terminal: io::stdin().is_terminal(),
        found: Exit::Nothing,
    };
    if session.on_terminal {
        return session.converse();
    }
    session.script(io::stdin().lock())?;
    Ok(session.found)
}

impl Session {
    /// Reads from the terminal until its end. An error ends a statement, not the shell.
    fn converse(&mut self) -> anyhow::Result<Exit> {
        let place = self.settings.connection.place()?;
        // What cannot be opened at all is told before anything is typed.
        self.settings.connection.open_read()?.stats()?;
        statement::catch_interrupts()?;
        let mut editor = editor::Editor::new(&self.settings.connection, self.settings.history)?;
        say(&format!("{place}; .help shows what there is"));
        loop {
            statement::forget_interrupts();
            match editor.line(PROMPT) {
                Ok(text) => {
                    if self.typed(&text) == Next::Quit {
                        break;
                    }
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(anyhow!(error).context("reading from the terminal")),
            }
        }
        Ok(Exit::Found)
    }

    fn typed(&mut self, text: &str) -> Next {
        let mut lines = Lines::default();
        let mut items: Vec<Item> = text.split('\n').flat_map(|line| lines.push(line)).collect();
        items.extend(lines.end());
        for item in items {
            match self.item(item) {
                Ok(Next::GoOn) => {}
                Ok(Next::Quit) => return Next::Quit,
                Err(error) => {
                    say(&format!("error: {error:#}"));
                    break;
                }
            }
        }
        Next::GoOn
    }

    /// Runs statements and commands until the first error, which names the line.
    fn script(&mut self, mut input: impl BufRead) -> anyhow::Result<()> {
        let mut lines = Lines::default();
        let mut line = String::new();
        loop {
            line.clear();
            let read = input.read_line(&mut line).context("reading stdin")?;
            let items = match read {
                0 => std::mem::take(&mut lines).end().into_iter().collect(),
                _ => lines.push(&line),
            };
            for item in items {
                let (Item::Command { line, .. } | Item::Statement { line, .. }) = item;
                let next = self.item(item);
                if next.with_context(|| format!("stdin:{line}"))? == Next::Quit {
                    return Ok(());
                }
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn item(&mut self, item: Item) -> anyhow::Result<Next> {
        match item {
            Item::Statement { sql, .. } => self.statement(&sql)?,
            Item::Command { text, .. } => {
                let command = commands::parse(&text).map_err(anyhow::Error::msg)?;
                return self.command(command);
            }
        }
        Ok(Next::GoOn)
    }

    fn statement(&mut self, sql: &str) -> anyhow::Result<()> {
        // The shell's parameters are for all statements, but one must not get those of another.
        let named = |name: &str| [":", "@", "$"].iter().any(|mark| names(sql, mark, name));
        let settings = &self.settings;
        let params = settings.params.iter();
        let query = SqlQuery {
            sql: sql.to_owned(),
            params: params.filter(|(name, _)| named(name)).cloned().collect(),
            limit: settings.limit,
            skip_damaged: settings.skip_damaged,
        };
        let started = Instant::now();
        // A store that was opened for reading shows what it held then: each statement is to see
        // what has come since.
        let source = settings.connection.open_read()?.into();
        let timeout = (!settings.timeout.is_zero()).then_some(settings.timeout);
        let rows = statement::run(source, query, timeout, settings.output.printer())?;
        if rows > 0 {
            self.found = Exit::Found;
        }
        if self.on_terminal {
            let took = started.elapsed().as_millis();
            say(&format!("{} in {took} ms", count(rows, "row")));
        }
        Ok(())
    }

    fn command(&mut self, command: Command) -> anyhow::Result<Next> {
        let settings = &mut self.settings;
        match command {
            Command::Quit => return Ok(Next::Quit),
            Command::Help => self.print(&commands::help())?,
            Command::Tables => self.tables()?,
            Command::Schema(table) => self.schema(table.as_deref())?,
            Command::Mode(Some(Format::Raw)) => {
                bail!("raw is for auditql query; select the column raw instead")
            }
            Command::Mode(Some(format)) => settings.output.format = format,
            Command::Mode(None) => {
                let name = clap::ValueEnum::to_possible_value(&settings.output.format);
                let name = name.as_ref().map_or("table", |name| name.get_name());
                let text = format!("{name}\n");
                self.print(&text)?;
            }
            Command::SetParam(name, value) => {
                settings.params.retain(|(known, _)| *known != name);
                settings.params.push((name, value));
            }
            Command::ForgetParam(name) => {
                let before = settings.params.len();
                settings.params.retain(|(known, _)| *known != name);
                if settings.params.len() == before {
                    bail!("there is no parameter {name}; .param lists them");
                }
            }
            Command::Params => {
                let params = settings.params.clone();
                let rows = params.into_iter();
                let rows = rows.map(|(name, value)| vec![Value::text(name), value]);
                self.rows(&["param", "value"], rows)?;
            }
        }
        Ok(Next::GoOn)
    }

    fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut out = print::stdout();
        io::Write::write_all(&mut out, text.as_bytes())
            .and_then(|()| io::Write::flush(&mut out))
            .context("writing the answer")
    }

    fn tables(&self) -> anyhow::Result<()> {
        let rows = TABLES.iter();
        let rows = rows.map(|table| vec![Value::text(table.name), Value::text(table.doc)]);
        self.rows(&["table", "what"], rows)
    }

    fn schema(&self, table: Option<&str>) -> anyhow::Result<()> {
        let shown = |column: &TableColumn| {
            [column.name, type_name(column.kind), column.doc].map(Value::text)
        };
        let Some(name) = table else {
            let rows = TABLES.iter().flat_map(|table| {
                let row = move |column: &TableColumn| {
                    [vec![Value::text(table.name)], shown(column).to_vec()].concat()
                };
                table.columns().iter().map(row).collect::<Vec<_>>()
            });
            return self.rows(&["table", "column", "type", "what"], rows);
        };
        let Some(table) = Table::by_name(name) else {
            let hint = suggest(name, TABLES.iter().map(|table| table.name));
            bail!("unknown table {name:?}; {hint}");
        };
        let columns = table.columns();
        self.rows(
            &["column", "type", "what"],
            columns.iter().map(|column| shown(column).to_vec()),
        )
    }

    fn rows(&self, columns: &[&str], rows: impl Iterator<Item = Vec<Value>>) -> anyhow::Result<()> {
        let mut printer = self.settings.output.printer();
        let columns: Vec<SqlColumn> = columns
            .iter()
            .map(|name| SqlColumn {
                name: (*name).to_owned(),
                kind: "TEXT".to_owned(),
            })
            .collect();
        printer.columns(&columns);
        for row in rows {
            if printer.row(&row).is_break() {
                break;
            }
        }
        printer.end(Ok(()))
    }
}

/// Whether a statement names the parameter, as far as its letters tell.
fn names(sql: &str, mark: &str, name: &str) -> bool {
    let wanted = format!("{mark}{name}");
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    sql.match_indices(&wanted)
        .any(|(at, _)| !sql[at + wanted.len()..].starts_with(part))
}
