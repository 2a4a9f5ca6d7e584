//! Merging: many small segments of one month become a larger one, so that years of events stay in
//! few files. Also rewriting a segment without its oldest events.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use super::build::{self, Plan};
use super::catalog::SegmentMeta;
use super::facts;
use super::keys::ContentKeys;
use super::layout::TextColumn;
use super::order::{Columns, Order, RowAt};
use super::part::Part;
use super::seal::{self, meta_of, month_of, sealed_name};
use super::state::Shared;
use crate::limits;
use crate::store::{Budget, Result, StoreError, Work};

/// Segments that one merge takes at most.
const MERGED_SEGMENTS_MAX: usize = 32;

/// Neighbouring segments of one month that should become one, if any should; with `thorough_to`, of
/// those that hold no later id than this, and also when they are few.
pub(crate) fn worth_merging(
    shared: &Shared,
    thorough_to: Option<i64>,
) -> Option<Vec<Arc<SegmentMeta>>> {
    let max = limits::MERGE_EVENTS_MAX.max(shared.options.segment_events) as u64;
    let mut months: BTreeMap<Option<i64>, Vec<Arc<SegmentMeta>>> = BTreeMap::new();
    let unmergeable = unmergeable(shared);
    let state = shared.state();
    let last_id = thorough_to.unwrap_or(i64::MAX);
    let fit =
        |meta: &&Arc<SegmentMeta>| meta.last_id <= last_id && !unmergeable.contains(&meta.name);
    for meta in state.sealed.iter().filter(fit) {
        months
            .entry(month_of(meta.newest))
            .or_default()
            .push(Arc::clone(meta));
    }
    months.values_mut().find_map(|segments| {
        segments.sort_by_key(|meta| (meta.oldest, meta.newest));
        (0..segments.len()).find_map(|start| run(&segments[start..], max, thorough_to.is_some()))
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

/// Merges segments into one; false when one of them is left out of merges from now on instead.
pub(crate) fn merge(shared: &Shared, inputs: &[Arc<SegmentMeta>]) -> Result<bool> {
    if let Some(meta) = longest_texts(shared, inputs, limits::MERGE_TEXT_BYTES_MAX) {
        tracing::info!(
            segment = meta.name,
            "a segment with long texts is left out of merges"
        );
        unmergeable(shared).insert(meta.name.clone());
        return Ok(false);
    }
    let merged = rewrite(shared, inputs, None).map(|_| true);
    let Err(StoreError::Damaged(_)) = &merged else {
        return merged;
    };
    // A damaged segment costs only itself: the others are merged without it.
    let mut unmergeable = unmergeable(shared);
    let known = unmergeable.len();
    for meta in inputs {
        let checked = shared.open_apart(meta).and_then(|sealed| sealed.verify());
        if let Err(error) = checked {
            tracing::error!(%error, "a damaged segment is left out of merges");
            unmergeable.insert(meta.name.clone());
        }
    }
    if unmergeable.len() > known {
        return Ok(false);
    }
    // Whichever it is, trying the same again and again helps nobody.
    unmergeable.extend(inputs.iter().map(|meta| meta.name.clone()));
    merged
}

/// The segment with the longest texts if a merge would hold more than `max` bytes of them: it reads a
/// piece of each segment's dictionary at a time.
fn longest_texts<'i>(
    shared: &Shared,
    inputs: &'i [Arc<SegmentMeta>],
    max: usize,
) -> Option<&'i Arc<SegmentMeta>> {
    let longest = |meta: &'i Arc<SegmentMeta>| {
        // One that cannot be read is found by the merge itself.
        let opened = shared.open_apart(meta);
        (
            opened
                .and_then(|sealed| sealed.strings_piece_most())
                .unwrap_or(0),
            meta,
        )
    };
    let pieces: Vec<_> = inputs.iter().map(longest).collect();
    let together: usize = pieces.iter().map(|(bytes, _)| bytes).sum();
    let longest = pieces.into_iter().max_by_key(|(bytes, _)| *bytes);
    longest.filter(|_| together > max).map(|(_, meta)| meta)
}

/// The names of segments that are left out of merges.
fn unmergeable(shared: &Shared) -> MutexGuard<'_, HashSet<String>> {
    let names = shared.unmergeable.lock();
    names.unwrap_or_else(PoisonError::into_inner)
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
    let order = Order::merged(&parts, from)?;
    let total: u64 = inputs.iter().map(|meta| meta.events).sum();
    let dropped = total - order.len() as u64;
    let replaces: Vec<String> = inputs.iter().map(|meta| meta.name.clone()).collect();
    let mut added = Vec::new();
    if !order.is_empty() {
        let name = sealed_name(shared.take_number());
        let (keys, raw_bytes) = if dropped == 0 {
            (
                ContentKeys::OfParts,
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
            pause: &|| pause(shared),
        };
        let built = build::build(&shared.directory, &name, plan)?;
        tracing::debug!(segment = name, held = built.held_most, "written");
        added.push(meta_of(&name, &built));
    }
    drop(parts);
    seal::replace(shared, &replaces, added)?;
    Ok(dropped)
}

/// Between pieces of a merge: what is full is sealed, for ingest waits for that, and a store that
/// stops does not wait for a merge.
fn pause(shared: &Shared) -> Result<()> {
    if shared.progress().stopping {
        return Err(StoreError::Unavailable(
            "a merge was given up: the store is stopping".into(),
        ));
    }
    // Whatever is wrong there, it is not the segments that are merged.
    seal::seal_oldest(shared)
        .map(drop)
        .map_err(|error| StoreError::Io(error.to_string()))
}

/// Rows whose keys are computed at once.
const COMPUTED_ROWS: usize = 65_536;

/// The keys of some rows only: keys do not say which row they belong to, so they are computed again
/// from the events.
fn computed_keys(parts: &[Part], order: &Order) -> Result<(ContentKeys, u64)> {
    let mut keys = Vec::with_capacity(order.len());
    let mut raw_bytes = 0;
    let mut rows = order.iter();
    loop {
        let some: Vec<RowAt> = rows.by_ref().take(COMPUTED_ROWS).collect();
        if some.is_empty() {
            break;
        }
        for (number, part) in parts.iter().enumerate() {
            let of_part = some.iter().filter(|at| at.part as usize == number);
            let part_rows: Vec<u32> = of_part.map(|at| at.row).collect();
            raw_bytes += put_computed(part, &part_rows, &mut keys)?;
        }
    }
    keys.sort_unstable();
    Ok((ContentKeys::Listed(keys), raw_bytes))
}

/// Appends the keys of some rows of a part; returns how many bytes the events have.
fn put_computed(part: &Part, rows: &[u32], keys: &mut Vec<[u8; 16]>) -> Result<u64> {
    let mut clusters = Columns::ids(std::slice::from_ref(part), TextColumn::Cluster);
    let mut ids = Vec::with_capacity(rows.len());
    for &row in rows {
        ids.push(clusters.get(RowAt { part: 0, row })?);
    }
    let mut raw_bytes = 0;
    part.raw(rows, &mut |row, raw| {
        // Rows ascend.
        let index = rows.partition_point(|&before| before < row);
        let cluster = part.string(TextColumn::Cluster, ids[index])?;
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
    Ok(raw_bytes)
}

#[cfg(test)]
mod tests;
