//! Reports that a server writes regularly: which, how often, where, and how long they are kept.
//!
//! A report is about the previous whole day, week or month in UTC. What was missed is made up for,
//! and files are removed only if the store recorded that they were written.

mod keeper;
mod period;
mod place;
#[cfg(test)]
mod tests;

pub use keeper::Keeper;
pub use period::{Every, Period};

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::Catalogue;
use super::render::Form;
use crate::limits::REPORT_FILE_BYTES_MAX;
use crate::model::cluster::cluster_name;
use crate::model::suggest::suggest;
use crate::model::time;
use crate::query::library::header::{InOrder, Scalar};
use crate::query::textfile;

/// For whom a report is made when its entry does not say so.
const MADE_FOR: &str = "schedule";

/// A report that is written regularly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub every: Every,
    /// An absolute path.
    pub out: PathBuf,
    pub formats: Vec<Form>,
    /// Microseconds after the end of its period; `None` keeps it for ever.
    pub keep: Option<i64>,
    pub made_for: String,
    /// Parameters of the report.
    pub params: Vec<(String, String)>,
    pub skip_damaged: bool,
    /// Where `out` and its parameter `cluster` stand, as file and line.
    pub out_at: String,
    pub cluster_at: Option<String>,
}

impl Entry {
    /// What to say of clusters that it names and that are not among those `known` to the store:
    /// their events may be still to come.
    pub fn unknown_clusters(&self, known: &[String]) -> Option<String> {
        let at = self.cluster_at.as_ref()?;
        let (_, words) = self.params.iter().find(|(name, _)| name == "cluster")?;
        if words.contains(['\\', '!', '*']) {
            return None;
        }
        let words = words.split(',').map(str::trim);
        let unknown: Vec<&str> = words
            .filter(|word| !known.iter().any(|cluster| cluster == word))
            .collect();
        let hint = suggest(unknown.first()?, known.iter().map(String::as_str));
        let unknown = unknown.join(", ");
        Some(format!(
            "{at}: the store holds no event of cluster {unknown} yet; {hint}"
        ))
    }
}

/// What is written regularly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    pub entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    report: Vec<Spanned<FileEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    name: Spanned<String>,
    every: Spanned<String>,
    out: Spanned<String>,
    formats: Option<Vec<Spanned<String>>>,
    keep: Option<Spanned<String>>,
    r#for: Option<String>,
    #[serde(default)]
    params: InOrder<Spanned<Scalar>>,
    #[serde(default)]
    skip_damaged: bool,
}

impl Schedule {
    /// Reads a file. An error names it and the line.
    pub fn read(path: &Path, catalogue: &Catalogue) -> Result<Schedule, String> {
        let text = textfile::read(path, REPORT_FILE_BYTES_MAX);
        let text = text.map_err(|error| format!("schedule {error}"))?;
        Schedule::parse(&text, &path.display().to_string(), catalogue)
    }

    /// Reads a schedule's text, which stands in the file `origin`.
    pub fn parse(text: &str, origin: &str, catalogue: &Catalogue) -> Result<Schedule, String> {
        let place = |at: usize, what: String| {
            let before = &text.as_bytes()[..at.min(text.len())];
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            format!("{origin}:{line}: {what}")
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            place(at, error.message().to_owned())
        })?;
        let mut entries: Vec<Entry> = Vec::new();
        for entry in file.report {
            let at = entry.span().start;
            let entry = entry.into_inner();
            let mut params = entry.params.0.iter();
            let cluster = params.find(|(name, _)| name == "cluster");
            let cluster = cluster.map(|(_, value)| place(value.span().start, String::new()));
            let out = place(entry.out.span().start, String::new());
            let mut entry = entry_of(entry, catalogue).map_err(|(at, what)| place(at, what))?;
            let only_place = |place: String| place.trim_end_matches(": ").to_owned();
            entry.cluster_at = cluster.map(only_place);
            entry.out_at = only_place(out);
            let same = |other: &&Entry| {
                (&other.name, other.every, real(&other.out))
                    == (&entry.name, entry.every, real(&entry.out))
            };
            if entries.iter().any(|other| same(&other)) {
                return Err(place(
                    at,
                    format!(
                        "the report {} would write the same files as one above; give it another out",
                        entry.name
                    ),
                ));
            }
            entries.push(entry);
        }
        Ok(Schedule { entries })
    }
}

