//! Counts as people ask for them: groups, a histogram over time, the values of several columns.

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use super::clock;
use super::listing::{Collected, describe};
use super::params::{EventParams, FilterParams};
use super::wire::type_name;
use crate::limits::{BUCKETS_AUTO, BUCKETS_MAX, COUNT_COLUMNS_MAX, ROWS_DEFAULT};
use crate::model::column::{Column, Kind};
use crate::model::suggest::suggest;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::{Answer, Budget, CountQuery, Result, SqlColumn, SqlSink, Store, StoreError};

/// What kind of count; each is a command and a path of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// One number, or one per group of values.
    #[default]
    Count,
    /// Numbers over time; buckets without events have a row too.
    Histogram,
    /// The values of several columns, each counted for itself.
    Facets,
}

impl Shape {
    pub const ALL: [Shape; 3] = [Shape::Count, Shape::Histogram, Shape::Facets];

    /// Its command, and its path below `/api/v1/`.
    pub const fn name(self) -> &'static str {
        match self {
            Shape::Count => "count",
            Shape::Histogram => "histogram",
            Shape::Facets => "facets",
        }
    }
}

/// The columns whose values facets show unless told otherwise.
pub const FACETS_DEFAULT: &str = "user,verb,resource,namespace,outcome,code,source_ip,user_agent";

/// Which events, and how they are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountParams {
    pub shape: Shape,
    pub filter: FilterParams,
    /// A comma list of columns: of groups, or of facets.
    pub by: Option<String>,
    /// The length of a bucket, `5m`, `1h`, `1d`, or `auto`.
    pub step: Option<String>,
    /// Most groups, or most values of each facet; 0 is all.
    pub limit: Option<u64>,
    pub r#final: bool,
    pub skip_damaged: bool,
}

/// The lengths of buckets that `auto` chooses from, in seconds.
const STEPS: [i64; 17] = [
    1, 5, 15, 60, 300, 900, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600,
    2_592_000, 7_776_000, 31_536_000,
];

/// A bucket's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Auto,
    Micros(i64),
}

impl CountParams {
    /// From the pairs of a query string, already percent-decoded.
    pub fn from_pairs(shape: Shape, pairs: Vec<(String, String)>) -> Result<CountParams, String> {
        let mut params = CountParams {
            shape,
            ..CountParams::default()
        };
        let mut rest = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let slot = match name.as_str() {
                "by" if shape != Shape::Facets => &mut params.by,
                "field" if shape == Shape::Facets => &mut params.by,
                "step" if shape != Shape::Facets => &mut params.step,
                "reverse" | "columns" => {
                    return Err(format!("{name} has no meaning for a count; leave it out"));
                }
                _ => {
                    if name == "limit" {
                        params.limit = value.parse().ok();
                    }
                    rest.push((name, value));
                    continue;
                }
            };
            if slot.replace(value).is_some() {
                return Err(format!(
                    "{name} is given twice; use one comma list: {name}=a,b"
                ));
            }
        }
        let common = EventParams::from_pairs(rest)?;
        params.filter = common.filter;
        params.r#final = common.r#final;
        params.skip_damaged = common.skip_damaged;
        Ok(params)
    }

    /// The pairs that [`CountParams::from_pairs`] reads back.
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        let common = EventParams {
            filter: self.filter.clone(),
            r#final: self.r#final,
            skip_damaged: self.skip_damaged,
            ..EventParams::default()
        };
        let mut pairs = common.to_pairs();
        let by = if self.shape == Shape::Facets {
            "field"
        } else {
            "by"
        };
        pairs.extend(self.by.clone().map(|list| (by, list)));
        pairs.extend(self.step.clone().map(|step| ("step", step)));
        pairs.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        pairs
    }

    /// What is counted; `now` is in microseconds. An error names the parameter, the value and the
    /// fix.
    pub fn into_plan(self, now: i64) -> Result<Plan, String> {
        let facets = self.shape == Shape::Facets;
        let list = match (&self.by, facets) {
            (None, true) => Some(FACETS_DEFAULT),
            (list, _) => list.as_deref(),
        };
        let by = list.map_or(Ok(Vec::new()), columns)?;
        if !facets && by.len() > COUNT_COLUMNS_MAX {
            return Err(format!(
                "{} columns to count by are too many; {COUNT_COLUMNS_MAX} is the most",
                by.len()
            ));
        }
        let step = match (self.step.as_deref(), self.shape) {
            (None, Shape::Histogram) => Some(Step::Auto),
            (step, _) => step.map(step_of).transpose()?,
        };
        // A histogram with holes would be read as quiet.
        let limit = self
            .limit
            .unwrap_or(if step.is_some() { 0 } else { ROWS_DEFAULT });
        Ok(Plan {
            facets,
            step,
            query: CountQuery {
                filter: self.filter.to_filter(now)?,
                by,
                step: None,
                last_stage_only: self.r#final,
                per_request: false,
                limit,
                skip_damaged: self.skip_damaged,
            },
        })
    }
}

