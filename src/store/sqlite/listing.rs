//! Listings of events, and the most frequent values of a column.

use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::facts;
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
    let mut cursor = snapshot.cursor(&query.filter, order, query.skip_damaged, budget.clone())?;
    let mut stages = query
        .last_stage_only
        .then(|| LastStages::new(Arc::clone(snapshot), budget.clone()));
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

/// Tells the last stage of each request from the earlier ones.
struct LastStages {
    snapshot: Arc<Snapshot>,
    budget: Budget,
    /// Requests whose later stage went by already.
    later_seen: HashSet<u128>,
}

impl LastStages {
    fn new(snapshot: Arc<Snapshot>, budget: Budget) -> LastStages {
        LastStages {
            snapshot,
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
    filter: &Filter,
    limit: u64,
    skip_damaged: bool,
    budget: &Budget,
    sink: RowSink<'_>,
) -> Result<Answer> {
    let mut totals: HashMap<Option<String>, u64> = HashMap::new();
    let mut answer = Answer::default();
    match origin(column) {
        Origin::Text(text) => count_strings(
            snapshot,
            text,
            column.is_list().then_some(&elements as Values<'_>),
            filter,
            skip_damaged,
            budget,
            &mut answer,
            &mut totals,
        )?,
        Origin::Code => count_strings(
            snapshot,
            TextColumn::Code,
            None,
            filter,
            skip_damaged,
            budget,
            &mut answer,
            &mut totals,
        )?,
        Origin::Derived(text, derivation) => {
            let derive = |value: &str| vec![snapshot.deriver.derive(derivation, value)];
            count_strings(
                snapshot,
                text,
                Some(&derive),
                filter,
                skip_damaged,
                budget,
                &mut answer,
                &mut totals,
            )?;
        }
        _ => {
            let mut cursor =
                snapshot.cursor(filter, ScanOrder::Any, skip_damaged, budget.clone())?;
            while cursor.advance()? {
                if column.is_list() {
                    let values = match cursor.cell(column)? {
                        Cell::Text(text) => elements(text),
                        _ => vec![None],
                    };
                    for value in values {
                        *totals.entry(value).or_default() += 1;
                    }
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
        }
    }
    let mut rows: Vec<(Option<String>, u64)> =
        totals.into_iter().filter(|(_, count)| *count > 0).collect();
    rows.sort_unstable_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    if limit != 0 && rows.len() as u64 > limit {
        answer.truncated = true;
        rows.truncate(limit as usize);
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

/// What a stored text counts as.
type Values<'a> = &'a dyn Fn(&str) -> Vec<Option<String>>;

/// The elements of a list, each once.
fn elements(json: &str) -> Vec<Option<String>> {
    let mut elements = crate::model::json::texts(json);
    elements.sort_unstable();
    elements.dedup();
    elements.into_iter().map(|text| Some(text.into())).collect()
}

/// Counts rows per string id, then adds them up by text over all parts.
#[expect(
    clippy::too_many_arguments,
    reason = "one private step of `top`, split off for its length"
)]
fn count_strings(
    snapshot: &Snapshot,
    column: TextColumn,
    derive: Option<Values<'_>>,
    filter: &Filter,
    skip_damaged: bool,
    budget: &Budget,
    answer: &mut Answer,
    totals: &mut HashMap<Option<String>, u64>,
) -> Result<()> {
    let unfiltered = *filter == Filter::default();
    let (parts, pruned) = snapshot.parts(filter);
    let mut work = Work {
        segments_pruned: pruned,
        ..Work::default()
    };
    for part in parts {
        budget.check()?;
        let counted = part.open(&snapshot.shared, &mut work).and_then(|part| {
            if column.fact().is_some() {
                facts::ensure(&part, budget, &mut work)?;
            }
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
                    match derive {
                        Some(derive) => {
                            texts.extend(derive(text).into_iter().map(|text| (text, count)));
                        }
                        None => texts.push((Some(text.to_owned()), count)),
                    }
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
        budget,
        work,
    )?
    else {
        return Ok(counts);
    };
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
