//! Merging: many small segments of one month become a larger one, so that years of events stay in
//! few files. Also rewriting a segment without its oldest events.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use super::build::{self, Plan, RowAt};
use super::catalog::SegmentMeta;
use super::facts;
use super::layout::IntColumn;
use super::part::Part;
use super::seal::{self, meta_of, month_of, sealed_name};
use super::state::Shared;
use crate::limits;
use crate::store::{Budget, Result, StoreError, Work};

/// Segments that one merge takes at most.
const MERGED_SEGMENTS_MAX: usize = 32;

/// Neighbouring segments of one month that should become one, if any should. `thorough` also merges
/// what is few.
pub(crate) fn worth_merging(shared: &Shared, thorough: bool) -> Option<Vec<Arc<SegmentMeta>>> {
    let max = limits::MERGE_EVENTS_MAX.max(shared.options.segment_events) as u64;
    let mut months: BTreeMap<Option<i64>, Vec<Arc<SegmentMeta>>> = BTreeMap::new();
    let unmergeable = shared
        .unmergeable
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let state = shared.state();
    let fit = |meta: &&Arc<SegmentMeta>| !unmergeable.contains(&meta.name);
    for meta in state.sealed.iter().filter(fit) {
        months
            .entry(month_of(meta.newest))
            .or_default()
            .push(Arc::clone(meta));
    }
    months.values_mut().find_map(|segments| {
        segments.sort_by_key(|meta| (meta.oldest, meta.newest));
        (0..segments.len()).find_map(|start| run(&segments[start..], max, thorough))
    })
}

/// The longest run of segments from the first one on that is worth a merge.
fn run(segments: &[Arc<SegmentMeta>], max: u64, thorough: bool) -> Option<Vec<Arc<SegmentMeta>>> {
    let fewest = if thorough { 2 } else { limits::MERGE_FANIN };
    let (mut total, mut largest) = (0, 0);
    let mut worth = None;
    for (index, meta) in segments.iter().take(MERGED_SEGMENTS_MAX).enumerate() {
        total += meta.events;
        largest = meta.events.max(largest);
        if total > max {
            break;
        }
        // Rewriting a large segment for a few small ones does not pay: every event is rewritten
        // only when it ends up in a segment at least twice as large.
        if index + 1 >= fewest && (thorough || total >= 2 * largest) {
            worth = Some(index + 1);
        }
    }
    worth.map(|count| segments[..count].to_vec())
}

/// Merges segments into one.
pub(crate) fn merge(shared: &Shared, inputs: &[Arc<SegmentMeta>]) -> Result<()> {
    let merged = rewrite(shared, inputs, None).map(drop);
    let Err(StoreError::Damaged(_)) = &merged else {
        return merged;
    };
    // A damaged segment costs only itself: the others are merged without it.
    let mut unmergeable = shared
        .unmergeable
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let known = unmergeable.len();
    for meta in inputs {
        let checked = shared.open_apart(meta).and_then(|sealed| sealed.verify());
        if let Err(error) = checked {
            tracing::error!(%error, "a damaged segment is left out of merges");
            unmergeable.insert(meta.name.clone());
        }
    }
    if unmergeable.len() > known {
        return Ok(());
    }
    // Whichever it is, trying the same again and again helps nobody.
    unmergeable.extend(inputs.iter().map(|meta| meta.name.clone()));
    merged
}

