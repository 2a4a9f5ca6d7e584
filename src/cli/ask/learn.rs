//! Questions that only a server knows, from a directory of its own.

use std::env::args_os;
use std::ffi::OsString;
use std::time::Duration;

use super::Loaded;
use crate::cli::complete;
use crate::cli::connection::{Connection, Place};
use crate::query::library::Library;
use crate::query::source::Remote;

/// How long a server may take to list its questions.
const PATIENCE: Duration = Duration::from_secs(10);

/// Flags before a question's name that take a value.
const WITH_VALUE: [&str; 6] = [
    "--data",
    "--server",
    "--profile",
    "--queries",
    "--output",
    "-o",
];

/// Adds a server's questions when one is asked that is not known here, or when they are listed.
pub(super) fn from_server(loaded: &mut Loaded) {
    let typing = complete::is_wanted();
    let Some(name) = asked(args_os().skip(1)) else {
        return;
    };
    let known = |name: &String| loaded.library.get(name).is_ok();
    if name.as_ref().is_some_and(known) {
        return;
    }
    // What is wrong with the connection is told when it is opened.
    let Ok(Place::Server { url, token }) = Connection::early().place() else {
        return;
    };
    let Ok(remote) = Remote::new(&url) else {
        return;
    };
    let patience = if typing { complete::PATIENCE } else { PATIENCE };
    match (remote.with_token(token).questions(patience), name) {
        (Ok(questions), _) => loaded.library.learn(questions),
        (Err(_), _) if typing => {}
        (Err(error), None) => loaded.note = Some(format!("only the questions known here: {error}")),
        (Err(error), Some(name)) => loaded.error = Some(unknown(&loaded.library, &name, &error)),
    }
}

fn unknown(library: &Library, name: &str, error: &dyn std::fmt::Display) -> String {
    let here = library.get(name).err().unwrap_or_default();
    format!("{here}, and the server cannot be asked for its own: {error}")
}

/// The question that the words of a command line name, if any; `None` if they are of another
/// command.
fn asked(words: impl Iterator<Item = OsString>) -> Option<Option<String>> {
    let mut words = words.map(|word| word.to_string_lossy().into_owned());
    words.find(|word| word == "ask")?;
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            return Some(Some(word));
        }
    }
    Some(None)
}
