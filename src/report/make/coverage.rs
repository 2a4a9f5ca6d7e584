//! What the store could see in the period, and what the charts draw: all of it from counts, which
//! rollups answer.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::charts::charts;
use super::silence::{self, Seen as SeenHours};
use super::{Making, Period};
use crate::limits::REPORT_HOURS_MAX;
use crate::model::value::Value;
use crate::query::clock;
use crate::query::count::{CountParams, Shape};
use crate::query::params::{EventParams, FilterParams, escape};
use crate::report::digest;
use crate::report::made::{Charts, ClusterEvents, Coverage};
use crate::store::{Result, SqlColumn, SqlSink, Stats, StoreError};

pub(super) const HOUR: i64 = 3_600_000_000;

/// Hours that one count may tell apart, below what counts allow.
const HOURS_AT_ONCE: i64 = 9000;

/// The actors that the chart names.
const ACTORS: u64 = 10;

/// The whole store, whatever the period.
pub(super) struct Overview {
    pub(super) oldest: Option<i64>,
    pub(super) newest: Option<i64>,
    /// The names of all clusters.
    pub(super) clusters: Vec<String>,
    quarantined: u64,
}

impl Overview {
    pub(super) fn new(stats: &Stats) -> Overview {
        let instant = |text: &Option<String>| text.as_deref().and_then(clock::parse_instant);
        let mut clusters: Vec<String> = stats
            .clusters
            .iter()
            .map(|(cluster, _)| cluster.clone())
            .collect();
        clusters.sort();
        Overview {
            oldest: instant(&stats.oldest),
            newest: instant(&stats.newest),
            clusters,
            quarantined: stats.quarantined,
        }
    }
}

/// What was found.
pub(super) struct Seen {
    pub(super) clusters: Vec<ClusterEvents>,
    pub(super) coverage: Coverage,
    pub(super) charts: Option<Charts>,
}

/// Events of an hour: all, and failed ones.
pub(super) type Hours = BTreeMap<i64, (u64, u64)>;

/// Whether no later stage of the same request says the same: of a request that was refused before
/// anybody was authenticated only the start is recorded, of others the end is what counts.
fn is_last(stage: &str, outcome: &str) -> bool {
    match stage {
        "ResponseComplete" | "Panic" => true,
        "ResponseStarted" => outcome == "denied_authn",
        _ => false,
    }
}

