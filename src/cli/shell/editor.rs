//! The line editor: history, completion, and lines that go on until a statement ends.

use std::borrow::Cow;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Behavior, CompletionType, Config, Context, Helper};

use super::complete;
use super::split::Lines;
use crate::cli::config::absolute;
use crate::cli::connection::Connection;
use crate::cli::print::say;
use crate::cli::{terminal, values};

/// How long TAB may take to look for values.
const PATIENCE: Duration = Duration::from_millis(500);

/// Entries of the history.
const HISTORY_MAX: usize = 10_000;

pub(super) struct Editor {
    editor: rustyline::Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
}

impl Editor {
    pub(super) fn new(connection: &Connection, history: bool) -> anyhow::Result<Editor> {
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .history_ignore_dups(true)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            // A redirected stdout gets answers, never the prompt.
            .behavior(Behavior::PreferTerm)
            .build();
        let mut editor =
            rustyline::Editor::with_history(config.clone(), FileHistory::with_config(&config))?;
        editor.set_helper(Some(Assistant {
            connection: connection.clone(),
        }));
        let mut kept = None;
        if history && let Some(path) = history_path() {
            match prepare(&path).and_then(|()| editor.load_history(&path).map_err(as_io)) {
                Ok(()) => kept = Some(path),
                Err(error) => say(&format!("note: no history: {}: {error}", path.display())),
            }
        }
        Ok(Editor {
            editor,
            history: kept,
        })
    }

    /// The next statement or command, whole.
    pub(super) fn line(&mut self, prompt: &str) -> Result<String, ReadlineError> {
        let text = self.editor.readline(prompt)?;
        let text = text.trim_end();
        if !text.trim().is_empty() && self.editor.add_history_entry(text)? {
            // A history that cannot be written is no reason to stop.
            if let Some(path) = &self.history {
                let _ = self.editor.append_history(path);
            }
        }
        Ok(text.to_owned())
    }
}

fn as_io(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

/// Where the history is: the XDG state directory, see the XDG Base Directory Specification 0.8.
fn history_path() -> Option<PathBuf> {
    let usual = || Some(absolute("HOME")?.join(".local/state"));
    let state = absolute("XDG_STATE_HOME").or_else(usual)?;
    Some(state.join("auditql/history"))
}

/// Makes the file, for nobody else to read: statements name people.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

struct Assistant {
    connection: Connection,
}

impl Helper for Assistant {}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        match terminal::colour() {
            true => Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")),
            false => Cow::Borrowed(hint),
        }
    }
}

/// What stands on the empty line of a statement that goes on: whoever forgot the `;` would wait.
struct GoesOn;

impl Hint for GoesOn {
    fn display(&self) -> &str {
        "-- goes on until a ;"
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Assistant {
    type Hint = GoesOn;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<GoesOn> {
        (at == line.len() && line.ends_with('\n')).then_some(GoesOn)
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let mut lines = Lines::default();
        for line in context.input().split('\n') {
            lines.push(line);
        }
        Ok(match lines.is_open() {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let values = |column: &str, prefix: &str| {
            let connection = self.connection.clone();
            values::of_column(column, prefix, PATIENCE, move || {
                connection.open_read().ok()
            })
        };
        let (from, found) = complete::complete(&line[..at], &values);
        let pair = |candidate: complete::Candidate| Pair {
            display: candidate.shown,
            replacement: candidate.replacement,
        };
        Ok((from, found.into_iter().map(pair).collect()))
    }
}
