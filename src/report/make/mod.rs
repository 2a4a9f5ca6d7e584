//! Making a report: its period, what the store could see of it, the answers of its questions, its
//! verdicts.

mod charts;
mod coverage;
mod doubt;
mod evidence;
mod hours;
mod job;
mod making;
mod notes;
mod silence;
mod texts;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::definition::Definition;
use super::digest;
use super::made::{Made, MadeControl, MadeEvidence, MadeVerdict};
use crate::limits::REPORT_ROWS_MAX;
use crate::query::clock;
use crate::query::library::{Library, Reader, flag};
use crate::query::source::Source;
use crate::store::{Result, StoreError};
use coverage::{HOUR, Overview};
use job::{Done, Job, Purpose};
use making::Making;
use texts::Texts;

/// What is asked of a report, beside its definition.
pub struct Request<'a> {
    /// Parameters by name, as flags take them.
    pub given: &'a [(String, String)],
    pub made_for: &'a str,
    /// Where the store is, for the report's head; empty where that is nobody's business.
    pub place: &'a str,
    /// Who is told of errors.
    pub reader: Reader,
    /// Rows shown of each piece of evidence, instead of what the definition says.
    pub rows: Option<usize>,
    /// The most rows counted and written of each piece of evidence; 0 is all.
    pub rows_max: u64,
    pub skip_damaged: bool,
    /// Only what is found of each control and the coverage: no rows, no charts, no files.
    pub summary: bool,
    /// For all of it; `None` is without limit.
    pub timeout: Option<Duration>,
    /// What to do where that is not enough, in words.
    pub longer: &'a str,
    pub cancelled: Arc<AtomicBool>,
    /// How many questions are asked at once.
    pub threads: usize,
    /// The instant that counts as now, in microseconds.
    pub now: i64,
    /// Where files with all rows of the evidence go: an existing, empty directory.
    pub files: Option<&'a Path>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request {
            given: &[],
            made_for: "",
            place: "",
            reader: Reader::Owner,
            rows: None,
            rows_max: REPORT_ROWS_MAX,
            skip_damaged: false,
            summary: false,
            timeout: Some(crate::limits::REPORT_TIME),
            longer: "raise the limit with --timeout (timeout_ms)",
            cancelled: Arc::default(),
            threads: 1,
            now: clock::now(),
            files: None,
        }
    }
}

impl Request<'_> {
    /// How many rows of a piece of evidence are shown, which has `own` by its definition.
    fn shown(&self, own: usize) -> usize {
        match self.summary {
            true => 0,
            false => self.rows.unwrap_or(own),
        }
    }
}

/// The time range of a report, in microseconds, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) since: i64,
    pub(super) until: i64,
}

/// Makes a report. An error says which control and question it came from.
pub fn make(
    definition: &Definition,
    library: &Library,
    source: &dyn Source,
    request: &Request<'_>,
) -> Result<Made> {
    let given = |name: &str| {
        let given = request.given.iter().find(|(known, _)| known == name);
        given.map(|(_, text)| text.clone())
    };
    check_given(definition, request).map_err(StoreError::BadRequest)?;
    let stats = source.stats()?;
    let overview = Overview::new(&stats);
    let period = period(definition, request, &overview).map_err(StoreError::BadRequest)?;
    let cluster = given("cluster").filter(|words| !words.is_empty());
    let making = Making::new(definition, source, request, period, cluster);
    let texts = Texts {
        definition,
        making: &making,
    };
    let mut made = head(definition, &making, &stats.identity);
    let jobs = job::of(definition, library, &texts).map_err(StoreError::BadRequest)?;
    let (seen, answers) = job::run(&making, &overview, &jobs)?;
    made.clusters = seen.clusters;
    made.coverage = seen.coverage;
    made.charts = seen.charts;
    made.coverage.damaged = making.damaged();
    notes::say(&mut made, request.now);
    for (job, done) in jobs.into_iter().zip(answers) {
        settle(&mut made, definition, job, done, request);
    }
    doubt::cast(&mut made);
    made.nothing_matches = notes::nothing_matches(&made, definition, request);
    if made.nothing_matches {
        let all =
            doubt::unfinished(&made).len() == made.clusters.iter().filter(|c| c.events > 0).count();
        let note = match made.coverage.events > 0 && all {
            true => notes::NOT_ENOUGH,
            false => notes::NOTHING,
        };
        made.coverage.notes.insert(0, note.to_owned());
    }
    Ok(made)
}

/// Whether what was given are parameters of the report that can be read.
fn check_given(definition: &Definition, request: &Request<'_>) -> Result<(), String> {
    for (at, (name, text)) in request.given.iter().enumerate() {
        if request.given[..at].iter().any(|(other, _)| other == name) {
            return Err(format!("parameter {name} is given twice; use one"));
        }
        let Some(param) = definition.param(name) else {
            let known = definition.params.iter().map(|param| param.name.as_str());
            let hint = match name.as_str() {
                "o" | "output" => "did you mean format?".to_owned(),
                _ => crate::model::suggest::suggest(name, known),
            };
            return Err(format!(
                "the report {} has no parameter {name:?}; {hint}",
                definition.name
            ));
        };
        param
            .value(Some(text), request.now)
            .map_err(|error| format!("--{}: {error}", param.flag()))?;
    }
    let given = |name: &str| request.given.iter().any(|(known, _)| known == name);
    let mut required = definition.params.iter().filter(|param| param.required);
    match required.find(|param| !given(&param.name) && param.default.is_none()) {
        Some(param) => Err(format!(
            "the report {} makes no sense without --{}; give it",
            definition.name,
            param.flag()
        )),
        None => {
            let lacks = definition.lacks_one_of(request.given, flag);
            lacks.map_or(Ok(()), |lacks| Err(format!("{lacks}; give at least one")))
        }
    }
}

