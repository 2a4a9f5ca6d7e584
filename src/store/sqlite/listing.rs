//! Listings of events, and the most frequent values of a column.

use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::groups::counts;
use super::layout::{Origin, TextColumn, origin};
use super::part::Part;
use super::partscan::{Direction, PartScan};
use super::scan::{Cell, Cursor, ScanOrder, Snapshot};
use crate::limits;
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::filter::{Filter, Pattern, Test};
use crate::store::{Answer, Budget, EventQuery, Order, Result, RowSink, StoreError, Work};

/// Requests remembered while a listing shows last stages only; beyond, they are looked up.
const REMEMBERED_REQUESTS_MAX: usize = 500_000;

/// Lists events.
pub(crate) fn events(
    snapshot: &Arc<Snapshot>,
    query: &EventQuery,
    budget: &Budget,
    sink: RowSink<'_>,
) -> Result<Answer> {
    let order = match query.order {
        Order::NewestFirst => ScanOrder::NewestFirst,
        Order::OldestFirst => ScanOrder::OldestFirst,
    };
    let filter = remaining(query);
    let mut cursor = snapshot.cursor(&filter, order, query.skip_damaged, budget.clone())?;
    cursor.after = query.after;
    let mut stages = query
        .last_stage_only
        .then(|| LastStages::new(Arc::clone(snapshot), query.as_of, budget.clone()));
    let mut answer = Answer::default();
    let mut given = 0;
    let mut row = Vec::with_capacity(query.columns.len());
    while cursor.advance()? {
        if let Some(stages) = &mut stages
            && !stages.is_last(&mut cursor)?
        {
            continue;
        }
        if query.limit != 0 && given == query.limit {
            answer.truncated = true;
            break;
        }
        row.clear();
        for &column in &query.columns {
            row.push(cursor.value(column)?);
        }
        given += 1;
        answer.last = cursor.place();
        if sink(&row).is_break() {
            break;
        }
    }
    answer.coverage = snapshot.coverage(query.filter.since, query.filter.until);
    answer
        .coverage
        .damaged
        .extend(cursor.damaged().iter().cloned());
    answer.stats = cursor.work();
    Ok(answer)
}

/// The filter of a listing, narrowed to what stands after its place and had arrived by then.
fn remaining(query: &EventQuery) -> Filter {
    let mut filter = query.filter.clone();
    if let Some(last) = query.as_of {
        filter.push_ids(i64::MIN..=last);
    }
    match (query.after, query.order) {
        (Some((time, _)), Order::NewestFirst) => {
            let end = time.saturating_add(1);
            filter.until = Some(filter.until.map_or(end, |until| until.min(end)));
        }
        (Some((time, _)), Order::OldestFirst) => {
            filter.since = Some(filter.since.map_or(time, |since| since.max(time)));
        }
        (None, _) => {}
    }
    filter
}

/// Tells the last stage of each request from the earlier ones.
struct LastStages {
    snapshot: Arc<Snapshot>,
    /// A later stage that arrived after this id does not count.
    as_of: Option<i64>,
    budget: Budget,
    /// Requests whose later stage went by already.
    later_seen: HashSet<u128>,
}

impl LastStages {
    fn new(snapshot: Arc<Snapshot>, as_of: Option<i64>, budget: Budget) -> LastStages {
        LastStages {
            snapshot,
            as_of,
            budget,
            later_seen: HashSet::new(),
        }
    }

