//! Doing what a schedule says: what is due is made, what is too old is removed, and all of it is
//! recorded in the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Entry, Period, Schedule};
use crate::limits::{
    REPORT_CATCH_UP_MAX, REPORT_DOCUMENT_BYTES_MAX, REPORT_RETRY_WAIT, REPORT_TRIES_MAX,
};
use crate::model::time;
use crate::query::library::{Library, Reader};
use crate::query::source::Local;
use crate::report::make::Request;
use crate::report::publish::{hash_of, holds_rows, publish};
use crate::report::verify::files_of;
use crate::report::{Catalogue, digest};
use crate::store::{ReportRecord, Result, Store};

/// The form of files with rows, in records.
const ROWS: &str = "rows";

const MADE: &str = "made";
const FAILED: &str = "failed";
const REMOVED: &str = "removed";
const KEPT: &str = "kept";

/// Keeps a schedule over a store.
pub struct Keeper {
    pub store: Arc<dyn Store>,
    pub schedule: Schedule,
    pub catalogue: Catalogue,
    pub library: Library,
    /// How long a report may take.
    pub time: Duration,
    /// Ends what is being made.
    pub cancelled: Arc<AtomicBool>,
}

impl Keeper {
    /// Makes what is due at `now` and removes what is too old by then. A report that cannot be made
    /// is recorded and does not keep the others; an error is one of the record itself.
    pub fn round(&self, now: i64) -> Result<()> {
        let mut records = self.store.reports()?;
        for entry in &self.schedule.entries {
            for period in due(entry, &records, now) {
                if self.cancelled.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let new = self.make(entry, period, now);
                if self.cancelled.load(Ordering::Relaxed) && new.iter().any(|r| r.outcome == FAILED)
                {
                    return Ok(());
                }
                self.store.record_reports(&new)?;
                records.extend(new);
            }
            let new = remove(entry, &records, now);
            self.store.record_reports(&new)?;
            records.extend(new);
        }
        Ok(())
    }

    fn make(&self, entry: &Entry, period: Period, now: i64) -> Vec<ReportRecord> {
        let stem = stem(entry, period);
        let mut given = entry.params.clone();
        given.push(("since".to_owned(), time::to_text(period.since)));
        given.push(("until".to_owned(), time::to_text(period.until)));
        let request = Request {
            given: &given,
            made_for: &entry.made_for,
            // Why one failed stands in the table `reports`, for every client.
            reader: Reader::Client,
            skip_damaged: entry.skip_damaged,
            timeout: Some(self.time),
            longer: "make it with auditql report --timeout: that of schedules is fixed",
            cancelled: Arc::clone(&self.cancelled),
            now,
            ..Request::default()
        };
        let source = Local::until(Arc::clone(&self.store), Arc::clone(&self.cancelled));
        let published = self.catalogue.get(&entry.name).map(|report| {
            publish(
                report,
                &self.library,
                &source,
                &request,
                &entry.out,
                &stem,
                &entry.formats,
            )
        });
        let record = ReportRecord {
            made_at: now,
            name: entry.name.clone(),
            since: period.since,
            until: period.until,
            made_for: entry.made_for.clone(),
            ..ReportRecord::default()
        };
        let (made, written) = match published {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => return vec![failure(entry, &stem, record, error.to_string())],
            Err(error) => return vec![failure(entry, &stem, record, error)],
        };
        tracing::info!(report = entry.name, period = stem, "a report was written");
        for cut in made.cut_short(request.rows_max, "this limit of schedules is fixed") {
            tracing::warn!(report = entry.name, period = stem, "{cut}");
        }
        let made = written.into_iter().map(|file| ReportRecord {
            form: file.form.map_or(ROWS, |form| form.name()).to_owned(),
            path: file.path.display().to_string(),
            sha256: Some(file.sha256),
            outcome: MADE.to_owned(),
            ..record.clone()
        });
        made.collect()
    }
}

fn failure(entry: &Entry, stem: &str, record: ReportRecord, reason: String) -> ReportRecord {
    tracing::error!(
        report = entry.name,
        period = stem,
        "a report could not be made: {reason}"
    );
    ReportRecord {
        form: entry.formats[0].name().to_owned(),
        path: document(entry, stem).display().to_string(),
        outcome: FAILED.to_owned(),
        reason: Some(reason),
        ..record
    }
}

/// The names of a period's files begin with it.
fn stem(entry: &Entry, period: Period) -> String {
    format!("{}-{}", entry.name, entry.every.label(period))
}

/// The first document of a report.
fn document(entry: &Entry, stem: &str) -> PathBuf {
    entry
        .out
        .join(format!("{stem}.{}", entry.formats[0].name()))
}

