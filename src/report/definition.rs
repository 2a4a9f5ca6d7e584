//! A report's definition: one TOML file with controls, the questions that give their evidence, and
//! verdict rules. Everything in it is checked when it is read, with the line where it stands.

mod evidence;
mod read;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;

use super::digest;
use crate::limits::REPORT_FILE_BYTES_MAX;
use crate::query::library::place::{Origin, Places};
use crate::query::library::{Library, Param, Reader, lacking};

/// The longest name of a report and the longest id of a control, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The parameters that every report has.
pub const COMMON: [&str; 3] = ["since", "until", "cluster"];

/// A report as its file defines it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// The file's name without `.toml`: lower-case words joined by `-`.
    pub name: String,
    pub title: String,
    pub framework: String,
    pub framework_version: String,
    /// The version of the report's own text.
    pub version: String,
    pub about: String,
    /// The default of `since`: an age, an instant, or `all`.
    pub since: String,
    /// Whether charts of all events of the period belong to it.
    pub charts: bool,
    /// Parameters of which at least one must be given; empty where none must.
    pub one_of: Vec<String>,
    /// Its own parameters in the order of the file, then `cluster`, `since` and `until`.
    pub params: Vec<Param>,
    pub controls: Vec<Control>,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// A control: what is demanded, and what tells about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Control {
    pub id: String,
    pub title: String,
    pub demands: String,
    pub cannot_prove: String,
    /// The statement that gives the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    pub evidence: Vec<Evidence>,
    /// Where the parts of that statement stand in files of one's own.
    #[serde(rename = "parts", skip_serializing_if = "Places::are_shipped")]
    pub(super) places: Places,
}

/// A question that gives evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Where other places refer to it: `e-10.2.1.4-1`.
    pub anchor: String,
    pub query: String,
    /// Empty where the question's own title serves.
    pub title: String,
    /// Parameters of the question: texts, or `$name` for a parameter of the report.
    pub with: Vec<(String, String)>,
    /// Rows that stand in the report itself.
    pub rows: usize,
}

impl Definition {
    /// Reads a file; its questions must be in `library`. An error names the file (`origin`) and the
    /// line. Statements of verdicts are not prepared here: see [`Definition::check`].
    pub(crate) fn parse(
        name: &str,
        origin: &Origin,
        text: &str,
        library: &Library,
    ) -> Result<Definition, String> {
        let place = |wrong: Wrong| match wrong {
            Wrong::Here(at, what) => format!("{}: {what}", origin.line(text, at)),
            Wrong::There(place, what) => format!("{place}: {what}"),
        };
        if !is_name(name) {
            return Err(place(Wrong::Here(
                0,
                format!(
                    "the file's name is the report's: use lower-case letters, digits and -, at most {NAME_BYTES_MAX}"
                ),
            )));
        }
        if text.len() as u64 > REPORT_FILE_BYTES_MAX {
            return Err(place(Wrong::Here(
                0,
                format!("the file is larger than the limit of {REPORT_FILE_BYTES_MAX} bytes"),
            )));
        }
        let file: read::File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            place(Wrong::Here(at, error.message().to_owned()))
        })?;
        let sha256 = digest::hex(&Sha256::digest(text.as_bytes()));
        let mut definition =
            read::define(name, file, library, read::Source { origin, text }).map_err(place)?;
        definition.sha256 = sha256;
        Ok(definition)
    }

    /// Prepares the statement of every verdict.
    pub fn check(&self) -> Result<(), String> {
        for control in &self.controls {
            let Some(sql) = &control.verdict else {
                continue;
            };
            let fail = |what: &str| {
                let about = format!("verdict of {}", control.id);
                control.places.tell(sql, what, &about, Reader::Owner)
            };
            let columns = crate::store::check_sql(sql).map_err(|error| fail(&error.to_string()))?;
            if columns != ["verdict", "why"] {
                return Err(fail(&format!(
                    "the statement gives the columns {}; give verdict and why",
                    columns.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// What to give, if it is none of [`Definition::one_of`]; `flag` says how a name is written.
    pub fn lacks_one_of(
        &self,
        given: &[(String, String)],
        flag: impl Fn(&str) -> String,
    ) -> Option<String> {
        let names = lacking(&self.one_of, &self.params, given, flag)?;
        Some(format!(
            "the report {} makes no sense without one of {names}",
            self.name
        ))
    }

    /// The parameter of this name.
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|param| param.name == name)
    }
}

impl Control {
    /// Where other places refer to its verdict: `v-10.2.1.4`.
    pub fn verdict_anchor(&self) -> String {
        format!("v-{}", plain_id(&self.id))
    }
}

impl Evidence {
    /// The name of the file that holds all its rows.
    pub fn file_name(&self) -> String {
        format!("{}-{}.csv", self.anchor, self.query)
    }
}

/// Whether this can be the name of a report.
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && is_stem(name)
}

/// Whether files of a report may be named so: its name, and perhaps its period and which rows they
/// hold.
pub(super) fn is_stem(stem: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_BYTES_MAX + 40).contains(&stem.len())
        && stem.bytes().all(plain)
        && !stem.starts_with('-')
}

/// A control's id as part of anchors and file names.
fn plain_id(id: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    let letters = id
        .chars()
        .map(|letter| if plain(letter) { letter } else { '-' });
    letters.collect::<String>().trim_matches('-').to_owned()
}

/// What is wrong, and where.
enum Wrong {
    /// At a byte of the file.
    Here(usize, String),
    /// At a file and line.
    There(String, String),
}

fn wrong<T>(at: usize, what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::Here(at, what.into()))
}

/// Text that people read: not empty, and nothing in it that hides or reorders what is shown.
fn words(text: Spanned<String>, what: &str) -> Result<String, Wrong> {
    let at = text.span().start;
    let text = text.into_inner();
    if text.trim().is_empty() {
        return wrong(at, format!("{what} is empty"));
    }
    let hidden = |letter: &char| {
        (letter.is_control() && !matches!(letter, '\n' | '\t'))
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if let Some(letter) = text.chars().find(hidden) {
        return wrong(
            at,
            format!(
                "{what} holds the unseen character {}; remove it",
                letter.escape_unicode()
            ),
        );
    }
    Ok(text.trim().to_owned())
}
