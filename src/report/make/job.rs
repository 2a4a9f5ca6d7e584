//! The statements of a report: which there are, and running them.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Making;
use super::coverage::{self, Overview};
use super::evidence::{self, Gathered};
use super::texts::Texts;
use crate::model::value::Value;
use crate::query::library::{Library, Question};
use crate::query::output;
use crate::report::definition::{Control, Definition};
use crate::report::made::Verdict;
use crate::report::manners::{give_back, give_way};
use crate::store::{Result, SqlColumn, SqlQuery, SqlSink, StoreError};

/// A statement to run, and what it is for.
pub(super) struct Job<'a> {
    pub(super) query: SqlQuery,
    pub(super) purpose: Purpose<'a>,
    /// What it is for, in words.
    about: String,
}

pub(super) enum Purpose<'a> {
    /// Of the control at this place.
    Verdict(usize, &'a Control),
    Evidence {
        question: &'a Question,
        given: Vec<(String, String)>,
        /// Rows to keep, and the name of a file for all of them.
        rows: usize,
        file: String,
        /// Control and piece of evidence: one answer serves all that ask the same.
        uses: Vec<(usize, usize)>,
    },
}

pub(super) enum Done {
    Verdict(Verdict, String),
    Evidence(Gathered),
}

/// Every statement of a report, once.
pub(super) fn of<'a>(
    definition: &'a Definition,
    library: &'a Library,
    texts: &Texts<'_>,
) -> Result<Vec<Job<'a>>, String> {
    let request = texts.making.request;
    let mut jobs: Vec<Job<'a>> = Vec::new();
    for (at, control) in definition.controls.iter().enumerate() {
        if let Some(sql) = &control.verdict {
            let params = texts
                .for_verdict(sql)
                .map_err(|error| format!("verdict of {}: {error}", control.id))?;
            jobs.push(Job {
                query: SqlQuery {
                    sql: sql.clone(),
                    params,
                    limit: 2,
                    skip_damaged: request.skip_damaged,
                },
                purpose: Purpose::Verdict(at, control),
                about: format!("verdict of {}", control.id),
            });
        }
        for (number, piece) in control.evidence.iter().enumerate() {
            let question = library.get(&piece.query)?;
            let given = texts.for_question(piece, question);
            let query = question
                .query(&given, request.rows_max, request.skip_damaged, request.now)
                .map_err(|error| format!("control {}, {}: {error}", control.id, piece.query))?;
            let shown = request.shown(piece.rows);
            let same = jobs.iter_mut().find_map(|job| match &mut job.purpose {
                Purpose::Evidence {
                    question: other,
                    rows,
                    uses,
                    ..
                } if other.name == question.name && job.query.params == query.params => {
                    Some((rows, uses))
                }
                _ => None,
            });
            match same {
                Some((rows, uses)) => {
                    *rows = (*rows).max(shown);
                    uses.push((at, number));
                }
                None => jobs.push(Job {
                    query,
                    about: format!("control {}, question {}", control.id, question.name),
                    purpose: Purpose::Evidence {
                        question,
                        given,
                        rows: shown,
                        file: piece.file_name(),
                        uses: vec![(at, number)],
                    },
                }),
            }
        }
    }
    Ok(jobs)
}

/// Looks at the store and runs the jobs, on as many threads as were asked for; gives what each
/// found. Of several errors the report's is the same whichever thread was faster: see [`all_of`].
pub(super) fn run(
    making: &Making<'_>,
    overview: &Overview,
    jobs: &[Job<'_>],
) -> Result<(coverage::Seen, Vec<Done>)> {
    let looked: Mutex<Option<Result<coverage::Seen>>> = Mutex::new(None);
    let slots: Vec<Mutex<Option<Result<Done>>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    // Long statements take long, by and large, and verdicts are quick: in this order no thread waits
    // for long at the end.
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&at| {
        let verdict = matches!(jobs[at].purpose, Purpose::Verdict(..));
        (verdict, Reverse(jobs[at].query.sql.len()))
    });
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let work = || {
        give_way();
        while !failed.load(Ordering::Relaxed) {
            let good = match next.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    let seen = coverage::look(making, overview);
                    keep(
                        &looked,
                        seen.map_err(|error| making.blamed(error, "coverage")),
                    )
                }
                turn => match order.get(turn - 1) {
                    Some(&at) => keep(&slots[at], jobs[at].run(making)),
                    None => break,
                },
            };
            give_back();
            if !good {
                failed.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        // Never the caller's own thread: it has other things to do afterwards, as fast as before.
        for _ in 0..making.request.threads.clamp(1, jobs.len() + 1) {
            scope.spawn(work);
        }
    });
    let taken = looked.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What was not begun comes after what failed.
    let seen = taken.unwrap_or(Err(StoreError::Cancelled))?;
    let outcomes = slots
        .into_iter()
        .map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect();
    Ok((seen, all_of(outcomes, &order)?))
}

