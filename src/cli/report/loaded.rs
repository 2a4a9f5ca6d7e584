//! The reports that the command line can make. Like the questions they must be known before there are
//! flags to read.

use std::borrow::Cow;
use std::env::args_os;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::cli::ask::learn::{named, server, unknown};
use crate::cli::{ask, complete, early};
use crate::query::library::Library;
use crate::report::Catalogue;
use crate::store;

/// What names a directory of one's own reports.
const DIRECTORY_ENV: &str = "AUDITQL_REPORTS";

/// The reports, and what is missing from them.
pub(super) struct Loaded {
    /// The questions that they ask.
    pub(super) library: Cow<'static, Library>,
    pub(super) catalogue: Catalogue,
    /// Why a user's own files, or a server's reports, could not be added to them.
    pub(super) error: Option<String>,
    /// Why what a server knows is not listed.
    pub(super) note: Option<String>,
}

/// The reports.
pub(super) fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| {
        let ask::Loaded { library, error, .. } = ask::loaded();
        let read = match error {
            Some(error) => Err(error.clone()),
            None => catalogue(library),
        };
        let (catalogue, error) = match read {
            Ok(catalogue) => (catalogue, None),
            Err(error) => (Catalogue::shipped().clone(), Some(error)),
        };
        let mut loaded = Loaded {
            library: Cow::Borrowed(library),
            catalogue,
            error,
            note: None,
        };
        if loaded.error.is_none() {
            from_server(&mut loaded);
        }
        loaded
    })
}

fn catalogue(library: &Library) -> Result<Catalogue, String> {
    let from_environment = || std::env::var_os(DIRECTORY_ENV).filter(|value| !value.is_empty());
    let given = early::flag(args_os().skip(1), "--reports");
    match given.or_else(from_environment).map(PathBuf::from) {
        None => Catalogue::over(library),
        Some(directory) => Catalogue::with_directory(&directory, library),
    }
}

/// Adds a server's reports when one is wanted that is not known here, or when they are listed.
fn from_server(loaded: &mut Loaded) {
    let Some(name) = named("report", args_os().skip(1)) else {
        return;
    };
    // These are about files of this machine.
    let files = args_os().any(|word| word == "--verify" || word == "--check");
    let known = |name: &String| loaded.catalogue.get(name).is_ok();
    if files || name.as_ref().is_some_and(known) {
        return;
    }
    let Some((remote, patience)) = server() else {
        return;
    };
    let told = remote.questions(patience).and_then(|questions| {
        let reports = remote.listed("reports", patience)?;
        store::Result::Ok((questions, reports))
    });
    match (told, name) {
        (Ok((questions, reports)), _) => {
            loaded.library.to_mut().learn(questions);
            loaded.catalogue.learn(&reports, &loaded.library);
        }
        (Err(_), _) if complete::is_wanted() => {}
        (Err(error), None) => loaded.note = Some(format!("only the reports known here: {error}")),
        (Err(error), Some(name)) => {
            loaded.error = Some(unknown(loaded.catalogue.get(&name), &error));
        }
    }
}
