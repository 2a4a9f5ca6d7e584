//! Sealing: a full active segment becomes immutable segments, one per event-time partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::{self, Plan};
use super::catalog::{SegmentKind, SegmentMeta};
use super::codec::damaged;
use super::keys::ContentKeys;
use super::layout::IntColumn;
use super::ledger;
use super::order::{Order, RowAt};
use super::part::Part;
use super::state::{Active, Shared};
use crate::limits;
use crate::model::time;
use crate::store::{Result, Sealed};

const DAY_US: i64 = 86_400_000_000;

/// The first Kubernetes release; earlier times are a broken clock.
const PLAUSIBLE_SINCE: i64 = 1_402_012_800_000_000;

/// Days that one active segment is split into; beyond, months are, so that an import in random
/// order does not make a file per day and seal.
const DAY_PARTITIONS_MAX: usize = 16;

/// Which partition an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Partition {
    /// A span of days since 1970, by its first one.
    Days(i64),
    /// The clock of whoever wrote this was wrong.
    Implausible,
}

/// Seals the oldest of the active segments that are full; false when none is.
pub(crate) fn seal_oldest(shared: &Shared) -> Result<bool> {
    let state = shared.state();
    if state.actives.len() < 2 {
        return Ok(false);
    }
    let active = &state.actives[0];
    let sealed = seal(shared, active)?;
    tracing::info!(
        segment = active.name,
        events = sealed.events,
        segments = sealed.segments,
        "sealed"
    );
    Ok(true)
}

/// Seals one active segment. A crash at any point leaves the old or the new state.
pub(crate) fn seal(shared: &Shared, active: &Active) -> Result<Sealed> {
    let parts: Vec<Part> = active
        .blocks
        .iter()
        .map(|block| Part::Block(Arc::clone(block), Arc::clone(&active.bodies)))
        .collect();
    let partitions = partition(active)?;
    let names: Vec<String> = partitions
        .iter()
        .map(|_| sealed_name(shared.take_number()))
        .collect();
    let keys = active.bodies.keys()?;
    let mut raw_lengths = vec![Vec::new(); active.blocks.len()];
    for (block, lengths) in active.blocks.iter().zip(&mut raw_lengths) {
        block.raw_lengths(lengths)?;
    }
    let mut sealed = Sealed::default();
    let build = || {
        let mut metas = Vec::with_capacity(names.len());
        for (order, name) in partitions.into_values().zip(&names) {
            let mut part_keys = Vec::with_capacity(order.len());
            for at in &order {
                let block_keys = keys
                    .get(&active.blocks[at.part as usize].first_id)
                    .ok_or_else(|| damaged("a block's keys are missing"))?;
                let key = block_keys
                    .get(at.row as usize * 16..at.row as usize * 16 + 16)
                    .ok_or_else(|| damaged("a block's keys are short"))?;
                part_keys.push(<[u8; 16]>::try_from(key).expect("the slice has 16 bytes"));
            }
            part_keys.sort_unstable();
            let raw_bytes = order
                .iter()
                .map(|at| raw_lengths[at.part as usize][at.row as usize])
                .sum::<i64>() as u64;
            let events = order.len() as u64;
            let plan = Plan {
                parts: &parts,
                order: &Order::Listed(order),
                keys: ContentKeys::Listed(part_keys),
                raw_bytes,
                siblings: names.clone(),
                replaces: vec![active.name.clone()],
                zstd_level: limits::SEALED_ZSTD_LEVEL,
                pause: &|| Ok(()),
            };
            let built = build::build(&shared.directory, name, plan)?;
            metas.push(meta_of(name, &built));
            sealed.events += events;
            sealed.segments += 1;
        }
        let records = ledger::active_records(&active.bodies)?;
        shared
            .ledger()
            .transfer(&active.name, &records, &active.bodies)?;
        Ok(metas)
    };
    let metas = build().inspect_err(|_| discard(shared, &names))?;
    replace(shared, std::slice::from_ref(&active.name), metas)?;
    Ok(sealed)
}

/// Removes what a failed attempt wrote: the next one takes other names, and a complete file that
/// nobody lists would be taken for a segment at the next start.
fn discard(shared: &Shared, names: &[String]) {
    let Ok(listing) = shared.catalog.list() else {
        return;
    };
    for name in names {
        // An error does not prove that the catalog did not take them.
        if listing.segments.iter().all(|meta| meta.name != *name) {
            let _ = std::fs::remove_file(shared.directory.join(name));
        }
    }
}

