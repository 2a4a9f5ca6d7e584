//! Where statements stand in files, so that what is wrong in one is told with the file and the line.
//! A statement is put together from the text of a question or a verdict and those of shared tables.

mod told;

use serde::{Deserialize, Serialize};

use super::token::tokens;
use crate::query::textfile::brief;
use crate::store::check_sql;
use told::Told;

/// A file of statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    path: String,
    name: String,
    shipped: bool,
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reader {
    /// Whoever runs this program: files are named with their paths.
    #[default]
    Owner,
    /// A client of the API: files are named as they are called in the directory that was given.
    Client,
}

/// Where a text begins in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Begin {
    origin: Origin,
    /// From 1.
    line: usize,
    /// Letters before it in its line.
    column: usize,
    /// Whether the text stands in the file letter by letter, so that its lines are the file's.
    verbatim: bool,
}

/// Where the parts of a statement stand in files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Told>", from = "Vec<Told>")]
pub(crate) struct Places {
    /// In the order of the statement; the last is its own text, the others are shared tables.
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// The table's name in statements; empty for the statement's own text.
    table: String,
    /// The part's bytes of the statement.
    from: usize,
    until: usize,
    /// By how much its lines after the first are indented.
    indent: usize,
    begin: Begin,
}

impl Origin {
    /// A file that this program brings.
    pub(crate) fn shipped(path: &str) -> Origin {
        Origin {
            path: path.to_owned(),
            name: path.to_owned(),
            shipped: true,
        }
    }

    /// A file at `path`, which is called `name` in the directory that was given.
    pub(crate) fn own(path: &str, name: &str) -> Origin {
        Origin {
            path: path.to_owned(),
            name: name.to_owned(),
            shipped: false,
        }
    }

    pub(crate) fn is_shipped(&self) -> bool {
        self.shipped
    }

    pub(crate) fn told(&self, reader: Reader) -> &str {
        match reader {
            Reader::Owner => &self.path,
            Reader::Client => &self.name,
        }
    }

    /// The place of the byte `at` in the file, whose text is `text`.
    pub(crate) fn line(&self, text: &str, at: usize) -> String {
        format!("{}:{}", self.path, line_of(text, at))
    }
}

/// The line of a byte, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// How many letters stand before a byte in its line.
fn column_of(text: &str, at: usize) -> usize {
    let letters = text[..text.floor_char_boundary(at)].chars().rev();
    letters.take_while(|letter| *letter != '\n').count()
}

impl Begin {
    /// The byte `at` of a file's text, from which on the text stands as it is.
    pub(crate) fn verbatim(origin: &Origin, text: &str, at: usize) -> Begin {
        Begin {
            origin: origin.clone(),
            line: line_of(text, at),
            column: column_of(text, at),
            verbatim: true,
        }
    }

    /// Somewhere from the byte `at` of a file's text on, written in another way.
    pub(crate) fn within(origin: &Origin, text: &str, at: usize) -> Begin {
        Begin {
            verbatim: false,
            ..Begin::verbatim(origin, text, at)
        }
    }

    /// Where what follows `passed` begins, if that stands here.
    pub(super) fn behind(&self, passed: &str) -> Begin {
        let mut begin = self.clone();
        if begin.verbatim {
            begin.line += passed.matches('\n').count();
            begin.column = match passed.contains('\n') {
                true => column_of(passed, passed.len()),
                false => begin.column + passed.chars().count(),
            };
        }
        begin
    }
}

impl Part {
    /// Line and, if it is known, column (both from 1) of a byte of the statement.
    fn place(&self, sql: &str, at: usize) -> (usize, Option<usize>) {
        let at = at.clamp(self.from, self.until);
        if !self.begin.verbatim {
            return (self.begin.line, None);
        }
        let (before, column) = (&sql[self.from..at], column_of(sql, at));
        match before.matches('\n').count() {
            0 => {
                let column = self.begin.column + before.chars().count();
                (self.begin.line, Some(column + 1))
            }
            lines => {
                let column = column.saturating_sub(self.indent) + 1;
                (self.begin.line + lines, Some(column))
            }
        }
    }
}

impl Places {
    /// Adds what stands in the statement from `from` until `until`: the text that begins at `begin`,
    /// its further lines indented.
    pub(super) fn add(
        &mut self,
        table: &str,
        from: usize,
        until: usize,
        indent: usize,
        begin: Begin,
    ) {
        let table = table.to_owned();
        self.parts.push(Part {
            table,
            from,
            until,
            indent,
            begin,
        });
    }

    /// Whether every part of the statement is one of this program's own.
    pub(crate) fn are_shipped(&self) -> bool {
        self.parts.iter().all(|part| part.begin.origin.shipped)
    }

    /// File and line of the first of some bytes of the statement, of one of its own text if any is
    /// there, and whether that stands in a shared table.
    pub(crate) fn first(&self, sql: &str, bytes: &[usize]) -> Option<(String, bool)> {
        let own = self.parts.last()?;
        let at = bytes.iter().find(|at| **at >= own.from).or(bytes.first())?;
        let part = self.parts.iter().find(|part| *at < part.until)?;
        let (line, _) = part.place(sql, *at);
        let shared = !part.table.is_empty();
        Some((format!("{}:{line}", part.begin.origin.path), shared))
    }

