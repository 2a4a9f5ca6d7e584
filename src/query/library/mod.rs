//! The library of questions: SQL files with a typed header, asked by name.
//!
//! `queries/` holds those that are shipped, one file each; a user's own directory adds to them. A
//! question's parameters are flags of `auditql ask` and query parameters of
//! `/api/v1/queries/{name}`.

mod chosen;
mod declared;
mod described;
pub(crate) mod header;
mod learned;
mod params;
pub(crate) mod place;
mod question;
mod shipped;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod token;

pub use chosen::Chosen;
pub use params::{Kind, Param, flag, lacking};
pub use place::{Reader, pointed_at};
pub use question::Question;

use std::path::Path;
use std::sync::OnceLock;

use crate::limits::QUESTION_FILE_BYTES_MAX;
use crate::model::suggest::suggest;
use crate::query::output::visible;
use crate::query::textfile;
use place::{Begin, Origin, Places};
use tables::{Fault, Tables};

/// Groups of questions, in the order of listings. A user's own may have others.
pub const GROUPS: [(&str, &str); 8] = [
    ("who", "Who did it"),
    ("access", "Access"),
    ("change", "Changes"),
    ("incident", "An incident"),
    ("person", "A person"),
    ("operations", "Operations"),
    ("data-quality", "Quality of the data"),
    ("compliance", "Evidence for compliance"),
];

/// Questions by name.
#[derive(Debug, Clone, Default)]
pub struct Library {
    questions: Vec<Question>,
    tables: Tables,
}

impl Library {
    /// The questions that this program brings.
    pub fn shipped() -> &'static Library {
        static SHIPPED: OnceLock<Library> = OnceLock::new();
        SHIPPED.get_or_init(|| {
            let mut library = Library {
                tables: Tables::shipped().expect("a test reads every shipped table"),
                ..Library::default()
            };
            for (name, text) in shipped::FILES {
                let origin = Origin::shipped(&format!("queries/{name}.sql"));
                let question = Question::parse(name, &origin, text, &library.tables);
                library.add(question.expect("a test reads every shipped question"));
            }
            library
        })
    }

    /// The shipped questions and those of the files `*.sql` in `directory`, which go before
    /// shipped ones of the same name, as those in its directory `tables` go before shipped shared
    /// tables in these questions. An error names the file and the line.
    pub fn with_directory(directory: &Path) -> Result<Library, String> {
        Library::read(directory).map_err(textfile::brief)
    }

    fn read(directory: &Path) -> Result<Library, String> {
        let mut library = Library::shipped().clone();
        let tables = directory.join("tables");
        // A link to nothing is there, and is an error.
        if tables.symlink_metadata().is_ok() {
            for (name, origin, text) in files(&tables, "tables/")? {
                library.tables.add(&name, &origin, &text)?;
            }
            library.tables.check()?;
        }
        for (name, origin, text) in files(directory, "")? {
            let question = Question::parse(&name, &origin, &text, &library.tables)?;
            library.add(question);
        }
        Ok(library)
    }

    /// Checks every question of one's own: see [`Question::check`].
    pub fn check(&self) -> Result<(), String> {
        let mut questions = self.questions.iter();
        let checked = questions.try_for_each(Question::check);
        checked.map_err(textfile::brief)
    }

    /// A statement that begins at `begin` behind the shared tables that it names, and where its parts
    /// stand.
    pub(crate) fn with_tables(
        &self,
        names: &[&str],
        sql: &str,
        begin: &Begin,
    ) -> Result<(String, Places), Fault> {
        self.tables.before(names, sql, begin)
    }

    /// Adds what a server can be asked and this program does not know.
    pub fn learn(&mut self, questions: Vec<Question>) {
        for question in questions.into_iter().filter_map(Question::learned) {
            if self.get(&question.name).is_err() {
                self.add(question);
            }
        }
    }

    fn add(&mut self, question: Question) {
        self.questions.retain(|known| known.name != question.name);
        self.questions.push(question);
        let rank = |question: &Question| {
            let known = GROUPS
                .iter()
                .position(|(group, _)| *group == question.group);
            known.unwrap_or(GROUPS.len())
        };
        self.questions
            .sort_by(|a, b| (rank(a), &a.group, &a.name).cmp(&(rank(b), &b.group, &b.name)));
    }

    /// All of them, by group and name.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// The question with this name, or what to say about it.
    pub fn get(&self, name: &str) -> Result<&Question, String> {
        let known = self.questions.iter().find(|question| question.name == name);
        known.ok_or_else(|| {
            let names = self.questions.iter().map(|question| question.name.as_str());
            format!("there is no question {name:?}; {}", suggest(name, names))
        })
    }
}

/// Name, place and text of the files `*.sql` in a directory, which is called `below` in the one that
/// was given.
fn files(directory: &Path, below: &str) -> Result<Vec<(String, Origin, String)>, String> {
    let unreadable =
        |error: std::io::Error| format!("directory of queries {}: {error}", directory.display());
    let mut files = std::fs::read_dir(directory)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let read = |path: std::path::PathBuf| {
        let shown = visible(&path.display().to_string()).into_owned();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let name = name.ok_or_else(|| format!("{shown}: its name is no text; rename it"))?;
        let text = textfile::read(&path, QUESTION_FILE_BYTES_MAX)?;
        // Some editors of other systems begin every file with it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
        let origin = Origin::own(&shown, &format!("{below}{name}.sql"));
        Ok((name.to_owned(), origin, text))
    };
    files.into_iter().map(read).collect()
}