    fn is_last(&mut self, cursor: &mut Cursor) -> Result<bool> {
        let rank = stage_rank(cursor)?;
        let Some(key) = request_key(cursor)? else {
            return Ok(true);
        };
        if rank == STAGE_LAST {
            if self.later_seen.len() >= REMEMBERED_REQUESTS_MAX {
                self.later_seen.clear();
            }
            self.later_seen.insert(key);
            return Ok(true);
        }
        if self.later_seen.contains(&key) {
            return Ok(false);
        }
        let audit_id = match cursor.cell(Column::AuditId)? {
            Cell::Text(text) => text.to_owned(),
            _ => return Ok(true),
        };
        let mut filter = Filter::default();
        filter.push(Test::Text {
            column: Column::AuditId,
            any: vec![Pattern::Is(audit_id)],
        });
        if let Some(last) = self.as_of {
            filter.push_ids(i64::MIN..=last);
        }
        let mut siblings =
            self.snapshot
                .cursor(&filter, ScanOrder::Any, true, self.budget.clone())?;
        while siblings.advance()? {
            if request_key(&mut siblings)? == Some(key) && stage_rank(&mut siblings)? > rank {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

const STAGE_LAST: u8 = 3;

fn stage_rank(cursor: &mut Cursor) -> Result<u8> {
    Ok(match cursor.cell(Column::Stage)? {
        Cell::Text("RequestReceived") => 1,
        Cell::Text("ResponseStarted") => 2,
        _ => STAGE_LAST,
    })
}

/// What the stages of one request have in common; `None` when a part of it is absent, which matches
/// nothing. An audit id alone would let a client merge two requests by reusing it.
fn request_key(cursor: &mut Cursor) -> Result<Option<u128>> {
    let mut bytes = Vec::with_capacity(256);
    for column in [
        Column::Cluster,
        Column::AuditId,
        Column::User,
        Column::RequestUri,
    ] {
        match cursor.cell(column)? {
            Cell::Text(text) => {
                bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            _ => return Ok(None),
        }
    }
    match cursor.cell(Column::ReceivedTime)? {
        Cell::Time(time) => bytes.extend_from_slice(&time.to_be_bytes()),
        _ => return Ok(None),
    }
    Ok(Some(xxhash_rust::xxh3::xxh3_128(&bytes)))
}

/// Values of a column, most frequent first.
pub(crate) fn top(
    snapshot: &Arc<Snapshot>,
    column: Column,
    query: &EventQuery,
    budget: &Budget,
    sink: RowSink<'_>,
) -> Result<Answer> {
    let EventQuery { filter, limit, .. } = query;
    let mut totals: HashMap<Option<String>, u64> = HashMap::new();
    let mut answer = Answer::default();
    let derive;
    let counted: Option<(TextColumn, Option<Derive<'_>>)> = match origin(column) {
        _ if query.last_stage_only => None,
        Origin::Text(text) => Some((text, None)),
        Origin::Code => Some((TextColumn::Code, None)),
        Origin::Derived(text, derivation) => {
            derive = move |value: &str| snapshot.deriver.derive(derivation, value);
            Some((text, Some(&derive)))
        }
        _ => None,
    };
    match counted {
        Some((text, derive)) => {
            count_strings(
                snapshot,
                text,
                derive,
                query,
                budget,
                &mut answer,
                &mut totals,
            )?;
        }
        None => count_rows(snapshot, column, query, budget, &mut answer, &mut totals)?,
    }
    let mut rows: Vec<(Option<String>, u64)> =
        totals.into_iter().filter(|(_, count)| *count > 0).collect();
    rows.sort_unstable_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    if *limit != 0 && rows.len() as u64 > *limit {
        answer.truncated = true;
        rows.truncate(*limit as usize);
    }
    for (value, count) in rows {
        let value = match value {
            None => Value::Null,
            Some(text) if column == Column::Code => text.parse().map_or(Value::Null, Value::Int),
            Some(text) => Value::text(text),
        };
        if sink(&[value, Value::Int(count as i64)]).is_break() {
            break;
        }
    }
    let damaged = std::mem::take(&mut answer.coverage.damaged);
    answer.coverage = snapshot.coverage(filter.since, filter.until);
    answer.coverage.damaged.extend(damaged);
    answer.stats.elapsed_us = budget.elapsed().as_micros() as u64;
    Ok(answer)
}

/// Makes the value of a derived column from the text that it stands in.
type Derive<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Counts row by row, each request once with `last_stage_only`.
fn count_rows(
    snapshot: &Arc<Snapshot>,
    column: Column,
    query: &EventQuery,
    budget: &Budget,
    answer: &mut Answer,
    totals: &mut HashMap<Option<String>, u64>,
) -> Result<()> {
    let (order, mut stages) = match query.last_stage_only {
        // Newest first, so that the last stage of most requests comes before the others.
        true => (
            ScanOrder::NewestFirst,
            Some(LastStages::new(
                Arc::clone(snapshot),
                query.as_of,
                budget.clone(),
            )),
        ),
        false => (ScanOrder::Any, None),
    };
    let mut cursor = snapshot.cursor(&query.filter, order, query.skip_damaged, budget.clone())?;
    while cursor.advance()? {
        if let Some(stages) = &mut stages
            && !stages.is_last(&mut cursor)?
        {
            continue;
        }
        let value = match cursor.cell(column)? {
            Cell::Null => None,
            Cell::Int(value) => Some(value.to_string()),
            Cell::Time(value) => Some(crate::model::time::to_text(value)),
            Cell::Text(text) => Some(text.to_owned()),
            Cell::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        };
        *totals.entry(value).or_default() += 1;
    }
    answer.stats = cursor.work();
    answer
        .coverage
        .damaged
        .extend(cursor.damaged().iter().cloned());
    Ok(())
}

/// Counts rows per string id, then adds them up by text over all parts.
fn count_strings(
    snapshot: &Snapshot,
    column: TextColumn,
    derive: Option<Derive<'_>>,
    query: &EventQuery,
    budget: &Budget,
    answer: &mut Answer,
    totals: &mut HashMap<Option<String>, u64>,
) -> Result<()> {
    let EventQuery {
        filter,
        skip_damaged,
        ..
    } = query;
    let skip_damaged = *skip_damaged;
    let unfiltered = *filter == Filter::default();
    let (parts, pruned) = snapshot.parts(filter);
    let mut work = Work {
        segments_pruned: pruned,
        ..Work::default()
    };
    for part in parts {
        budget.check()?;
        let counted = part.open(&snapshot.shared, &mut work).and_then(|part| {
            let counts = if unfiltered {
                counts(&part, column)?
                    .into_iter()
                    .map(|(count, ..)| count)
                    .collect()
            } else {
                filtered_counts(snapshot, &part, column, filter, budget, &mut work)?
            };
            let mut texts: Vec<(Option<String>, u64)> = vec![(None, counts[0])];
            part.each_string(column, &mut |id, text| {
                let count = counts[id as usize];
                if count > 0 {
                    let text = derive.map_or_else(|| Some(text.to_owned()), |derive| derive(text));
                    texts.push((text, count));
                }
                ControlFlow::Continue(())
            })?;
            Ok(texts)
        });
        match counted {
            Ok(texts) => texts
                .into_iter()
                .for_each(|(text, count)| *totals.entry(text).or_default() += count),
            Err(StoreError::Damaged(text)) if skip_damaged => answer.coverage.damaged.push(text),
            Err(error) => return Err(error),
        }
    }
    answer.stats = work;
    Ok(())
}

fn filtered_counts(
    snapshot: &Snapshot,
    part: &Part,
    column: TextColumn,
    filter: &Filter,
    budget: &Budget,
    work: &mut Work,
) -> Result<Vec<u64>> {
    let mut counts = vec![0u64; part.strings(column) as usize + 1];
    let Some(mut scan) = PartScan::new(
        part.clone(),
        filter,
        Direction::Ascending,
        &snapshot.deriver,
    )?
    else {
        return Ok(counts);
    };
    work.parts_indexed += u64::from(scan.indexed());
    let (mut rows, mut ids) = (Vec::new(), Vec::new());
    while scan.next_rows(&mut rows, budget, work)? {
        let Some(&first) = rows.first() else { continue };
        let chunk = if matches!(part, Part::Block(..)) {
            0
        } else {
            first / limits::CHUNK_ROWS as u32
        };
        let base = chunk * limits::CHUNK_ROWS as u32;
        part.ids(column, chunk, &mut ids)?;
        for &row in &rows {
            counts[ids[(row - base) as usize] as usize] += 1;
        }
    }
    Ok(counts)
}
