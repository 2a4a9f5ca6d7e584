//! Events of each hour, by cluster: silence is found in them, and charts are drawn from them. All of
//! it comes from counts, which rollups answer.

use std::collections::BTreeMap;

use super::coverage::{HOUR, instant, number, text};
use super::{Making, Period};
use crate::model::value::Value;
use crate::query::params::FilterParams;
use crate::store::Result;

/// Hours that one count may tell apart, below what counts allow.
const HOURS_AT_ONCE: i64 = 9000;

/// Events of an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) events: u64,
    /// Of these, ends of requests that succeeded, and of requests that were refused or failed.
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

/// By hours since 1970; one without events is not there.
pub(super) type Hours = BTreeMap<i64, Sums>;

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) by_cluster: BTreeMap<String, Hours>,
    /// Ends of requests, by cluster.
    pub(super) finished: BTreeMap<String, u64>,
    /// Requests that were refused or failed, by outcome.
    pub(super) failures: BTreeMap<String, u64>,
    /// Events that retention removed, and up to when, if that reaches into the period.
    pub(super) pruned: u64,
    pub(super) pruned_before: Option<String>,
}

/// Counts the hours of a period.
pub(super) fn count(making: &Making<'_>, span: Period) -> Result<Counted> {
    let mut counted = Counted::default();
    let mut since = span.since;
    loop {
        let next = (since.div_euclid(HOUR) + HOURS_AT_ONCE) * HOUR;
        let part = Period {
            since,
            until: next.min(span.until),
        };
        counted.add(making, part)?;
        if part.until >= span.until {
            return Ok(counted);
        }
        // Years without events are passed over, however many: clocks were broken once.
        let rest = Period {
            since: next,
            until: span.until,
        };
        let Some(first) = making.first_of(rest, making.cluster.clone(), false)? else {
            return Ok(counted);
        };
        since = first.div_euclid(HOUR) * HOUR;
    }
}

impl Counted {
    fn add(&mut self, making: &Making<'_>, part: Period) -> Result<()> {
        let by = Some("cluster,outcome,stage");
        let answer = making.count(part, by, Some("1h"), 0, |row| {
            let (cluster, outcome, stage) = (text(&row[1]), text(&row[2]), text(&row[3]));
            let events = number(&row[4]);
            let ended = matches!(stage.as_str(), "ResponseComplete" | "Panic");
            self.sums(&row[0], &cluster).events += events;
            if ended {
                self.came_to(&row[0], &cluster, outcome, events);
                *self.finished.entry(cluster).or_default() += events;
            }
        })?;
        if answer.pruned_before.is_some() {
            self.pruned = answer.pruned_events;
            self.pruned_before = answer.pruned_before;
        }
        // Of a request that was refused before anybody was authenticated only the start is recorded.
        let nobody = FilterParams {
            stage: Some("ResponseStarted".to_owned()),
            user: Some("!*".to_owned()),
            ..making.filter(part, making.cluster.clone())
        };
        making.count_of(nobody, Some("cluster,outcome"), Some("1h"), 0, |row| {
            let (cluster, outcome) = (text(&row[1]), text(&row[2]));
            self.came_to(&row[0], &cluster, outcome, number(&row[3]));
        })?;
        Ok(())
    }

    fn sums(&mut self, time: &Value, cluster: &str) -> &mut Sums {
        let hours = self.by_cluster.entry(cluster.to_owned()).or_default();
        hours.entry(instant(time).div_euclid(HOUR)).or_default()
    }

    /// Counts what requests came to.
    fn came_to(&mut self, time: &Value, cluster: &str, outcome: String, requests: u64) {
        match outcome.as_str() {
            "success" | "upgraded" => self.sums(time, cluster).succeeded += requests,
            // The end says nothing of it.
            "pending" | "" => {}
            _ => {
                self.sums(time, cluster).failed += requests;
                *self.failures.entry(outcome).or_default() += requests;
            }
        }
    }
}