/// Writes the events of segments at or after `from` into one new segment (none, when there are
/// none); returns how many events were left out.
pub(crate) fn rewrite(
    shared: &Shared,
    inputs: &[Arc<SegmentMeta>],
    from: Option<i64>,
) -> Result<u64> {
    let mut parts = Vec::with_capacity(inputs.len());
    for meta in inputs {
        // Opened apart from what queries share: a merge reads everything once and keeps nothing.
        let part = Part::Sealed(Arc::new(shared.open_apart(meta)?));
        facts::ensure(&part, &Budget::new(None), &mut Work::default())?;
        parts.push(part);
    }
    let order = merged_order(&parts, from)?;
    let total: u64 = inputs.iter().map(|meta| meta.events).sum();
    let dropped = total - order.len() as u64;
    let replaces: Vec<String> = inputs.iter().map(|meta| meta.name.clone()).collect();
    let mut added = Vec::new();
    if !order.is_empty() {
        let name = sealed_name(shared.take_number());
        let (keys, raw_bytes) = if dropped == 0 {
            (
                all_keys(&parts)?,
                inputs.iter().map(|meta| meta.raw_bytes).sum(),
            )
        } else {
            computed_keys(&parts, &order)?
        };
        let plan = Plan {
            parts: &parts,
            order: &order,
            keys,
            raw_bytes,
            siblings: vec![name.clone()],
            replaces: replaces.clone(),
            zstd_level: limits::MERGED_ZSTD_LEVEL,
        };
        added.push(meta_of(
            &name,
            &build::build(&shared.directory, &name, plan)?,
        ));
    }
    drop(parts);
    seal::replace(shared, &replaces, added)?;
    Ok(dropped)
}

/// Rows of all parts in order of (time, id), from an instant on.
fn merged_order(parts: &[Part], from: Option<i64>) -> Result<Vec<RowAt>> {
    let mut columns = Vec::with_capacity(parts.len());
    let mut heap = BinaryHeap::with_capacity(parts.len());
    let mut rows = 0;
    for (index, part) in parts.iter().enumerate() {
        let (first, end) = part.rows_between(from, None)?;
        let (mut times, mut ids, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for chunk in 0..part.chunks() {
            part.ints(IntColumn::Time, chunk, &mut values)?;
            times.extend_from_slice(&values);
            part.ints(IntColumn::Id, chunk, &mut values)?;
            ids.extend_from_slice(&values);
        }
        if first < end {
            heap.push(Reverse((
                times[first as usize],
                ids[first as usize],
                index,
                first,
            )));
        }
        rows += (end - first) as usize;
        columns.push((times, ids));
    }
    let mut order = Vec::with_capacity(rows);
    while let Some(Reverse((_, _, index, row))) = heap.pop() {
        order.push(RowAt {
            part: index as u32,
            row,
        });
        let (times, ids) = &columns[index];
        let next = row as usize + 1;
        if next < times.len() {
            heap.push(Reverse((times[next], ids[next], index, next as u32)));
        }
    }
    Ok(order)
}

fn all_keys(parts: &[Part]) -> Result<Vec<[u8; 16]>> {
    let mut keys = Vec::new();
    for part in parts {
        if let Part::Sealed(sealed) = part {
            sealed.keys(&mut keys)?;
        }
    }
    keys.sort_unstable();
    Ok(keys)
}

/// The keys of some rows only: keys do not say which row they belong to, so they are computed again
/// from the events.
fn computed_keys(parts: &[Part], order: &[RowAt]) -> Result<(Vec<[u8; 16]>, u64)> {
    use super::layout::TextColumn;
    let mut rows_of: Vec<Vec<u32>> = parts.iter().map(|_| Vec::new()).collect();
    order
        .iter()
        .for_each(|at| rows_of[at.part as usize].push(at.row));
    let mut keys = Vec::with_capacity(order.len());
    let mut raw_bytes = 0;
    for (part, rows) in parts.iter().zip(rows_of) {
        let mut clusters = Vec::new();
        let mut values = Vec::new();
        for chunk in 0..part.chunks() {
            part.ids(TextColumn::Cluster, chunk, &mut values)?;
            clusters.extend_from_slice(&values);
        }
        part.raw(&rows, &mut |row, raw| {
            let cluster = part.string(TextColumn::Cluster, clusters[row as usize])?;
            let (_, key) = crate::model::normalise::normalise(cluster, &raw).map_err(|reject| {
                StoreError::Damaged(format!(
                    "an event that was stored is none any more: {}",
                    reject.0
                ))
            })?;
            raw_bytes += raw.len() as u64;
            keys.push(key);
            Ok(())
        })?;
    }
    keys.sort_unstable();
    Ok((keys, raw_bytes))
}
