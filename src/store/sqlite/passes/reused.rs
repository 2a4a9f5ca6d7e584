//! Audit ids under which different requests were recorded. Clients may choose the id, so that one
//! request can stand behind another's.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::Passing;
use crate::limits::REUSED_IDS_HELD_MAX;
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::store::sqlite::deriver::Deriver;
use crate::store::sqlite::layout::{IntColumn, TextColumn};
use crate::store::sqlite::part::Part;
use crate::store::sqlite::rowreader::RowReader;
use crate::store::sqlite::uricolumns::UriColumns;
use crate::store::{Budget, Result, StoreError};

pub(super) const COLUMNS: &[(&str, Kind)] = &[("cluster", Kind::Text), ("audit_id", Kind::Text)];

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
    audit_key: [u8; 16],
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
    fn has(self, hash: u64) -> bool {
        hash & ((1 << self.bits) - 1) == self.value
    }

    /// Halves it, and gives the other half.
    fn split(&mut self) -> Result<Share> {
        if self.bits == 40 {
            return Err(StoreError::LimitReached(format!(
                "one audit id stands for more than {REUSED_IDS_HELD_MAX} events; narrow the time range"
            )));
        }
        let other = Share {
            bits: self.bits + 1,
            value: self.value | 1 << self.bits,
        };
        self.bits += 1;
        Ok(other)
    }
}

/// One row per cluster and audit id. What does not fit into memory is left for another pass.
pub(super) fn find(passing: &mut Passing<'_>) -> Result<()> {
    // Whoever chooses audit ids must not be able to choose their hashes.
    let seed = RandomState::new().hash_one(0);
    let (deriver, budget) = (passing.snapshot.deriver.clone(), passing.budget.clone());
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
            columns.load(part, chunk)?;
            for &row in rows {
                let at = (row - base) as usize;
                let audit_key = columns.audit_keys[at];
                if !share.has(xxh3_64_with_seed(&audit_key, seed)) {
                    continue;
                }
                while entries.len() >= REUSED_IDS_HELD_MAX {
                    waiting.push(share.split()?);
                    entries.retain(|entry| share.has(xxh3_64_with_seed(&entry.audit_key, seed)));
                }
                if share.has(xxh3_64_with_seed(&audit_key, seed)) {
                    let what = xxh3_128_with_seed(&columns.what(number, at), seed);
                    entries.push(Entry {
                        audit_key,
                        what: [what as u64, (what >> 64) as u64],
                        part: number,
                        row,
                    });
                }
            }
            Ok(())
        })?;
        entries.sort_unstable_by_key(|entry| (entry.audit_key, entry.what));
        for events in entries.chunk_by_mut(|left, right| left.audit_key == right.audit_key) {
            if events[0].what != events[events.len() - 1].what {
                rows.extend(reused_in(events, &mut readers, &deriver, &budget)?);
            }
        }
    }
    passing.passed.rows = rows;
    Ok(())
}

/// Columns of one chunk.
#[derive(Default)]
struct Columns {
    audit_keys: Vec<[u8; 16]>,
    times: Vec<i64>,
    latencies: Vec<i64>,
    ids: [Vec<u32>; TEXTS.len() + UriColumns::ORDER.len()],
}

impl Columns {
    fn load(&mut self, part: &Part, chunk: u32) -> Result<()> {
        part.audit_keys(chunk, &mut self.audit_keys)?;
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

/// The clusters of events with one audit id in which it stands for different requests. Events that
/// agree stand together.
fn reused_in(
    events: &[Entry],
    readers: &mut BTreeMap<u32, RowReader>,
    deriver: &Deriver,
    budget: &Budget,
) -> Result<Vec<Vec<Value>>> {
    /// By cluster and audit id, what is known of the request, and whether there is another.
    type Requests = Vec<([Value; 2], [Value; WHAT.len()], bool)>;
    let mut requests = Requests::new();
    for events in events.chunk_by(|left, right| left.what == right.what) {
        budget.check()?;
        let Entry { part, row, .. } = events[0];
        let Some(reader) = readers.get_mut(&part) else {
            continue;
        };
        let mut text = |column| -> Result<Value> {
            Ok(reader.cell(column, row, deriver)?.of(column).to_value())
        };
        let id = [text(Column::Cluster)?, text(Column::AuditId)?];
        let Some(found) = requests.iter().position(|(known, ..)| *known == id) else {
            let mut what = [const { Value::Null }; WHAT.len()];
            for (value, column) in what.iter_mut().zip(WHAT) {
                *value = text(column)?;
            }
            requests.push((id, what, false));
            continue;
        };
        let (_, known, differs) = &mut requests[found];
        for (known, column) in known.iter_mut().zip(WHAT) {
            if *differs {
                break;
            }
            match (&*known, text(column)?) {
                (_, Value::Null) => {}
                (Value::Null, value) => *known = value,
                (known, value) => *differs = *known != value,
            }
        }
    }
    let reused = requests.into_iter().filter(|(_, _, differs)| *differs);
    Ok(reused.map(|(id, ..)| id.into()).collect())
}