/// What all jobs gave, or the first error. If that is the end of the report's time, the job that had
/// most of it, which began before others in `order`, is the one to tell of. Jobs that were not begun
/// gave nothing.
fn all_of<T>(mut outcomes: Vec<Option<Result<T>>>, order: &[usize]) -> Result<Vec<T>> {
    let timed_out = |at: &usize| matches!(outcomes[*at], Some(Err(StoreError::TimedOutIn { .. })));
    let failed = outcomes.iter().position(|one| matches!(one, Some(Err(_))));
    if failed.is_some_and(|at| timed_out(&at)) {
        let longest = order.iter().copied().find(timed_out);
        outcomes.swap(0, longest.unwrap_or_default());
    }
    outcomes.into_iter().flatten().collect()
}

/// Puts an outcome into its slot; says whether it is good.
fn keep<T>(slot: &Mutex<Option<Result<T>>>, outcome: Result<T>) -> bool {
    let good = outcome.is_ok();
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    good
}

impl Job<'_> {
    fn run(&self, making: &Making<'_>) -> Result<Done> {
        match &self.purpose {
            Purpose::Verdict(_, control) => {
                let rows = rows_of(making, &self.query);
                let rows = rows.map_err(|error| self.blamed(error, making))?;
                let read = verdict(&rows).map_err(|what| {
                    let reader = making.request.reader;
                    let told = control.places.tell_of_it(&what, &self.about, reader);
                    StoreError::BadRequest(told)
                });
                read.map(|(verdict, why)| Done::Verdict(verdict, why))
            }
            Purpose::Evidence {
                question,
                rows,
                file,
                ..
            } => {
                let gathered = evidence::gather(making, question, &self.query, *rows, file);
                let gathered = gathered.map_err(|error| self.blamed(error, making));
                gathered.map(Done::Evidence)
            }
        }
    }

    /// The error, with what it is about before it; with file and line where a file is to blame.
    fn blamed(&self, error: StoreError, making: &Making<'_>) -> StoreError {
        let (sql, about) = (&self.query.sql, &self.about);
        let reader = making.request.reader;
        match error {
            StoreError::BadRequest(text) => StoreError::BadRequest(match &self.purpose {
                Purpose::Verdict(_, control) => control.places.tell(sql, &text, about, reader),
                Purpose::Evidence { question, .. } => {
                    let own = question.tell(&text, about, reader);
                    own.unwrap_or_else(|| format!("{about}: {text}"))
                }
            }),
            other => making.blamed(other, about),
        }
    }
}

/// The rows of a verdict's statement.
fn rows_of(making: &Making<'_>, query: &SqlQuery) -> Result<Vec<Vec<Value>>> {
    #[derive(Default)]
    struct Rows(Vec<Vec<Value>>);
    impl SqlSink for Rows {
        fn columns(&mut self, _columns: &[SqlColumn]) {}
        fn row(&mut self, row: &[Value]) -> std::ops::ControlFlow<()> {
            self.0.push(row.to_vec());
            std::ops::ControlFlow::Continue(())
        }
    }
    let mut rows = Rows::default();
    making.sql(query, &mut rows)?;
    Ok(rows.0)
}

/// What the one row of a verdict's statement says; the error says what is wrong with the statement.
fn verdict(rows: &[Vec<Value>]) -> Result<(Verdict, String), String> {
    let [row] = rows else {
        return Err(format!(
            "the statement gives {} rows; give exactly one",
            if rows.is_empty() { "no" } else { "several" }
        ));
    };
    let [said, why] = &row[..] else {
        return Err("the statement does not give verdict and why".to_owned());
    };
    let verdict = match said {
        Value::Text(text) if &**text == "met" => Verdict::Met,
        Value::Text(text) if &**text == "not met" => Verdict::NotMet,
        Value::Text(text) if &**text == "not enough data" => Verdict::NotEnoughData,
        Value::Text(text) if &**text == "finding" => Verdict::Finding,
        other => {
            return Err(format!(
                "the statement says {}; give 'met', 'not met', 'not enough data' or 'finding'",
                quoted(other)
            ));
        }
    };
    let why = output::plain(why).unwrap_or_default();
    Ok((verdict, evidence::cut(&why).0))
}

/// A value as it came: NULL and numbers are no texts.
fn quoted(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("a blob of {} bytes", bytes.len()),
        other => output::plain(other).unwrap_or_else(|| "NULL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_told_or_the_job_that_had_most_of_the_time() {
        let late = |job: &str| {
            let told = job.to_owned();
            let limit = std::time::Duration::ZERO;
            Some(Err(StoreError::TimedOutIn { limit, told }))
        };
        let bad = |job: &str| Some(Err(StoreError::BadRequest(job.to_owned())));
        for (outcomes, told) in [
            (
                vec![Some(Ok(0)), Some(Ok(1)), Some(Ok(2)), None],
                Ok(vec![0, 1, 2]),
            ),
            (
                vec![Some(Ok(0)), bad("one"), bad("two"), bad("three")],
                Err("one"),
            ),
            (
                vec![late("zero"), late("one"), Some(Ok(2)), late("three")],
                Err("three"),
            ),
            (vec![late("zero"), bad("one"), None, None], Err("zero")),
            (vec![None, bad("one"), late("two"), None], Err("one")),
        ] {
            let outcome = all_of(outcomes, &[2, 3, 0, 1]).map_err(|error| error.to_string());
            assert_eq!(outcome, told.map_err(str::to_owned));
        }
    }
}