/// The effective time range.
fn period(
    definition: &Definition,
    request: &Request<'_>,
    overview: &Overview,
) -> Result<Period, String> {
    let text = |name: &str| {
        let given = request.given.iter().find(|(known, _)| known == name);
        let default = || {
            definition
                .param(name)
                .and_then(|param| param.default.as_deref())
        };
        given.map(|(_, text)| text.as_str()).or_else(default)
    };
    let read = |name: &str, text: &str| {
        clock::parse_human(text, request.now, clock::Zone::UTC)
            .map_err(|error| format!("--{name}: {error}"))
    };
    let until = text("until").map_or(Ok(request.now), |until| read("until", until))?;
    let since = match text("since") {
        Some(since) if since != "all" => read("since", since)?,
        _ => {
            let oldest = overview.oldest.ok_or(
                "the store holds no event, so there is no oldest one; give --since, or import events",
            )?;
            // Of whole hours the counts are there already.
            oldest.div_euclid(HOUR) * HOUR
        }
    };
    if since >= request.now {
        return Err(format!(
            "--since {} lies in the future; give a time before now",
            clock::to_text(since)
        ));
    }
    if since >= until {
        let text = clock::to_text;
        return Err(format!(
            "--since {} is not before --until {}; swap them",
            text(since),
            text(until)
        ));
    }
    Ok(Period { since, until })
}

fn head(definition: &Definition, making: &Making<'_>, identity: &str) -> Made {
    let request = making.request;
    let store = match (identity, request.place) {
        ("", place) => place.to_owned(),
        (identity, "") => identity.to_owned(),
        (identity, place) => format!("{identity} ({place})"),
    };
    let clean = |text: &str| digest::apart(text).into_owned();
    let params = definition.params.iter().filter_map(|param| {
        if matches!(param.name.as_str(), "since" | "until") {
            return None;
        }
        let given = request.given.iter().find(|(name, _)| *name == param.name);
        let text = given.map(|(_, text)| text).or(param.default.as_ref())?;
        Some((param.name.clone(), clean(text)))
    });
    let controls = definition.controls.iter().map(|control| MadeControl {
        id: control.id.clone(),
        title: control.title.clone(),
        demands: control.demands.clone(),
        cannot_prove: control.cannot_prove.clone(),
        verdict: None,
        evidence: vec![MadeEvidence::default(); control.evidence.len()],
    });
    Made {
        name: definition.name.clone(),
        title: definition.title.clone(),
        framework: definition.framework.clone(),
        framework_version: definition.framework_version.clone(),
        about: definition.about.clone(),
        version: definition.version.clone(),
        definition_sha256: definition.sha256.clone(),
        summary: request.summary,
        program: concat!("auditql ", env!("CARGO_PKG_VERSION")).to_owned(),
        store: clean(&store),
        made_at: clock::to_text(request.now),
        made_for: clean(request.made_for),
        since: clock::to_text(making.period.since),
        until: clock::to_text(making.period.until),
        zone: "UTC".to_owned(),
        params: params.collect(),
        controls: controls.collect(),
        ..Made::default()
    }
}

/// Puts what was found where it belongs.
fn settle(
    made: &mut Made,
    definition: &Definition,
    job: Job<'_>,
    done: Done,
    request: &Request<'_>,
) {
    match (job.purpose, done) {
        (Purpose::Verdict(at, _), Done::Verdict(verdict, why)) => {
            made.controls[at].verdict = Some(MadeVerdict {
                anchor: definition.controls[at].verdict_anchor(),
                verdict,
                why,
                command: texts::sql_command(&job.query.params),
                bound: texts::bound(&job.query.params),
                sql: job.query.sql,
            });
        }
        (
            Purpose::Evidence {
                question,
                given,
                uses,
                ..
            },
            Done::Evidence(gathered),
        ) => {
            let bound = texts::bound(&job.query.params);
            for (at, number) in uses {
                let piece = &definition.controls[at].evidence[number];
                let shown = request.shown(piece.rows).min(gathered.rows.len());
                let title = match piece.title.as_str() {
                    "" => question.title.clone(),
                    title => title.to_owned(),
                };
                made.controls[at].evidence[number] = MadeEvidence {
                    anchor: piece.anchor.clone(),
                    query: question.name.clone(),
                    command: texts::command(question, &given),
                    title,
                    answers: question.answers.clone(),
                    cannot_see: question.cannot_see.clone(),
                    sql: question.sql.clone(),
                    bound: bound.clone(),
                    columns: gathered.columns.clone(),
                    rows: gathered.rows[..shown].to_vec(),
                    row_count: gathered.count,
                    truncated: gathered.truncated,
                    file: gathered.file.as_ref().map(|(name, _)| name.clone()),
                    file_sha256: gathered.file.as_ref().map(|(_, hash)| hash.clone()),
                };
            }
        }
        _ => unreachable!("a job gives what it is for"),
    }
}
