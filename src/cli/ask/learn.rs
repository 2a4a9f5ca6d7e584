//! Questions that only a server knows, from a directory of its own.

use std::env::args_os;
use std::ffi::OsString;
use std::time::Duration;

use super::Loaded;
use crate::cli::complete;
use crate::cli::connection::{Connection, Place};
use crate::query::source::Remote;

/// How long a server may take to list its questions or reports.
const PATIENCE: Duration = Duration::from_secs(10);

/// Flags before the name of a question or report that take a value.
const WITH_VALUE: [&str; 7] = [
    "--data",
    "--server",
    "--profile",
    "--queries",
    "--reports",
    "--output",
    "-o",
];

/// Adds a server's questions when one is asked that is not known here, or when they are listed.
pub(super) fn from_server(loaded: &mut Loaded) {
    let Some(name) = named("ask", args_os().skip(1)) else {
        return;
    };
    let known = |name: &String| loaded.library.get(name).is_ok();
    if name.as_ref().is_some_and(known) {
        return;
    }
    let Some((remote, patience)) = server() else {
        return;
    };
    match (remote.questions(patience), name) {
        (Ok(questions), _) => loaded.library.learn(questions),
        (Err(_), _) if complete::is_wanted() => {}
        (Err(error), None) => loaded.note = Some(format!("only the questions known here: {error}")),
        (Err(error), Some(name)) => loaded.error = Some(unknown(loaded.library.get(&name), &error)),
    }
}

/// The server that the command line names, if it names one, and how long it may take to list what it
/// knows. What is wrong with the connection is told when it is opened.
pub(in crate::cli) fn server() -> Option<(Remote, Duration)> {
    let Ok(Place::Server { url, token }) = Connection::early().place() else {
        return None;
    };
    let patience = match complete::is_wanted() {
        true => complete::PATIENCE,
        false => PATIENCE,
    };
    Some((Remote::new(&url).ok()?.with_token(token), patience))
}

/// What to say of a name that is unknown here while the server gives no answer.
pub(in crate::cli) fn unknown<T>(here: Result<T, String>, error: &dyn std::fmt::Display) -> String {
    let here = here.err().unwrap_or_default();
    format!("{here}, and the server cannot be asked for its own: {error}")
}

/// The question or report that the words of a command line name behind `command`, if any; `None` if
/// they are of another command.
pub(in crate::cli) fn named(
    command: &str,
    words: impl Iterator<Item = OsString>,
) -> Option<Option<String>> {
    let mut words = words.map(|word| word.to_string_lossy().into_owned());
    words.find(|word| word == command)?;
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            return Some(Some(word));
        }
    }
    Some(None)
}
