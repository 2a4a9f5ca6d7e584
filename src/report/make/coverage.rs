//! What the store could see in the period, and what the charts draw.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::charts::charts;
use super::hours::{self, Hours};
use super::silence::{self, Seen as SeenHours};
use super::{Making, Period};
use crate::model::value::Value;
use crate::query::clock;
use crate::query::count::{CountParams, Shape};
use crate::query::params::{EventParams, FilterParams, escape};
use crate::report::digest;
use crate::report::made::{Charts, ClusterEvents, Coverage};
use crate::store::{Result, SqlColumn, SqlSink, Stats, StoreError};

pub(super) const HOUR: i64 = 3_600_000_000;

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

pub(super) fn look(making: &Making<'_>, overview: &Overview) -> Result<Seen> {
    let clusters = selected(making, overview)?;
    // What has not come yet is no gap.
    let end = making.period.until.min(making.request.now);
    let span = Period {
        since: making.period.since,
        until: end,
    };
    let counted = hours::count(making, span)?;
    let mut coverage = Coverage {
        events: sum(counted.by_cluster.values()),
        oldest: overview.oldest.map(clock::to_text),
        newest: overview.newest.map(clock::to_text),
        quarantined: overview.quarantined,
        pruned: counted.pruned,
        pruned_before: counted.pruned_before.clone(),
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
    let seen: Vec<SeenHours<'_>> = clusters
        .iter()
        .map(|cluster| SeenHours {
            cluster,
            earlier: earlier.contains(cluster),
            hours: counted.by_cluster.get(cluster),
        })
        .collect();
    let found = silence::find(&seen, silence::hours(span.since, end), pruned_before);
    coverage.hours = found.hours;
    coverage.covered_hours = found.covered;
    coverage.before_hours = found.before;
    let charts = making
        .charts
        .then(|| charts(span, &counted, &found, pruned_before, actors));
    coverage.silent = found.silences;
    let mut listed = Vec::new();
    for cluster in &clusters {
        let hours = counted.by_cluster.get(cluster);
        listed.push(ClusterEvents {
            cluster: digest::apart(cluster).into_owned(),
            events: sum(hours.into_iter()),
            finished: counted.finished.get(cluster).copied().unwrap_or(0),
            earlier: earlier.contains(cluster),
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

impl Making<'_> {
    /// Counts events of the report's clusters.
    pub(super) fn count(
        &self,
        period: Period,
        by: Option<&str>,
        step: Option<&str>,
        limit: u64,
        row: impl FnMut(&[Value]),
    ) -> Result<crate::store::Coverage> {
        let filter = self.filter(period, self.cluster.clone());
        self.count_of(filter, by, step, limit, row)
    }

    /// Counts the events of a filter.
    pub(super) fn count_of(
        &self,
        filter: FilterParams,
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
            filter,
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

    pub(super) fn filter(&self, period: Period, cluster: Option<String>) -> FilterParams {
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
            until: ((hour + 1) * HOUR).min(span.until),
        };
        let end = self.first_of(around, Some(escape(cluster)), last)?;
        Ok(end.map(clock::to_text))
    }

    /// The time of the first event of these clusters in a period, or of the last one.
    pub(super) fn first_of(
        &self,
        period: Period,
        cluster: Option<String>,
        last: bool,
    ) -> Result<Option<i64>> {
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
            filter: self.filter(period, cluster),
            limit: 1,
            reverse: !last,
            columns: Some("time".to_owned()),
            skip_damaged: self.request.skip_damaged,
            ..EventParams::default()
        };
        let mut first = First::default();
        self.source.events(&params, self.left()?, &mut first)?;
        Ok(first.0)
    }
}

fn sum<'a>(hours: impl Iterator<Item = &'a Hours>) -> u64 {
    hours
        .flat_map(BTreeMap::values)
        .map(|sums| sums.events)
        .sum()
}

pub(super) fn instant(value: &Value) -> i64 {
    match value {
        Value::Time(time) => *time,
        _ => 0,
    }
}

pub(super) fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        _ => String::new(),
    }
}
