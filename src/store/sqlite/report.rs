//! What the store says of itself: sizes, counts, quarantine, and what answers cannot show.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use sha2::Digest;

use super::ledger::{self, IngestLine};
use super::open::LEDGER;
use super::quarantine::{IngestLines, Record, part_of, place_of, quarantine_digest};
use super::scan::Snapshot;
use super::state::Shared;
use crate::model::time;
use crate::model::value::Value;
use crate::store::{Budget, CountQuery, Coverage, Quarantined, Result, Stats, StoreError};

/// Sizes and counts.
pub(crate) fn stats(shared: &Arc<Shared>) -> Result<Stats> {
    let state = shared.state();
    let snapshot = Arc::new(Snapshot::new(Arc::clone(shared)));
    let mut stats = Stats {
        identity: shared.identity.clone(),
        ..Stats::default()
    };
    let mut components: BTreeMap<String, u64> = BTreeMap::new();
    let mut sealed_bytes = 0;
    let mut accounted = 0;
    for meta in &state.sealed {
        stats.sealed_events += meta.events;
        stats.raw_bytes += meta.raw_bytes;
        sealed_bytes += meta.file_bytes;
        match shared.open_sealed(meta) {
            Ok(sealed) => {
                stats.outdated += u64::from(!sealed.is_current());
                for (name, bytes) in &sealed.header.components {
                    *components.entry(name.clone()).or_default() += bytes;
                    accounted += bytes;
                }
            }
            Err(error) => stats.damaged.push(error.to_string()),
        }
    }
    for active in &state.actives {
        stats.active_events += active.events;
        stats.raw_bytes += active.raw_bytes;
    }
    stats.events = stats.sealed_events + stats.active_events;
    stats.segments = (state.sealed.len() + state.actives.len()) as u64;
    let other = directory_bytes(shared).saturating_sub(sealed_bytes);
    components.insert("active segment, catalog, ledger".to_owned(), other);
    components.insert(
        "file structure".to_owned(),
        sealed_bytes.saturating_sub(accounted),
    );
    stats.stored_bytes = sealed_bytes + other;
    stats.components = components.into_iter().collect();
    stats
        .components
        .sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let (oldest, newest) = range(&snapshot);
    stats.oldest = oldest.map(time::to_text);
    stats.newest = newest.map(time::to_text);
    let mut answer = |row: &[Value]| {
        if let [Value::Text(cluster), Value::Int(count)] = row {
            stats.clusters.push((cluster.to_string(), *count as u64));
        }
        ControlFlow::Continue(())
    };
    let query = CountQuery {
        by: vec![crate::model::column::Column::Cluster],
        skip_damaged: true,
        ..CountQuery::default()
    };
    super::count::count(&snapshot, &query, &Budget::new(None), &mut answer)?;
    for line in ingest_lines(shared)? {
        stats.received += line.events + line.duplicates;
        stats.duplicates += line.duplicates;
    }
    let quarantined = quarantined(shared)?;
    stats.quarantined = quarantined.len() as u64;
    stats.received += stats.quarantined;
    stats.pruned = shared.ledger().pruned()?.events;
    Ok(stats)
}

/// Bytes of all files in the store's directory.
fn directory_bytes(shared: &Shared) -> u64 {
    let entries = std::fs::read_dir(&shared.directory)
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}

fn range(snapshot: &Snapshot) -> (Option<i64>, Option<i64>) {
    let (parts, _) = snapshot.parts(&crate::store::filter::Filter::default());
    (
        parts.iter().map(|part| part.oldest).min(),
        parts.iter().map(|part| part.newest).max(),
    )
}

/// The ingest log of active segments and of the ledger.
pub(crate) fn ingest_lines(shared: &Shared) -> Result<Vec<IngestLine>> {
    let mut all = checked(LEDGER, shared.ledger().ingest()?)?;
    for active in &shared.state().actives {
        // A segment between its transfer and its removal would count twice.
        if !shared.ledger().has_transferred(&active.name)? {
            let records = ledger::active_records(&active.bodies)?;
            all.extend(checked(&active.name, records.ingest)?);
        }
    }
    Ok(all)
}

fn checked(file: &str, found: IngestLines) -> Result<Vec<IngestLine>> {
    match found.damage {
        Some(damage) => Err(StoreError::Damaged(format!("{file}: {damage}"))),
        None => Ok(found.lines),
    }
}