/// The periods whose reports are to be made, oldest first: the last one, and of those before it
/// what was missed since the entry's first report.
pub(super) fn due(entry: &Entry, records: &[ReportRecord], now: i64) -> Vec<Period> {
    let mine = |record: &&ReportRecord| belongs(entry, record).is_some();
    let begun = records.iter().filter(mine).map(|record| record.since).min();
    let last = entry.every.last(now);
    let wanted = |period: &Period| {
        let path = document(entry, &stem(entry, *period)).display().to_string();
        let of = |outcome: &str| {
            let path = path.clone();
            let records = records.iter().rev();
            let outcome = outcome.to_owned();
            records.filter(move |record| record.path == path && record.outcome == outcome)
        };
        let waits = of(FAILED).next().is_some_and(|failed| {
            let wait = i64::try_from(REPORT_RETRY_WAIT.as_micros()).unwrap_or(i64::MAX);
            // A clock that was set back must not make it wait for long.
            (0..wait).contains(&(now - failed.made_at))
        });
        (*period == last || begun.is_some_and(|begun| period.since >= begun))
            && of(MADE).next().is_none()
            && of(FAILED).count() < REPORT_TRIES_MAX
            && !waits
    };
    let mut periods = entry.every.lasts(now, REPORT_CATCH_UP_MAX);
    periods.retain(wanted);
    periods
}

/// The period that a record of an entry is about; `None` for records of others. The path decides,
/// because two entries may make the same report.
fn belongs(entry: &Entry, record: &ReportRecord) -> Option<Period> {
    let period = entry.every.around(record.since);
    let whole = (period.since, period.until) == (record.since, record.until);
    if !whole || record.name != entry.name {
        return None;
    }
    let stem = stem(entry, period);
    let rest = Path::new(&record.path)
        .strip_prefix(&entry.out)
        .ok()?
        .to_str()?;
    let is_mine = match record.form.as_str() {
        ROWS => holds_rows(rest.split_once('/')?.0, &stem),
        form => rest.strip_prefix(&stem)?.strip_prefix('.')? == form,
    };
    is_mine.then_some(period)
}

/// Removes the files of an entry that are too old; gives the records of it. A file that is not as
/// it was written stays, once and for all, and with a document the rows that it names.
fn remove(entry: &Entry, records: &[ReportRecord], now: i64) -> Vec<ReportRecord> {
    let Some(keep) = entry.keep else {
        return Vec::new();
    };
    let old = |record: &ReportRecord| {
        let old = record.until.saturating_add(keep) < now;
        record.outcome == MADE && old && belongs(entry, record).is_some()
    };
    let of_rows = |rows: bool| {
        let records = records.iter().enumerate();
        let records = records.filter(move |(_, record)| (record.form == ROWS) == rows);
        records.filter(|(_, record)| old(record))
    };
    let mut new = remove_all(records, of_rows(false), now, &|_| false);
    // A document that cannot be read may name any.
    let left: Vec<_> = of_rows(false)
        .filter(|(_, record)| Path::new(&record.path).exists())
        .map(|(_, record)| (Path::new(&record.path), files_of(Path::new(&record.path))))
        .collect();
    let is_named = |rows: &Path| {
        left.iter().any(|(document, files)| match files {
            Ok(files) => files
                .iter()
                .any(|file| document.with_file_name(file) == rows),
            Err(_) => true,
        })
    };
    new.extend(remove_all(records, of_rows(true), now, &is_named));
    new
}

/// Removes what some of the records are of, unless it stays; gives the records of it.
fn remove_all<'a>(
    records: &[ReportRecord],
    old: impl Iterator<Item = (usize, &'a ReportRecord)>,
    now: i64,
    stays: &dyn Fn(&Path) -> bool,
) -> Vec<ReportRecord> {
    let mut new: Vec<ReportRecord> = Vec::new();
    for (at, record) in old {
        // What was made anew, or is settled, has a later record.
        if records[at + 1..]
            .iter()
            .any(|later| later.path == record.path && later.outcome != FAILED)
        {
            continue;
        }
        let removed = match stays(Path::new(&record.path)) {
            true => Ok(Some("a document that is kept names it".to_owned())),
            false => remove_one(record),
        };
        let (outcome, reason) = match removed {
            Ok(None) => (REMOVED, None),
            Ok(Some(reason)) => (KEPT, Some(reason)),
            Err(error) => {
                tracing::error!(
                    path = record.path,
                    "an old report could not be removed: {error}"
                );
                continue;
            }
        };
        tracing::info!(
            path = record.path,
            outcome,
            "an old report is past its time"
        );
        new.push(ReportRecord {
            made_at: now,
            outcome: outcome.to_owned(),
            reason,
            ..record.clone()
        });
    }
    new
}

/// Removes a file that is as it was written; says why it did not.
fn remove_one(record: &ReportRecord) -> std::io::Result<Option<String>> {
    let path = Path::new(&record.path);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(found) if !found.is_file() => {
            return Ok(Some(
                "there is something else than the file that was written".to_owned(),
            ));
        }
        // Of a document that was written; a larger one is not read into memory.
        Ok(found) if record.form != ROWS && found.len() > REPORT_DOCUMENT_BYTES_MAX => {
            return Ok(Some("its bytes are not those that were written".to_owned()));
        }
        Ok(_) => {}
    }
    let sha256 = match record.form.as_str() {
        ROWS => Some(hash_of(path)?),
        _ => digest::find(&std::fs::read(path)?),
    };
    if sha256 != record.sha256 {
        return Ok(Some("its bytes are not those that were written".to_owned()));
    }
    std::fs::remove_file(path)?;
    if let (ROWS, Some(beside)) = (record.form.as_str(), path.parent()) {
        // Only when nothing is in it any more.
        let _ = std::fs::remove_dir(beside);
    }
    Ok(None)
}
