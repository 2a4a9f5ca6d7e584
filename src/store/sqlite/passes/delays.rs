//! How long after their time events were stored: what says that clocks disagree.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::Passing;
use crate::model::column::{Column, Kind};
use crate::model::value::Value;
use crate::store::Result;
use crate::store::sqlite::layout::{IntColumn, TextColumn, decode_latency};
use crate::store::sqlite::part::Part;
use crate::store::sqlite::rowreader::{Cell, RowReader};

pub(super) const COLUMNS: &[(&str, Kind)] = &[
    ("cluster", Kind::Text),
    ("source", Kind::Text),
    ("events", Kind::Int),
    ("future", Kind::Int),
    ("before_received", Kind::Int),
    ("untimed", Kind::Int),
    ("least_delay_us", Kind::Int),
    ("most_delay_us", Kind::Int),
    ("least_audit_id", Kind::Text),
];

/// What is known of the events of a cluster and source.
#[derive(Clone, Copy)]
struct Delays {
    events: u64,
    future: u64,
    before_received: u64,
    untimed: u64,
    least: i64,
    most: i64,
    /// The one with the least delay.
    row: u32,
}

impl Delays {
    /// Adds others; true if the least delay is one of theirs.
    fn add(&mut self, others: &Delays) -> bool {
        self.events += others.events;
        self.future += others.future;
        self.before_received += others.before_received;
        self.untimed += others.untimed;
        self.most = self.most.max(others.most);
        let less = others.least < self.least;
        if less {
            (self.least, self.row) = (others.least, others.row);
        }
        less
    }
}

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

    fn delays(&self, at: usize, row: u32, tolerance: i64) -> Delays {
        let delay = self.stored[at].saturating_sub(self.times[at]);
        let early = decode_latency(self.latencies[at]).is_some_and(|latency| latency < 0);
        Delays {
            events: 1,
            future: u64::from(delay.saturating_neg() > tolerance),
            before_received: u64::from(early),
            untimed: u64::from(self.qualities[at] != 0),
            least: delay,
            most: delay,
            row,
        }
    }
}

/// Texts of cluster and source.
type Names = [Option<Box<str>>; 2];

/// One row per cluster and source: the events of a clock that is wrong are each ahead by a time of
/// their own.
pub(super) fn find(passing: &mut Passing<'_>, tolerance: i64) -> Result<()> {
    let deriver = passing.snapshot.deriver.clone();
    let mut found: BTreeMap<Names, (Delays, Value)> = BTreeMap::new();
    // By the ids of cluster and source in the part.
    let mut of_part: FxHashMap<(u32, u32), Delays> = FxHashMap::default();
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
            // All is read before the first is added, for the same reason.
            let mut reader = RowReader::new(part.clone());
            let mut named = Vec::with_capacity(of_part.len());
            for (_, delays) in of_part.drain() {
                let mut text = |column| {
                    Ok(match reader.cell(column, delays.row, &deriver)? {
                        Cell::Text(text) => Some(Box::from(text)),
                        _ => None,
                    })
                };
                let names = [text(Column::Cluster)?, text(Column::Source)?];
                named.push((names, delays, value(text(Column::AuditId)?)));
            }
            for (names, delays, audit_id) in named {
                match found.get_mut(&names) {
                    None => {
                        found.insert(names, (delays, audit_id));
                    }
                    Some((known, known_id)) => {
                        if known.add(&delays) {
                            *known_id = audit_id;
                        }
                    }
                }
            }
            return Ok(());
        };
        let (at, base) = part.chunk_of(first);
        chunk.load(part, at)?;
        for &row in rows {
            let at = (row - base) as usize;
            let delays = chunk.delays(at, row, tolerance);
            of_part
                .entry((chunk.clusters[at], chunk.sources[at]))
                .and_modify(|known| {
                    known.add(&delays);
                })
                .or_insert(delays);
        }
        Ok(())
    })?;
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let row = |([cluster, source], (delays, audit_id)): (Names, (Delays, Value))| {
        vec![
            value(cluster),
            value(source),
            int(delays.events),
            int(delays.future),
            int(delays.before_received),
            int(delays.untimed),
            Value::Int(delays.least),
            Value::Int(delays.most),
            audit_id,
        ]
    };
    passing.passed.rows = found.into_iter().map(row).collect();
    Ok(())
}