fn step_of(text: &str) -> Result<Step, String> {
    if text == "auto" {
        return Ok(Step::Auto);
    }
    let step = clock::parse_duration(text).map_err(|error| format!("step {text:?}: {error}"))?;
    match i64::try_from(step.as_micros()) {
        Ok(micros @ 1..) => Ok(Step::Micros(micros)),
        _ => Err(format!(
            "step {text:?} makes no buckets; use auto, 5m, 1h or 1d"
        )),
    }
}

/// Columns whose values can be counted: any but the raw bytes, their hash and the bodies.
fn columns(list: &str) -> Result<Vec<Column>, String> {
    let mut columns = Vec::new();
    for name in list.split(',').map(str::trim) {
        let column = Column::by_name(name).ok_or_else(|| {
            let known = Column::ALL.iter().map(|column| column.name());
            format!("unknown column {name:?}; {}", suggest(name, known))
        })?;
        if matches!(
            column,
            Column::Raw | Column::Sha256 | Column::RequestObject | Column::ResponseObject
        ) {
            return Err(format!(
                "{name} cannot be counted by value; choose another column, such as user"
            ));
        }
        if columns.contains(&column) {
            return Err(format!("{name} is given twice; remove one"));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// A count, ready to be made.
#[derive(Debug, Clone)]
pub struct Plan {
    facets: bool,
    step: Option<Step>,
    query: CountQuery,
}

/// Counts. The answer's columns are the bucket's `time` if there are buckets, the columns that are
/// counted by, and `count`; with buckets also `pruned`, true where retention may have removed
/// events. Facets have `field`, `value` and `count`.
pub fn run(
    store: &dyn Store,
    plan: Plan,
    budget: &Budget,
    sink: &mut dyn SqlSink,
) -> Result<Answer> {
    if plan.facets {
        return facets(store, plan.query, budget, sink);
    }
    let mut columns: Vec<SqlColumn> = plan.query.by.iter().map(|&by| describe(by)).collect();
    columns.push(column("count", Kind::Int));
    match plan.step {
        None => {
            sink.columns(&columns);
            store.count(&plan.query, budget, &mut |row| sink.row(row))
        }
        Some(step) => {
            columns.insert(0, column("time", Kind::Time));
            columns.push(column("pruned", Kind::Bool));
            sink.columns(&columns);
            histogram(store, plan.query, step, budget, sink)
        }
    }
}

fn facets(
    store: &dyn Store,
    query: CountQuery,
    budget: &Budget,
    sink: &mut dyn SqlSink,
) -> Result<Answer> {
    sink.columns(&[
        column("field", Kind::Text),
        column("value", Kind::Text),
        column("count", Kind::Int),
    ]);
    let mut answer = Answer::default();
    let mut ended = false;
    for &by in &query.by {
        let one = CountQuery {
            by: vec![by],
            ..query.clone()
        };
        let counted = store.count(&one, budget, &mut |row| {
            let value = match &row[0] {
                Value::Int(number) => Value::text(number.to_string()),
                other => other.clone(),
            };
            let flow = sink.row(&[Value::text(by.name()), value, row[1].clone()]);
            ended = flow.is_break();
            flow
        })?;
        answer.truncated |= counted.truncated;
        answer.coverage = counted.coverage;
        answer.stats.add(counted.stats);
        if ended {
            break;
        }
    }
    Ok(answer)
}

fn histogram(
    store: &dyn Store,
    mut query: CountQuery,
    step: Step,
    budget: &Budget,
    sink: &mut dyn SqlSink,
) -> Result<Answer> {
    let range = range(store, &query.filter, budget)?;
    let step = match step {
        Step::Micros(step) => step,
        Step::Auto => chosen(range),
    };
    query.step = Some(step);
    let (first, buckets) = match range {
        None => (0, 0),
        Some((from, to)) => {
            let first = from.saturating_sub(from.rem_euclid(step));
            (
                first,
                (i128::from(to) - i128::from(first)).div_euclid(i128::from(step)) + 1,
            )
        }
    };
    if buckets > BUCKETS_MAX as i128 {
        return Err(StoreError::BadRequest(format!(
            "this step makes {buckets} buckets and {BUCKETS_MAX} is the most; use a longer --step or a narrower --since and --until"
        )));
    }
    let mut rows = Collected::default();
    let answer = store.count(&query, budget, &mut |row| rows.row(row))?;
    let pruned_before = answer.coverage.pruned_before.as_deref();
    let pruned_before = pruned_before
        .and_then(clock::parse_instant)
        .unwrap_or(i64::MIN);
    let mut give = |row: &[Value]| {
        let pruned = matches!(row[0], Value::Time(time) if time < pruned_before);
        let mut row = row.to_vec();
        row.push(Value::Int(i64::from(pruned)));
        sink.row(&row)
    };
    if query.by.is_empty() && !answer.truncated {
        let mut rows = rows.rows.iter().peekable();
        for bucket in 0..buckets as i64 {
            let time = Value::Time(first + bucket * step);
            let empty = [time, Value::Int(0)];
            let row = rows.next_if(|row| row[0] == empty[0]);
            if give(row.map_or(&empty[..], |row| row)).is_break() {
                break;
            }
        }
    } else {
        let _ = rows.rows.iter().try_for_each(|row| match give(row) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(()),
        });
    }
    Ok(answer)
}

/// The first and the last instant that events of the filter's range can have.
fn range(store: &dyn Store, filter: &Filter, budget: &Budget) -> Result<Option<(i64, i64)>> {
    // Counting nothing at all tells what the store holds.
    let nothing = CountQuery {
        filter: Filter {
            since: Some(i64::MAX),
            ..Filter::default()
        },
        ..CountQuery::default()
    };
    let answer = store.count(&nothing, budget, &mut |_| ControlFlow::Continue(()))?;
    let held = |text: Option<String>| text.and_then(|text| clock::parse_instant(&text));
    let (oldest, newest) = (held(answer.coverage.oldest), held(answer.coverage.newest));
    let from = filter.since.max(oldest);
    let until = filter.until.map(|until| until.saturating_sub(1));
    let to = match (until, newest) {
        (Some(until), Some(newest)) => Some(until.min(newest)),
        (_, newest) => newest,
    };
    Ok(from.zip(to).filter(|(from, to)| from <= to))
}

/// The shortest step that makes few buckets.
fn chosen(range: Option<(i64, i64)>) -> i64 {
    let span = range.map_or(0, |(from, to)| to.saturating_sub(from));
    let fits = |step: &&i64| span / (**step * 1_000_000) < BUCKETS_AUTO;
    let longest = STEPS[STEPS.len() - 1];
    let many = span / (longest * 1_000_000 * BUCKETS_AUTO) + 1;
    STEPS.iter().find(fits).copied().unwrap_or(longest * many) * 1_000_000
}

fn column(name: &str, kind: Kind) -> SqlColumn {
    SqlColumn {
        name: name.to_owned(),
        kind: type_name(kind).to_owned(),
    }
}
