//! Audit ids that several events have, found among many that only one has.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use rustc_hash::{FxHashMap, FxHashSet};

use super::Passing;
use super::auditids::AuditIds;
use crate::limits::REUSED_IDS_HELD_MAX;
use crate::model::column::Column;
use crate::model::value::Value;
use crate::store::Result;
use crate::store::sqlite::part::Part;
use crate::store::sqlite::rowreader::RowReader;

/// Audit ids that are held at once. So few in tests that more are found.
const HELD_MAX: usize = if cfg!(test) { 20 } else { REUSED_IDS_HELD_MAX };

/// Bits of the filter by which audit ids are told apart at first, per event and at most: 16 MiB. So few in
/// tests that some fall together.
const BITS_PER_EVENT: u64 = if cfg!(test) { 1 } else { 16 };
const BITS_MAX: u64 = 1 << 27;

/// One row per cluster and audit id, as [`super::reused::found`] gives them.
pub(super) fn found(passing: &mut Passing<'_>) -> Result<Vec<Vec<Value>>> {
    // Whoever chooses audit ids must not be able to choose their hashes.
    let seed = RandomState::new().hash_one(0);
    let again = seen_again(passing, seed)?;
    let mut rows = Vec::new();
    for some in again.chunks(HELD_MAX) {
        of_several(passing, some, seed, &mut rows)?;
    }
    Ok(rows)
}

/// Halves of the hashes of audit ids that came again, and some that fell together with another; sorted.
fn seen_again(passing: &mut Passing<'_>, seed: u64) -> Result<Vec<u64>> {
    let bits = passing
        .snapshot
        .event_count()
        .saturating_mul(BITS_PER_EVENT);
    let bits = bits.next_power_of_two().clamp(64, BITS_MAX);
    let mut seen = vec![0_u64; (bits / 64) as usize];
    let mut again: FxHashSet<u64> = FxHashSet::default();
    each_hash(passing, seed, &mut |_, _, [low, high]| {
        let mut known = true;
        for hash in [low, low >> 32, high, high >> 32] {
            let bit = hash & (bits - 1);
            let word = &mut seen[(bit / 64) as usize];
            known &= *word >> (bit % 64) & 1 == 1;
            *word |= 1 << (bit % 64);
        }
        if known {
            again.insert(low);
        }
    })?;
    let mut again: Vec<u64> = again.into_iter().collect();
    again.sort_unstable();
    Ok(again)
}

/// The first event of an audit id, and whether there is another.
struct First {
    part: u32,
    row: u32,
    repeated: bool,
}

/// Adds those of some audit ids that several events have.
fn of_several(
    passing: &mut Passing<'_>,
    some: &[u64],
    seed: u64,
    rows: &mut Vec<Vec<Value>>,
) -> Result<()> {
    let mut firsts: FxHashMap<[u64; 2], First> = FxHashMap::default();
    let mut readers: BTreeMap<u32, RowReader> = BTreeMap::new();
    each_hash(passing, seed, &mut |(number, part), row, hash| {
        if some.binary_search(&hash[0]).is_err() {
            return;
        }
        let first = firsts.entry(hash).or_insert_with(|| {
            let reader = || RowReader::new(part.clone());
            readers.entry(number).or_insert_with(reader);
            First {
                part: number,
                row,
                repeated: false,
            }
        });
        // What two filters match comes twice.
        first.repeated |= (first.part, first.row) != (number, row);
    })?;
    for first in firsts.into_values().filter(|first| first.repeated) {
        passing.budget.check()?;
        let Some(reader) = readers.get_mut(&first.part) else {
            continue;
        };
        let deriver = &passing.snapshot.deriver;
        let mut value = |column| -> Result<Value> {
            let cell = reader.cell(column, first.row, deriver)?;
            Ok(cell.of(column).to_value())
        };
        let cluster = value(Column::Cluster);
        let row = cluster.and_then(|cluster| Ok(vec![cluster, value(Column::AuditId)?]));
        rows.extend(passing.tolerate(first.part, row)?);
    }
    Ok(())
}

/// Hands over each matching event's part with its number, row, and the hash of its cluster and audit id.
fn each_hash(
    passing: &mut Passing<'_>,
    seed: u64,
    sink: &mut dyn FnMut((u32, &Part), u32, [u64; 2]),
) -> Result<()> {
    let mut ids = AuditIds::default();
    passing.each_chunk(&mut |number, part, rows| {
        let Some(&first) = rows.first() else {
            return Ok(());
        };
        let (chunk, base) = part.chunk_of(first);
        ids.load(part, chunk, rows)?;
        for &row in rows {
            let hash = ids.hash(part, row, (row - base) as usize, seed)?;
            sink((number, part), row, hash);
        }
        Ok(())
    })
}