pub(super) fn look(making: &Making<'_>, overview: &Overview) -> Result<Seen> {
    let clusters = selected(making, overview)?;
    // What has not come yet is no gap.
    let end = making.period.until.min(making.request.now);
    let span = Period {
        since: making.period.since,
        until: end,
    };
    let mut by_cluster: BTreeMap<String, Hours> = BTreeMap::new();
    let mut finished: BTreeMap<String, u64> = BTreeMap::new();
    let mut failures: BTreeMap<String, u64> = BTreeMap::new();
    let mut pruned = (0, None);
    for (part, step) in parts(span) {
        let by = Some("cluster,outcome,stage");
        let answer = making.count(part, by, step, 0, |row| {
            let (hour, row) = match step {
                Some(_) => (instant(&row[0]).div_euclid(HOUR), &row[1..]),
                None => (part.since.div_euclid(HOUR), row),
            };
            let events = number(&row[3]);
            let outcome = text(&row[1]);
            let stage = text(&row[2]);
            let failed = !matches!(outcome.as_str(), "success" | "upgraded" | "pending" | "")
                && is_last(&stage, &outcome);
            if matches!(stage.as_str(), "ResponseComplete" | "Panic") {
                *finished.entry(text(&row[0])).or_default() += events;
            }
            let hours = by_cluster.entry(text(&row[0])).or_default();
            let sums = hours.entry(hour).or_default();
            sums.0 += events;
            if failed {
                sums.1 += events;
                *failures.entry(outcome).or_default() += events;
            }
        })?;
        if answer.pruned_before.is_some() {
            pruned = (answer.pruned_events, answer.pruned_before);
        }
    }
    let mut coverage = Coverage {
        events: sum(by_cluster.values()),
        oldest: overview.oldest.map(clock::to_text),
        newest: overview.newest.map(clock::to_text),
        quarantined: overview.quarantined,
        pruned: pruned.0,
        pruned_before: pruned.1,
        ..Coverage::default()
    };
    let mut levels = Vec::new();
    let answer = making.count(span, Some("level"), None, 0, |row| {
        levels.push((text(&row[0]), number(&row[1])));
    })?;
    coverage.levels = levels;
    if answer.truncated_events > 0 {
        making.count(span, Some("truncated"), None, 0, |row| {
            if matches!(row[0], Value::Int(1)) {
                coverage.truncated += number(&row[1]);
            }
        })?;
    }
    let mut actors = Vec::new();
    if making.charts {
        making.count(span, Some("user"), None, ACTORS, |row| {
            actors.push((digest::apart(&text(&row[0])).into_owned(), number(&row[1])));
        })?;
    }
    let earlier = earlier(making, span.since)?;
    let pruned_before = coverage
        .pruned_before
        .as_deref()
        .and_then(clock::parse_instant);
    let hours = silence::hours(span.since, end);
    let seen: Vec<SeenHours<'_>> = clusters
        .iter()
        .map(|cluster| SeenHours {
            cluster,
            earlier: earlier.contains(cluster),
            hours: by_cluster.get(cluster),
        })
        .collect();
    let found = silence::find(&seen, hours.clone(), pruned_before);
    coverage.hours = found.hours;
    coverage.covered_hours = found.covered;
    let charts = making
        .charts
        .then(|| charts(span, &by_cluster, &found, pruned_before, actors, failures));
    coverage.silent = found.silences;
    let mut listed = Vec::new();
    for cluster in &clusters {
        let hours = by_cluster.get(cluster);
        listed.push(ClusterEvents {
            cluster: digest::apart(cluster).into_owned(),
            events: sum(hours.into_iter()),
            finished: finished.get(cluster).copied().unwrap_or(0),
            oldest: making.end_of(cluster, span, hours, false)?,
            newest: making.end_of(cluster, span, hours, true)?,
        });
    }
    Ok(Seen {
        clusters: listed,
        coverage,
        charts,
    })
}

/// The clusters that the report is about; none is an error that names those that there are.
fn selected(making: &Making<'_>, overview: &Overview) -> Result<Vec<String>> {
    let Some(words) = &making.cluster else {
        return Ok(overview.clusters.clone());
    };
    let there_are = || match overview.clusters.is_empty() {
        true => "the store holds no event of any cluster".to_owned(),
        false => format!("there are {}", overview.clusters.join(", ")),
    };
    let unknown = |word: &str| {
        StoreError::BadRequest(format!(
            "--cluster: the store holds no event of {word:?}; {}",
            there_are()
        ))
    };
    if !words.contains(['\\', '!', '*']) {
        for word in words.split(',').map(str::trim) {
            if !overview.clusters.iter().any(|cluster| cluster == word) {
                return Err(unknown(word));
            }
        }
    }
    let mut selected = Vec::new();
    let all = Period {
        since: i64::MIN,
        until: i64::MAX,
    };
    making.count(all, Some("cluster"), None, 0, |row| {
        selected.push(text(&row[0]));
    })?;
    if selected.is_empty() {
        return Err(unknown(words));
    }
    selected.sort();
    Ok(selected)
}

/// The clusters that had events before the period.
fn earlier(making: &Making<'_>, since: i64) -> Result<Vec<String>> {
    let mut earlier = Vec::new();
    let before = Period {
        since: i64::MIN,
        until: since,
    };
    making.count(before, Some("cluster"), None, 0, |row| {
        earlier.push(text(&row[0]));
    })?;
    Ok(earlier)
}

