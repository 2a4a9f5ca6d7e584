//! What all parts of a report's making share: whom they ask, how long it may take, whom an error is
//! about.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Period, Request};
use crate::query::source::Source;
use crate::report::definition::Definition;
use crate::store::{Result, SqlQuery, SqlSink, StoreError};

/// What all parts of a report's making share.
pub(super) struct Making<'a> {
    /// The report's name.
    name: &'a str,
    pub(super) source: &'a dyn Source,
    pub(super) request: &'a Request<'a>,
    pub(super) period: Period,
    /// The words of the parameter `cluster`, if it was given.
    pub(super) cluster: Option<String>,
    /// Whether the report has charts.
    pub(super) charts: bool,
    deadline: Option<Instant>,
    /// Damaged segments that answers left out.
    damaged: Mutex<Vec<String>>,
}

impl<'a> Making<'a> {
    pub(super) fn new(
        definition: &'a Definition,
        source: &'a dyn Source,
        request: &'a Request<'a>,
        period: Period,
        cluster: Option<String>,
    ) -> Making<'a> {
        Making {
            name: &definition.name,
            source,
            request,
            period,
            cluster,
            charts: definition.charts && !request.summary,
            deadline: request.timeout.map(|limit| Instant::now() + limit),
            damaged: Mutex::default(),
        }
    }

    /// The time that is left for the next question.
    pub(super) fn left(&self) -> Result<Option<Duration>> {
        if self.request.cancelled.load(Ordering::Relaxed) {
            return Err(StoreError::Cancelled);
        }
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(StoreError::TimedOut {
                limit: self.request.timeout.unwrap_or_default(),
            }),
            left => Ok(Some(left)),
        }
    }

    /// An error that is not of a statement's text, with the report and what it is `about` before it.
    pub(super) fn blamed(&self, error: StoreError, about: &str) -> StoreError {
        let told = |text: &str| format!("report {}, {about}: {text}", self.name);
        match error {
            StoreError::TimedOut { limit } => {
                // Each question has what is left of the report's time.
                let limit = self.request.timeout.unwrap_or(limit);
                StoreError::TimedOutIn {
                    limit,
                    told: told(&format!(
                        "not done within the report's time limit of {limit:?}; give it a shorter period, or {}",
                        self.request.longer
                    )),
                }
            }
            StoreError::LimitReached(text) => StoreError::LimitReached(told(&text)),
            StoreError::Damaged(text) => StoreError::Damaged(told(&text)),
            StoreError::Unavailable(text) => StoreError::Unavailable(told(&text)),
            StoreError::Io(text) => StoreError::Io(told(&text)),
            other => other,
        }
    }

    pub(super) fn note_damage(&self, segments: &[String]) {
        let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        for segment in segments {
            if !damaged.contains(segment) {
                damaged.push(segment.clone());
            }
        }
    }

    /// Damaged segments that answers left out until now, in order.
    pub(super) fn damaged(&self) -> Vec<String> {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut damaged = damaged.clone();
        damaged.sort();
        damaged
    }

    /// Runs a statement for the report.
    pub(super) fn sql(&self, query: &SqlQuery, sink: &mut dyn SqlSink) -> Result<bool> {
        let left = self.left()?;
        let answer = self
            .source
            .sql_until(query, left, &self.request.cancelled, sink)?;
        self.note_damage(&answer.coverage.damaged);
        Ok(answer.truncated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::library::Library;
    use crate::query::library::place::Origin;
    use crate::query::source::Remote;

    /// What is wrong with a statement is told elsewhere, with file and line.
    #[test]
    fn limits_are_told_with_the_report_and_the_question() {
        let file = "title = \"T\"\nversion = \"1\"\nabout = \"A\"\n[[controls]]\nid = \"1\"\n\
                    title = \"T\"\ndemands = \"D\"\ncannot_prove = \"C\"\n";
        let origin = Origin::own("r.toml", "r.toml");
        let report = Definition::parse("mine", &origin, file, Library::shipped()).unwrap();
        let nobody = Remote::new("127.0.0.1:1").unwrap();
        let request = Request {
            timeout: Some(Duration::from_secs(9)),
            longer: "wait",
            ..Request::default()
        };
        let period = Period { since: 0, until: 1 };
        let making = Making::new(&report, &nobody, &request, period, None);
        // Of the report's time less is left for a question.
        let limit = Duration::from_millis(3);
        let limits = [
            StoreError::TimedOut { limit },
            StoreError::LimitReached("too much".to_owned()),
            StoreError::Unavailable("too busy".to_owned()),
            StoreError::Damaged("bad".to_owned()),
            StoreError::Io("disk".to_owned()),
        ];
        let told = [
            "not done within the report's time limit of 9s; give it a shorter period, or wait",
            "too much",
            "too busy",
            "bad",
            "disk",
        ];
        for (error, told) in limits.into_iter().zip(told) {
            let kind = crate::query::wire::Problem::from(&error).kind;
            let blamed = making.blamed(error, "control 1, question q");
            assert_eq!(
                blamed.to_string(),
                format!("report mine, control 1, question q: {told}")
            );
            let problem = crate::query::wire::Problem::from(&blamed);
            assert_eq!(problem.kind, kind);
            if kind.ends_with("timed-out") {
                assert_eq!(problem.limit_ms, Some(9000));
            }
        }
        let bad = making.blamed(StoreError::BadRequest("no".to_owned()), "x");
        assert_eq!(bad.to_string(), "no");
    }
}