/// Whether the words of the parameter `cluster` can be names of clusters.
fn cluster_words(text: &str) -> Result<(), String> {
    if text.contains(['\\', '!', '*']) {
        return Ok(());
    }
    let mut words = text.split(',').map(str::trim);
    let told = |error| format!("cluster {text:?}: {error}");
    words.try_for_each(|word| cluster_name(word).map(drop).map_err(told))
}

/// A directory as one that is there and another may name it differently: links followed as far as
/// it exists, without `.` and `..`.
fn real(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
        plain = plain.canonicalize().unwrap_or(plain);
    }
    plain
}

fn entry_of(entry: FileEntry, catalogue: &Catalogue) -> Result<Entry, (usize, String)> {
    let at = |text: &Spanned<String>| text.span().start;
    let report = catalogue
        .get(entry.name.as_ref())
        .map_err(|error| (at(&entry.name), error))?;
    let every = Every::by_name(entry.every.as_ref()).ok_or_else(|| {
        let known = Every::ALL.map(Every::name);
        let word = entry.every.as_ref();
        (
            at(&entry.every),
            format!("every is {word:?}; {}", suggest(word, known)),
        )
    })?;
    if entry.out.as_ref().trim().is_empty() {
        return Err((at(&entry.out), "out is empty; name a directory".to_owned()));
    }
    let out = std::path::absolute(entry.out.as_ref())
        .map_err(|error| (at(&entry.out), format!("out: {error}")))?;
    let mut formats = Vec::new();
    for name in entry.formats.unwrap_or_default() {
        let form = Form::by_name(name.as_ref()).ok_or_else(|| {
            let known = Form::ALL.map(Form::name);
            let word = name.as_ref();
            (
                at(&name),
                format!("unknown format {word:?}; {}", suggest(word, known)),
            )
        })?;
        if !formats.contains(&form) {
            formats.push(form);
        }
    }
    if formats.is_empty() {
        formats.push(Form::Html);
    }
    let keep = match &entry.keep {
        None => None,
        Some(text) => {
            let keep = time::parse_duration(text.as_ref()).map_err(|error| (at(text), error))?;
            if keep.is_zero() {
                return Err((
                    at(text),
                    format!(
                        "keep is {:?}: what is written would be removed at once; leave it out to keep it for ever",
                        text.as_ref()
                    ),
                ));
            }
            Some(i64::try_from(keep.as_micros()).unwrap_or(i64::MAX))
        }
    };
    let mut params = Vec::new();
    for (name, value) in entry.params.0 {
        let at = value.span().start;
        let text = value.into_inner().text();
        if matches!(name.as_str(), "since" | "until") {
            return Err((
                at,
                format!("{name} is the schedule's to give; leave it out"),
            ));
        }
        let Some(param) = report.param(&name) else {
            let known = report.params.iter().map(|param| param.name.as_str());
            let hint = suggest(
                &name,
                known.filter(|name| !matches!(*name, "since" | "until")),
            );
            return Err((
                at,
                format!(
                    "the report {} has no parameter {name:?}; {hint}",
                    report.name
                ),
            ));
        };
        param
            .value(Some(&text), 0)
            .map_err(|error| (at, format!("{name}: {error}")))?;
        if name == "cluster" {
            cluster_words(&text).map_err(|error| (at, error))?;
        }
        params.push((name, text));
    }
    let given = |name: &str| params.iter().any(|(known, _)| known == name);
    let mut needed = report
        .params
        .iter()
        .filter(|param| param.required && param.default.is_none());
    if let Some(param) = needed.find(|param| !given(&param.name)) {
        return Err((
            at(&entry.name),
            format!(
                "the report {} makes no sense without {}; give it in params",
                report.name, param.name
            ),
        ));
    }
    if let Some(lacks) = report.lacks_one_of(&params, str::to_owned) {
        return Err((
            at(&entry.name),
            format!("{lacks}; give at least one in params"),
        ));
    }
    Ok(Entry {
        name: report.name.clone(),
        every,
        out,
        formats,
        keep,
        made_for: entry.r#for.unwrap_or_else(|| MADE_FOR.to_owned()),
        params,
        skip_damaged: entry.skip_damaged,
        out_at: String::new(),
        cluster_at: None,
    })
}