    /// What to say of an error that a statement met: file and line, what it is `about`, the message.
    pub(crate) fn tell(&self, sql: &str, message: &str, about: &str, reader: Reader) -> String {
        let (said, pointed) = match pointed_at(message) {
            Some((said, line, column)) => (said, offset(sql, line, column)),
            None => (message, None),
        };
        let broken = self.broken(sql, said);
        let Some(part) = broken.or(self.parts.last()) else {
            return format!("{about}: {message}");
        };
        // What stands before a table's text and what closes it is ours.
        let named = || named(said, &sql[part.from..part.until]).map(|at| part.from + at);
        let at = pointed.or_else(named);
        let inside = at.filter(|at| (part.from..=part.until).contains(at));
        let (line, column) = match inside {
            Some(at) => part.place(sql, at),
            None => (part.begin.line, None),
        };
        let column = column.map(|column| format!(" (column {column})"));
        let (file, column) = (part.begin.origin.told(reader), column.unwrap_or_default());
        let unplaced = broken.is_none() && at.is_none();
        let running = match unplaced && self.parts.len() > 1 && check_sql(sql).is_ok() {
            true => self.running(reader),
            false => String::new(),
        };
        let said = brief(said.to_owned());
        format!("{file}:{line}: {about}: {said}{column}{running}")
    }

    /// What to say of the statement itself, such as that its answer is not what it is asked for.
    pub(crate) fn tell_of_it(&self, what: &str, about: &str, reader: Reader) -> String {
        let Some(own) = self.parts.last() else {
            return format!("{about}: {what}");
        };
        let (file, line) = (own.begin.origin.told(reader), own.begin.line);
        format!("{file}:{line}: {about}: {what}")
    }

    /// What to add to an error of a statement that compiles: SQLite does not tell which part of it
    /// was running then.
    fn running(&self, reader: Reader) -> String {
        let tables = self.parts.iter().filter(|part| !part.table.is_empty());
        let place = |part: &Part| format!("{}:{}", part.begin.origin.told(reader), part.begin.line);
        let places: Vec<String> = tables.map(place).collect();
        format!(
            " (found while the statement ran, here or in a shared table that it reads: {})",
            places.join(", ")
        )
    }

    /// The first shared table that does not compile, for the reason that is told of the whole or
    /// because it is no SQL, whatever SQLite makes of what follows it.
    fn broken(&self, sql: &str, said: &str) -> Option<&Part> {
        let mut tables = self.parts.iter().filter(|part| !part.table.is_empty());
        tables.find(|part| {
            let alone = format!("{}\n)\nselect * from {}", &sql[..part.until], part.table);
            let Err(error) = check_sql(&alone) else {
                return false;
            };
            let error = error.to_string();
            let why = pointed_at(&error).map_or(&*error, |(why, ..)| why);
            let no_sql = ["near \"", "incomplete input", "unrecognized token"];
            why == said || no_sql.iter().any(|begin| why.starts_with(begin))
        })
    }
}

/// What a message of the store says of a statement, and the line and column (from 1) at which it
/// points at its end, if it does.
pub fn pointed_at(message: &str) -> Option<(&str, usize, usize)> {
    let (said, place) = message.strip_suffix(')')?.rsplit_once(" (")?;
    let number = |text: &str, name: &str| text.strip_prefix(name)?.parse().ok();
    let (line, column) = match place.split_once(", ") {
        Some((line, column)) => (number(line, "line ")?, column),
        None => (1, place),
    };
    let column: usize = number(column, "column ")?;
    (line > 0 && column > 0).then_some((said, line, column))
}

/// The byte at a line and column.
fn offset(sql: &str, line: usize, column: usize) -> Option<usize> {
    let mut lines = sql.split_inclusive('\n');
    let before: usize = lines.by_ref().take(line - 1).map(str::len).sum();
    let text = lines.next().unwrap_or_default();
    let letters = text.char_indices().map(|(at, _)| at);
    let at = letters.chain([text.len()]).nth(column - 1)?;
    Some(before + at)
}

/// Where what a message names stands in a text: SQLite does not point at tables.
fn named(said: &str, text: &str) -> Option<usize> {
    let name = |begin: &str| said.strip_prefix(begin);
    let (name, defined) = match (name("no such table: "), name("circular reference: ")) {
        (Some(name), _) => (name, false),
        (_, Some(name)) => (name, true),
        _ => return None,
    };
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |(_, word)| *word);
    let is = |at: usize, words: &[&str]| words.iter().any(|w| word(at).eq_ignore_ascii_case(w));
    let found = (0..tokens.len()).find(|&at| {
        is(at, &[name])
            && match defined {
                true => is(at + 1, &["as"]) && is(at + 2, &["(", "not", "materialized"]),
                false => at > 0 && is(at - 1, &["from", "join", ","]),
            }
    });
    found.map(|at| tokens[at].0)
}
