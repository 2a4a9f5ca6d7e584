//! How long after their time events were stored: what says that clocks disagree.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::Passing;
use crate::limits::COUNT_GROUPS_MAX;
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::store::sqlite::layout::{IntColumn, TextColumn, decode_latency};
use crate::store::sqlite::part::Part;
use crate::store::sqlite::rowreader::{Cell, RowReader};
use crate::store::{Result, StoreError};

pub(super) const COLUMNS: &[(&str, Kind)] = &[
    ("cluster", Kind::Text),
    ("source", Kind::Text),
    ("ahead_us", Kind::Int),
    ("events", Kind::Int),
    ("before_received", Kind::Int),
    ("untimed", Kind::Int),
    ("least_delay_us", Kind::Int),
    ("most_delay_us", Kind::Int),
    ("an_audit_id", Kind::Text),
];

/// What events that are ahead by equally much have in common; those that are not ahead at all are
/// together.
#[derive(Clone, Copy)]
struct Delay {
    events: u64,
    before_received: u64,
    untimed: u64,
    least: i64,
    most: i64,
    /// One of them.
    row: u32,
}

impl Delay {
    fn add(&mut self, other: &Delay) {
        self.events += other.events;
        self.before_received += other.before_received;
        self.untimed += other.untimed;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }
}

/// Ids of cluster and source in their part, and how much ahead.
type Key = (u32, u32, i64);

#[derive(Default)]
struct Chunk {
    clusters: Vec<u32>,
    sources: Vec<u32>,
    qualities: Vec<u32>,
    times: Vec<i64>,
    stored: Vec<i64>,
    latencies: Vec<i64>,
}

impl Chunk {
    fn load(&mut self, part: &Part, chunk: u32) -> Result<()> {
        part.ids(TextColumn::Cluster, chunk, &mut self.clusters)?;
        part.ids(TextColumn::Source, chunk, &mut self.sources)?;
        part.ids(TextColumn::TimeQuality, chunk, &mut self.qualities)?;
        part.ints(IntColumn::Time, chunk, &mut self.times)?;
        part.ints(IntColumn::StoredTime, chunk, &mut self.stored)?;
        part.ints(IntColumn::Latency, chunk, &mut self.latencies)
    }

    fn row(&self, at: usize, row: u32) -> (Key, Delay) {
        let delay = self.stored[at].saturating_sub(self.times[at]);
        let ahead = delay.min(0).saturating_neg();
        let early = decode_latency(self.latencies[at]).is_some_and(|latency| latency < 0);
        let key = (self.clusters[at], self.sources[at], ahead);
        let delay = Delay {
            events: 1,
            before_received: u64::from(early),
            untimed: u64::from(self.qualities[at] != 0),
            least: delay,
            most: delay,
            row,
        };
        (key, delay)
    }
}

/// By the texts of cluster and source.
type Found = BTreeMap<(Option<Box<str>>, Option<Box<str>>, i64), (Delay, Value)>;

/// One row per cluster, source and how much ahead.
pub(super) fn find(passing: &mut Passing<'_>) -> Result<()> {
    let deriver = passing.snapshot.deriver.clone();
    let mut found = Found::new();
    let mut of_part: FxHashMap<Key, Delay> = FxHashMap::default();
    let mut chunk = Chunk::default();
    let mut counted = 0;
    let value = |text: Option<Box<str>>| text.map_or(Value::Null, Value::text);
    passing.each_chunk(&mut |number, part, rows| {
        // Of a part that turned out to be damaged nothing counts.
        if counted != number {
            of_part.clear();
            counted = number;
        }
        let Some(&first) = rows.first() else {
            let mut reader = RowReader::new(part.clone());
            for ((_, _, ahead), delay) in of_part.drain() {
                let mut text = |column| {
                    Ok(match reader.cell(column, delay.row, &deriver)? {
                        Cell::Text(text) => Some(Box::from(text)),
                        _ => None,
                    })
                };
                let key = (text(Column::Cluster)?, text(Column::Source)?, ahead);
                match found.get_mut(&key) {
                    Some((known, _)) => known.add(&delay),
                    None => {
                        found.insert(key, (delay, value(text(Column::AuditId)?)));
                    }
                }
            }
            return Ok(());
        };
        let (at, base) = part.chunk_of(first);
        chunk.load(part, at)?;
        for &row in rows {
            let (key, delay) = chunk.row((row - base) as usize, row);
            of_part
                .entry(key)
                .and_modify(|known| known.add(&delay))
                .or_insert(delay);
        }
        if found.len() + of_part.len() > COUNT_GROUPS_MAX {
            return Err(StoreError::LimitReached(format!(
                "events are ahead of the clock by more than {COUNT_GROUPS_MAX} different times; \
                 narrow the time range"
            )));
        }
        Ok(())
    })?;
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let row = |((cluster, source, ahead), (delay, audit_id))| {
        let delay: Delay = delay;
        vec![
            value(cluster),
            value(source),
            Value::Int(ahead),
            int(delay.events),
            int(delay.before_received),
            int(delay.untimed),
            Value::Int(delay.least),
            Value::Int(delay.most),
            audit_id,
        ]
    };
    passing.passed.rows = found.into_iter().map(row).collect();
    Ok(())
}
