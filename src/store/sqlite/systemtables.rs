//! The tables about the store itself: their columns and their rows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::ledger::Intake;
use super::report::{each_part, ingest_lines, quarantined, sound};
use super::scan::Snapshot;
use super::state::Shared;
use crate::model::value::Value;
use crate::store::{Budget, ReportRecord, Result};

/// The tables about the store itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemTable {
    /// segment, state, events, oldest, newest, raw_bytes, stored_bytes
    Segments,
    /// id, stored_time, cluster, source, origin, reason, bytes, duplicates, raw
    Quarantine,
    /// batch commits: stored_time, cluster, source, events, duplicates, quarantined
    IngestLog,
    /// cluster, source, events, duplicates, quarantined, first_seen, last_seen
    Sources,
    /// made_at, name, since, until, form, path, sha256, made_for, outcome, reason
    Reports,
    /// what retention removed: pruned_time, before, events, oldest, newest, segment
    Pruned,
}

impl SystemTable {
    /// Column names with their SQL types.
    pub fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            SystemTable::Segments => &[
                ("segment", "text"),
                ("state", "text"),
                ("events", "integer"),
                ("oldest", "text"),
                ("newest", "text"),
                ("raw_bytes", "integer"),
                ("stored_bytes", "integer"),
            ],
            SystemTable::Quarantine => &[
                ("id", "integer"),
                ("stored_time", "text"),
                ("cluster", "text"),
                ("source", "text"),
                ("origin", "text"),
                ("reason", "text"),
                ("bytes", "integer"),
                ("duplicates", "integer"),
                ("raw", "blob"),
            ],
            SystemTable::IngestLog => &[
                ("stored_time", "text"),
                ("cluster", "text"),
                ("source", "text"),
                ("events", "integer"),
                ("duplicates", "integer"),
                ("quarantined", "integer"),
            ],
            SystemTable::Sources => &[
                ("cluster", "text"),
                ("source", "text"),
                ("events", "integer"),
                ("duplicates", "integer"),
                ("quarantined", "integer"),
                ("first_seen", "text"),
                ("last_seen", "text"),
            ],
            SystemTable::Reports => &[
                ("made_at", "text"),
                ("name", "text"),
                ("since", "text"),
                ("until", "text"),
                ("form", "text"),
                ("path", "text"),
                ("sha256", "text"),
                ("made_for", "text"),
                ("outcome", "text"),
                ("reason", "text"),
            ],
            SystemTable::Pruned => &[
                ("pruned_time", "text"),
                ("before", "text"),
                ("events", "integer"),
                ("oldest", "text"),
                ("newest", "text"),
                ("segment", "text"),
            ],
        }
    }
}

/// The rows of a table about the store itself.
pub(crate) fn rows(
    snapshot: &Snapshot,
    table: SystemTable,
    budget: &Budget,
) -> Result<Vec<Vec<Value>>> {
    budget.check()?;
    let number = |value: u64| Value::Int(value as i64);
    Ok(match table {
        SystemTable::Segments => {
            let sealed = snapshot.state.sealed.iter().map(|meta| {
                vec![
                    Value::text(meta.name.as_str()),
                    Value::text("sealed"),
                    number(meta.events),
                    Value::Time(meta.oldest),
                    Value::Time(meta.newest),
                    number(meta.raw_bytes),
                    number(meta.file_bytes),
                ]
            });
            let active = snapshot.state.actives.iter().map(|active| {
                let oldest = active.blocks.iter().map(|block| block.oldest).min();
                let newest = active.blocks.iter().map(|block| block.newest).max();
                vec![
                    Value::text(active.name.as_str()),
                    Value::text("active"),
                    number(active.events),
                    oldest.map_or(Value::Null, Value::Time),
                    newest.map_or(Value::Null, Value::Time),
                    number(active.raw_bytes),
                    Value::Null,
                ]
            });
            sealed.chain(active).collect()
        }
        SystemTable::Quarantine => {
            let mut rows = Vec::new();
            for record in quarantined(&snapshot.shared)? {
                budget.check()?;
                let item = sound(record)?;
                let raw = if item.bytes <= crate::limits::SQL_LENGTH_BYTES_MAX as u64 {
                    Value::Bytes(quarantined_bytes(&snapshot.shared, item.id)?.into())
                } else {
                    Value::Null
                };
                rows.push(vec![
                    Value::Int(item.id),
                    Value::text(item.stored_time),
                    Value::text(item.cluster),
                    Value::text(item.source),
                    Value::text(item.origin),
                    Value::text(item.reason),
                    number(item.bytes),
                    number(item.duplicates),
                    raw,
                ]);
            }
            rows
        }
        SystemTable::IngestLog => ingest_lines(&snapshot.shared)?
            .into_iter()
            .map(|line| {
                vec![
                    Value::Time(line.stored_time),
                    Value::text(line.cluster),
                    Value::text(line.source),
                    number(line.events),
                    number(line.duplicates),
                    number(line.quarantined),
                ]
            })
            .collect(),
        SystemTable::Reports => {
            let text = |text: Option<String>| text.map_or(Value::Null, Value::text);
            let records = snapshot.shared.ledger().reports()?.into_iter();
            let row = |record: ReportRecord| {
                vec![
                    Value::Time(record.made_at),
                    Value::text(record.name),
                    Value::Time(record.since),
                    Value::Time(record.until),
                    Value::text(record.form),
                    Value::text(record.path),
                    text(record.sha256),
                    Value::text(record.made_for),
                    Value::text(record.outcome),
                    text(record.reason),
                ]
            };
            records.map(row).collect()
        }
        SystemTable::Sources => sources(&snapshot.shared)?
            .into_iter()
            .map(|((cluster, source), intake)| {
                vec![
                    Value::text(cluster),
                    Value::text(source),
                    number(intake.events),
                    number(intake.duplicates),
                    number(intake.quarantined),
                    Value::Time(intake.first_seen),
                    Value::Time(intake.last_seen),
                ]
            })
            .collect(),
        SystemTable::Pruned => snapshot
            .shared
            .ledger()
            .prunings()?
            .into_iter()
            .map(|pruning| {
                vec![
                    Value::Time(pruning.pruned_time),
                    Value::Time(pruning.before),
                    number(pruning.events),
                    Value::Time(pruning.oldest),
                    Value::Time(pruning.newest),
                    Value::text(pruning.segment),
                ]
            })
            .collect(),
    })
}

fn sources(shared: &Shared) -> Result<BTreeMap<(String, String), Intake>> {
    let mut sources: BTreeMap<(String, String), Intake> = BTreeMap::new();
    for line in ingest_lines(shared)? {
        let intake = sources
            .entry((line.cluster, line.source))
            .or_insert(Intake {
                first_seen: line.stored_time,
                last_seen: line.stored_time,
                ..Intake::default()
            });
        intake.events += line.events;
        intake.duplicates += line.duplicates;
        intake.quarantined += line.quarantined;
        intake.first_seen = intake.first_seen.min(line.stored_time);
        intake.last_seen = intake.last_seen.max(line.stored_time);
    }
    Ok(sources)
}

/// The bytes of a quarantined item; empty when there is none.
fn quarantined_bytes(shared: &Shared, id: i64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    each_part(shared, id, &mut |part| {
        bytes.extend_from_slice(part);
        ControlFlow::Continue(())
    })?;
    Ok(bytes)
}