/// All quarantined items, oldest first; copies of the same bytes are one item.
pub(crate) fn quarantined(shared: &Shared) -> Result<Vec<Record>> {
    let mut items: BTreeMap<[u8; 32], Record> = BTreeMap::new();
    for record in shared.ledger().quarantine()? {
        items.insert(record.digest, record);
    }
    for active in &shared.state().actives {
        if shared.ledger().has_transferred(&active.name)? {
            continue;
        }
        for record in ledger::active_records(&active.bodies)?.quarantine {
            match items.get_mut(&record.digest) {
                Some(known) => known.item.duplicates += 1 + record.item.duplicates,
                None => {
                    items.insert(record.digest, record);
                }
            }
        }
    }
    let mut items: Vec<Record> = items.into_values().collect();
    items.sort_by_key(|record| record.item.id);
    Ok(items)
}

/// The item of a record, if that is as it was written.
pub(crate) fn sound(record: Record) -> Result<Quarantined> {
    if record.is_sound() {
        return Ok(record.item);
    }
    Err(StoreError::Damaged(format!(
        "the record of quarantined item {} has a wrong checksum: what it says of origin, reason or size is not what was written",
        record.item.id
    )))
}

/// What the snapshot cannot show within a time range.
pub(crate) fn coverage(snapshot: &Snapshot, since: Option<i64>, _until: Option<i64>) -> Coverage {
    let (oldest, newest) = range(snapshot);
    let mut coverage = Coverage {
        oldest: oldest.map(time::to_text),
        newest: newest.map(time::to_text),
        ..Coverage::default()
    };
    let facts = snapshot.shared.facts();
    if let Some(before) = facts.pruned.before
        && since.is_none_or(|since| since < before)
    {
        coverage.pruned_events = facts.pruned.events;
        coverage.pruned_before = Some(time::to_text(before));
    }
    coverage.quarantined = facts.quarantined;
    let sealed: u64 = snapshot
        .state
        .sealed
        .iter()
        .map(|meta| meta.truncated)
        .sum();
    coverage.truncated_events = sealed
        + snapshot
            .state
            .actives
            .iter()
            .map(|active| active.truncated)
            .sum::<u64>();
    coverage
}

/// Gives the bytes of a quarantined item part by part, if all of them are as they were received;
/// false when it has none. An error if that cannot be told, because a record is damaged.
pub(crate) fn each_part(
    shared: &Shared,
    id: i64,
    sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<bool> {
    let state = shared.state();
    let actives = state.actives.iter().map(|active| Some(&active.bodies));
    for source in actives.chain(std::iter::once(None)) {
        let Some((cluster, expected, size)) = (match source {
            Some(bodies) => bodies.with(|connection| place_of(connection, id))?,
            None => shared
                .ledger()
                .with(|connection| place_of(connection, id))?,
        }) else {
            continue;
        };
        let part = |number: i64| -> Result<Option<Vec<u8>>> {
            let data = match source {
                Some(bodies) => bodies.with(|connection| part_of(connection, id, number))?,
                None => shared
                    .ledger()
                    .with(|connection| part_of(connection, id, number))?,
            };
            let unpacked = data.map(|data| zstd::stream::decode_all(data.as_slice()));
            unpacked.transpose().map_err(|error| {
                super::codec::damaged(&format!(
                    "quarantined item {id} does not decompress: {error}"
                ))
            })
        };
        // Checked as a whole before the first byte is given: half an item is no evidence.
        let mut digest = quarantine_digest(&cluster);
        let mut first = None;
        let (mut count, mut bytes) = (0, 0);
        while let Some(data) = part(count)? {
            digest.update(&data);
            bytes += data.len() as u64;
            count += 1;
            first.get_or_insert(data);
        }
        if digest.finalize()[..] != expected || bytes != size {
            return Err(StoreError::Damaged(format!(
                "quarantined item {id}: its bytes do not have the SHA-256 that they were received with"
            )));
        }
        for number in 0..count {
            let data = match first.take() {
                Some(first) => first,
                None => part(number)?.unwrap_or_default(),
            };
            if sink(&data).is_break() {
                break;
            }
        }
        return Ok(count > 0);
    }
    // A record whose id is not as it was written answers to another one.
    for record in quarantined(shared)? {
        sound(record)?;
    }
    Ok(false)
}