/// The pieces of a period that are counted one by one: by hours, as many as one count can tell
/// apart. What lies further back than anybody looks for silence is one piece without hours.
fn parts(span: Period) -> Vec<(Period, Option<&'static str>)> {
    let mut parts = Vec::new();
    let mut since = span.since;
    let until = by_hours_from(span);
    if since < until {
        parts.push((Period { since, until }, None));
        since = until;
    }
    while since < span.until {
        let next = (since.div_euclid(HOUR) + HOURS_AT_ONCE) * HOUR;
        let until = next.min(span.until);
        parts.push((Period { since, until }, Some("1h")));
        since = until;
    }
    parts
}

/// From when on hours are told apart.
fn by_hours_from(span: Period) -> i64 {
    span.until
        .saturating_sub(REPORT_HOURS_MAX * HOUR)
        .div_euclid(HOUR)
        * HOUR
}

impl Making<'_> {
    /// Counts events of the report's clusters.
    fn count(
        &self,
        period: Period,
        by: Option<&str>,
        step: Option<&str>,
        limit: u64,
        row: impl FnMut(&[Value]),
    ) -> Result<crate::store::Coverage> {
        struct Rows<F>(F);
        impl<F: FnMut(&[Value])> SqlSink for Rows<F> {
            fn columns(&mut self, _columns: &[SqlColumn]) {}
            fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
                (self.0)(row);
                ControlFlow::Continue(())
            }
        }
        let params = CountParams {
            shape: Shape::Count,
            filter: self.filter(period, self.cluster.clone()),
            by: by.map(str::to_owned),
            step: step.map(str::to_owned),
            limit: Some(limit),
            r#final: false,
            skip_damaged: self.request.skip_damaged,
        };
        let answer = self.source.count(&params, self.left()?, &mut Rows(row))?;
        self.note_damage(&answer.coverage.damaged);
        Ok(answer.coverage)
    }

    fn filter(&self, period: Period, cluster: Option<String>) -> FilterParams {
        let bound = |instant: i64, none: i64| (instant != none).then(|| clock::to_text(instant));
        FilterParams {
            cluster,
            since: bound(period.since, i64::MIN),
            until: bound(period.until, i64::MAX),
            ..FilterParams::default()
        }
    }

    /// The time of a cluster's first or last event in the period; only the hour in which it lies is
    /// looked into.
    fn end_of(
        &self,
        cluster: &str,
        span: Period,
        hours: Option<&Hours>,
        last: bool,
    ) -> Result<Option<String>> {
        let hour = hours.and_then(|hours| match last {
            true => hours.last_key_value(),
            false => hours.first_key_value(),
        });
        let Some((&hour, _)) = hour else {
            return Ok(None);
        };
        let around = Period {
            since: (hour * HOUR).max(span.since),
            until: match last {
                true => span.until.min(((hour + 1) * HOUR).max(by_hours_from(span))),
                false => span.until,
            },
        };
        #[derive(Default)]
        struct First(Option<i64>);
        impl SqlSink for First {
            fn columns(&mut self, _columns: &[SqlColumn]) {}
            fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
                self.0 = Some(instant(&row[0]));
                ControlFlow::Break(())
            }
        }
        let params = EventParams {
            filter: self.filter(around, Some(escape(cluster))),
            limit: 1,
            reverse: !last,
            columns: Some("time".to_owned()),
            skip_damaged: self.request.skip_damaged,
            ..EventParams::default()
        };
        let mut first = First::default();
        self.source.events(&params, self.left()?, &mut first)?;
        Ok(first.0.map(clock::to_text))
    }
}

fn sum<'a>(hours: impl Iterator<Item = &'a Hours>) -> u64 {
    hours
        .flat_map(BTreeMap::values)
        .map(|(events, _)| events)
        .sum()
}

fn instant(value: &Value) -> i64 {
    match value {
        Value::Time(time) => *time,
        _ => 0,
    }
}

fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        _ => String::new(),
    }
}
