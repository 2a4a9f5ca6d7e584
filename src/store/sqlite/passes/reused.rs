//! Audit ids under which different requests were recorded. Clients may choose the id, so that one
//! request can stand behind another's.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::Passing;
use super::auditids::{AuditIds, halves};
use crate::limits::REUSED_IDS_HELD_MAX;
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::store::Result;
use crate::store::sqlite::deriver::Deriver;
use crate::store::sqlite::layout::{IntColumn, TextColumn};
use crate::store::sqlite::part::Part;
use crate::store::sqlite::rowreader::RowReader;
use crate::store::sqlite::uricolumns::UriColumns;

pub(super) const COLUMNS: &[(&str, Kind)] = &[("cluster", Kind::Text), ("audit_id", Kind::Text)];

/// Events that are held at once, and of one audit id when there are more: a request has four at
/// most. So few in tests that this comes about.
const HELD_MAX: usize = if cfg!(test) { 150 } else { REUSED_IDS_HELD_MAX };
const OF_ONE_MAX: usize = if cfg!(test) { 20 } else { 1000 };

/// What tells requests with one audit id apart.
const WHAT: [Column; 4] = [
    Column::ReceivedTime,
    Column::RequestUri,
    Column::User,
    Column::Verb,
];

/// Strings of a row whose ids stand for them in its part.
const TEXTS: [TextColumn; 4] = [
    TextColumn::Cluster,
    TextColumn::OddAuditId,
    TextColumn::User,
    TextColumn::Verb,
];

/// An event.
struct Entry {
    /// Equal only for events of one cluster with one audit id.
    id: [u64; 2],
    /// Equal only for events of one part that agree in everything; of two parts always different.
    what: [u64; 2],
    part: u32,
    row: u32,
}

/// Events whose audit ids are looked at together: those of whose hashes the low bits are these.
#[derive(Clone, Copy)]
struct Share {
    bits: u32,
    value: u64,
}

impl Share {
    fn has(self, id: [u64; 2]) -> bool {
        id[0] & ((1 << self.bits) - 1) == self.value
    }

    /// Halves it, and gives the other half.
    fn split(&mut self) -> Share {
        let other = Share {
            bits: self.bits + 1,
            value: self.value | 1 << self.bits,
        };
        self.bits += 1;
        other
    }
}

/// Makes room: of events of one audit id those go that agree with others or are too many, and then,
/// if need be, half of the audit ids are left for another pass.
fn make_room(entries: &mut Vec<Entry>, share: &mut Share, waiting: &mut Vec<Share>) {
    entries.sort_unstable_by_key(|entry| (entry.id, entry.what));
    entries.dedup_by_key(|entry| (entry.id, entry.what));
    let (mut of_one, mut last) = (0, None);
    entries.retain(|entry| {
        of_one = if last == Some(entry.id) {
            of_one + 1
        } else {
            0
        };
        last = Some(entry.id);
        of_one < OF_ONE_MAX
    });
    while entries.len() > HELD_MAX / 2 && share.bits < 40 {
        waiting.push(share.split());
        entries.retain(|entry| share.has(entry.id));
    }
}