/// Swaps files in the catalog and in the state, then removes the old ones.
pub(crate) fn replace(shared: &Shared, remove: &[String], add: Vec<SegmentMeta>) -> Result<()> {
    let last_id = add
        .iter()
        .map(|meta| meta.last_id)
        .max()
        .unwrap_or_default();
    let generation = shared
        .catalog
        .replace(remove, &add, shared.last_number(), last_id)
        .inspect_err(|_| {
            let names: Vec<String> = add.iter().map(|meta| meta.name.clone()).collect();
            discard(shared, &names);
        })?;
    let state = shared.state();
    let needed = |name: &String| {
        let meta = state.sealed.iter().find(|meta| meta.name == *name);
        (name.clone(), meta.map(Arc::downgrade))
    };
    shared.retire(remove.iter().map(needed).collect());
    drop(state);
    shared.update(|state| {
        state.generation = generation;
        state
            .actives
            .retain(|active| !remove.contains(&active.name));
        state.sealed.retain(|meta| !remove.contains(&meta.name));
        state.sealed.extend(add.into_iter().map(Arc::new));
    });
    shared.forget_open(remove);
    shared.changed.notify_all();
    shared.sweep()
}

/// What the catalog keeps of a finished file.
pub(crate) fn meta_of(name: &str, built: &build::Built) -> SegmentMeta {
    let header = &built.header;
    SegmentMeta {
        name: name.to_owned(),
        kind: SegmentKind::Sealed,
        oldest: header.oldest,
        newest: header.newest,
        events: u64::from(header.rows),
        raw_bytes: header.raw_bytes,
        truncated: header.truncated,
        untimed: header.untimed,
        last_id: header.last_id,
        file_bytes: built.file_bytes,
        header_checksum: built.header_checksum,
        file_checksum: built.sha256.clone(),
    }
}

/// The name of a sealed segment's file.
pub(crate) fn sealed_name(number: u64) -> String {
    format!("sealed-{number:08}.db")
}

/// Live rows per partition, in order of (time, id).
fn partition(active: &Active) -> Result<BTreeMap<Partition, Vec<RowAt>>> {
    let mut rows = Vec::with_capacity(active.events as usize);
    let (mut times, mut ids) = (Vec::new(), Vec::new());
    for (part, block) in active.blocks.iter().enumerate() {
        block.ints(IntColumn::Time, &mut times)?;
        block.ints(IntColumn::Id, &mut ids)?;
        let mut dead = block.dead.iter().copied().peekable();
        for row in 0..block.rows {
            if dead.next_if_eq(&(row as u32)).is_none() {
                rows.push((
                    times[row],
                    ids[row],
                    RowAt {
                        part: part as u32,
                        row: row as u32,
                    },
                ));
            }
        }
    }
    rows.sort_unstable_by_key(|&(time, id, _)| (time, id));
    let implausible_after = time::now() + DAY_US;
    let day_of = |time: i64| {
        let plausible = (PLAUSIBLE_SINCE..implausible_after).contains(&time);
        plausible.then(|| time.div_euclid(DAY_US))
    };
    let mut days: Vec<i64> = rows.iter().filter_map(|&(time, ..)| day_of(time)).collect();
    days.dedup();
    let by_month = days.len() > DAY_PARTITIONS_MAX;
    let mut partitions: BTreeMap<Partition, Vec<RowAt>> = BTreeMap::new();
    for (time, _, at) in rows {
        let partition = match day_of(time) {
            None => Partition::Implausible,
            Some(day) if by_month => Partition::Days(month_of(time).unwrap_or(day)),
            Some(day) => Partition::Days(day),
        };
        partitions.entry(partition).or_default().push(at);
    }
    Ok(partitions)
}

/// The first day (since 1970) of the UTC month of an instant; `None` for implausible times.
pub(crate) fn month_of(time: i64) -> Option<i64> {
    use chrono::Datelike;
    if time < PLAUSIBLE_SINCE {
        return None;
    }
    let date = chrono::DateTime::from_timestamp_micros(time)?.date_naive();
    Some(i64::from(date.with_day(1)?.num_days_from_ce()))
}