/// One row per cluster and audit id, for [`Passing::until_sound`]: events of a part that turns out to be
/// damaged may have been taken for requests by then, or have taken the place of others. What does not
/// fit into memory is left for another pass.
pub(super) fn found(passing: &mut Passing<'_>) -> Result<Vec<Vec<Value>>> {
    // Whoever chooses audit ids must not be able to choose their hashes.
    let seed = RandomState::new().hash_one(0);
    let mut rows = Vec::new();
    let mut waiting = vec![Share { bits: 0, value: 0 }];
    let mut columns = Columns::default();
    while let Some(mut share) = waiting.pop() {
        let mut entries: Vec<Entry> = Vec::new();
        let mut readers: BTreeMap<u32, RowReader> = BTreeMap::new();
        passing.each_chunk(&mut |number, part, rows| {
            let Some(&first) = rows.first() else {
                return Ok(());
            };
            readers
                .entry(number)
                .or_insert_with(|| RowReader::new(part.clone()));
            let (chunk, base) = part.chunk_of(first);
            columns.load(part, chunk, rows)?;
            for &row in rows {
                let at = (row - base) as usize;
                let id = columns.audit_ids.hash(part, row, at, seed)?;
                if entries.len() >= HELD_MAX {
                    make_room(&mut entries, &mut share, &mut waiting);
                }
                if share.has(id) {
                    entries.push(Entry {
                        id,
                        what: halves(xxh3_128_with_seed(&columns.what(number, at), seed)),
                        part: number,
                        row,
                    });
                }
            }
            Ok(())
        })?;
        entries.sort_unstable_by_key(|entry| (entry.id, entry.what));
        for events in entries.chunk_by(|left, right| left.id == right.id) {
            if events[0].what != events[events.len() - 1].what {
                rows.extend(reused_in(passing, events, &mut readers)?);
            }
        }
    }
    Ok(rows)
}

/// Columns of one chunk.
#[derive(Default)]
struct Columns {
    audit_ids: AuditIds,
    times: Vec<i64>,
    latencies: Vec<i64>,
    ids: [Vec<u32>; TEXTS.len() + UriColumns::ORDER.len()],
}

impl Columns {
    fn load(&mut self, part: &Part, chunk: u32, rows: &[u32]) -> Result<()> {
        self.audit_ids.load(part, chunk, rows)?;
        part.ints(IntColumn::Time, chunk, &mut self.times)?;
        part.ints(IntColumn::Latency, chunk, &mut self.latencies)?;
        let texts = TEXTS.into_iter().chain(UriColumns::ORDER);
        for (column, ids) in texts.zip(&mut self.ids) {
            part.ids(column, chunk, ids)?;
        }
        Ok(())
    }

    /// What makes a row's request, as numbers of its part.
    fn what(&self, part: u32, at: usize) -> [u8; 64] {
        let mut what = [0; 64];
        let received = crate::store::sqlite::layout::decode_latency(self.latencies[at])
            .map_or(i64::MIN, |latency| self.times[at].wrapping_sub(latency));
        what[..8].copy_from_slice(&received.to_le_bytes());
        what[8..12].copy_from_slice(&part.to_le_bytes());
        let (numbers, _) = what[12..].as_chunks_mut::<4>();
        for (number, ids) in numbers.iter_mut().zip(&self.ids) {
            *number = ids[at].to_le_bytes();
        }
        what
    }
}

/// Cluster and audit id of events that have these in common, if they are of different requests.
/// Events that agree stand together.
fn reused_in(
    passing: &mut Passing<'_>,
    events: &[Entry],
    readers: &mut BTreeMap<u32, RowReader>,
) -> Result<Option<Vec<Value>>> {
    let mut known = [const { Value::Null }; WHAT.len()];
    for events in events.chunk_by(|left, right| left.what == right.what) {
        passing.budget.check()?;
        let Entry { part, row, .. } = events[0];
        let Some(reader) = readers.get_mut(&part) else {
            continue;
        };
        let other = differs(&mut known, reader, row, &passing.snapshot.deriver);
        if let Some(Some(ids)) = passing.tolerate(part, other)? {
            return Ok(Some(ids));
        }
    }
    Ok(None)
}

/// Cluster and audit id of an event that is of another request than what is known of one. What is not
/// yet known is taken from it.
fn differs(
    known: &mut [Value; WHAT.len()],
    reader: &mut RowReader,
    row: u32,
    deriver: &Deriver,
) -> Result<Option<Vec<Value>>> {
    let mut value =
        |column| -> Result<Value> { Ok(reader.cell(column, row, deriver)?.of(column).to_value()) };
    for (known, column) in known.iter_mut().zip(WHAT) {
        match (&*known, value(column)?) {
            (_, Value::Null) => {}
            (Value::Null, found) => *known = found,
            (known, found) if *known == found => {}
            _ => return Ok(Some(vec![value(Column::Cluster)?, value(Column::AuditId)?])),
        }
    }
    Ok(None)
}
