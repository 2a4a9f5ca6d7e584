//! The ledger: counts of what came in, quarantined items, and what was pruned. It outlives
//! segments; an active segment's records move here when it is sealed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::active::BodyReader;
use super::database::{self, Access, FileKind, failed};
use crate::model::time;
use crate::store::{Quarantined, Result};

const MINUTE_US: i64 = 60_000_000;

/// Counts of one cluster and source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Intake {
    pub(crate) events: u64,
    pub(crate) duplicates: u64,
    pub(crate) quarantined: u64,
    pub(crate) first_seen: i64,
    pub(crate) last_seen: i64,
}

/// A line of the ingest log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IngestLine {
    pub(crate) stored_time: i64,
    pub(crate) cluster: String,
    pub(crate) source: String,
    pub(crate) events: u64,
    pub(crate) duplicates: u64,
    pub(crate) quarantined: u64,
}

/// What retention removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PrunedTotal {
    pub(crate) events: u64,
    pub(crate) before: Option<i64>,
    pub(crate) oldest: Option<i64>,
}

pub(crate) struct Ledger {
    connection: Connection,
    path: PathBuf,
}

impl Ledger {
    /// Opens the ledger; `write` creates a missing one.
    pub(crate) fn open(path: &Path, write: bool) -> Result<Ledger> {
        let fails = |error: rusqlite::Error| failed(path, &error);
        if write && !path.exists() {
            // Created aside and renamed, so that a crash leaves none or a whole one.
            let temporary = path.with_extension("new");
            let _ = std::fs::remove_file(&temporary);
            let connection = database::open(&temporary, FileKind::Ledger, Access::Create)?;
            connection
                .execute_batch(include_str!("../../../migrations/ledger.sql"))
                .map_err(fails)?;
            database::stamp(&connection, &temporary, FileKind::Ledger)?;
            drop(connection);
            std::fs::rename(&temporary, path).map_err(|error| database::io_failed(path, &error))?;
            if let Some(directory) = path.parent() {
                database::sync_directory(directory)?;
            }
        }
        // Readers too: after a crash the first one to come rolls the journal back, which needs
        // write access. SQLite opens what is write-protected for reading.
        let connection = database::open(path, FileKind::Ledger, Access::Write)?;
        connection
            .pragma_update(None, "query_only", !write)
            .map_err(fails)?;
        connection
            .pragma_update(None, "synchronous", "full")
            .map_err(fails)?;
        Ok(Ledger {
            connection,
            path: path.to_owned(),
        })
    }

    /// Takes over the records of an active segment, once.
    pub(crate) fn transfer(
        &mut self,
        segment: &str,
        records: &ActiveRecords,
        bodies: &BodyReader,
    ) -> Result<()> {
        let path = self.path.clone();
        let fails = |error: rusqlite::Error| failed(&path, &error);
        let transaction = self.connection.transaction().map_err(fails)?;
        let new = transaction
            .execute("insert or ignore into transferred values (?1)", [segment])
            .map_err(fails)?;
        if new == 0 {
            return Ok(());
        }
        let mut minutes: BTreeMap<(i64, &str, &str), [u64; 3]> = BTreeMap::new();
        for line in &records.ingest {
            let minute = line.stored_time.div_euclid(MINUTE_US) * MINUTE_US;
            let sums = minutes
                .entry((minute, &line.cluster, &line.source))
                .or_default();
            sums[0] += line.events;
            sums[1] += line.duplicates;
            sums[2] += line.quarantined;
        }
        for ((minute, cluster, source), [events, duplicates, quarantined]) in minutes {
            transaction
                .prepare_cached(
                    "insert into ingest values (?1, ?2, ?3, ?4, ?5, ?6) on conflict do update set events = events + excluded.events, duplicates = duplicates + excluded.duplicates, quarantined = quarantined + excluded.quarantined",
                )
                .and_then(|mut insert| insert.execute(params![minute, cluster, source, events as i64, duplicates as i64, quarantined as i64]))
                .map_err(fails)?;
        }
        for (item, digest) in &records.quarantine {
            // The same bytes may be here from an earlier segment: then only their count grows.
            let known = transaction
                .execute(
                    "update quarantine set duplicates = duplicates + 1 + ?2 where digest = ?1",
                    params![digest, item.duplicates as i64],
                )
                .map_err(fails)?;
            if known > 0 {
                continue;
            }
            let stored_time = time::parse_instant(&item.stored_time).unwrap_or_default();
            transaction
                .execute(
                    "insert into quarantine values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        item.id,
                        stored_time,
                        item.cluster,
                        item.source,
                        item.origin,
                        item.reason,
                        item.bytes as i64,
                        digest,
                        item.duplicates as i64
                    ],
                )
                .map_err(fails)?;
            let mut part = 0;
            while let Some(data) = quarantine_part(bodies, item.id, part)? {
                transaction
                    .execute(
                        "insert into quarantine_part values (?1, ?2, ?3)",
                        params![item.id, part, data],
                    )
                    .map_err(fails)?;
                part += 1;
            }
        }
        transaction.commit().map_err(fails)
    }

    /// Whether an active segment's records are here already.
    pub(crate) fn has_transferred(&self, segment: &str) -> Result<bool> {
        self.connection
            .query_row(
                "select count(*) from transferred where segment = ?1",
                [segment],
                |row| row.get::<_, i64>(0),
            )
            .map(|count| count > 0)
            .map_err(|error| failed(&self.path, &error))
    }

    /// The names of all segments that it has a record of.
    pub(crate) fn segments(&self) -> Result<Vec<String>> {
        self.connection
            .prepare("select segment from transferred union select segment from pruned")
            .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect())
            .map_err(|error| failed(&self.path, &error))
    }

    /// The largest id of a quarantined item, 0 without any.
    pub(crate) fn last_quarantine_id(&self) -> Result<i64> {
        self.connection
            .query_row("select coalesce(max(id), 0) from quarantine", [], |row| {
                row.get(0)
            })
            .map_err(|error| failed(&self.path, &error))
    }

    /// Whether these bytes are in quarantine already.
    pub(crate) fn holds_quarantined(&self, digest: &[u8; 32]) -> Result<bool> {
        self.connection
            .prepare_cached("select 1 from quarantine where digest = ?1")
            .and_then(|mut select| select.exists(params![digest]))
            .map_err(|error| failed(&self.path, &error))
    }

    /// Records that events of a segment were pruned. A second record of the same one replaces the
    /// first: the segment is there still, so what was recorded then did not happen.
    pub(crate) fn record_pruned(
        &mut self,
        segment: &str,
        before: i64,
        events: u64,
        oldest: i64,
        newest: i64,
    ) -> Result<()> {
        self.connection
            .execute(
                "insert or replace into pruned values (?1, ?2, ?3, ?4, ?5, ?6)",
                params![segment, time::now(), before, events as i64, oldest, newest],
            )
            .map(drop)
            .map_err(|error| failed(&self.path, &error))
    }

    /// Takes back a record of what did not happen.
    pub(crate) fn forget_pruned(&mut self, segment: &str) -> Result<()> {
        self.connection
            .execute("delete from pruned where segment = ?1", [segment])
            .map(drop)
            .map_err(|error| failed(&self.path, &error))
    }

    pub(crate) fn pruned(&self) -> Result<PrunedTotal> {
        self.connection
            .query_row(
                "select coalesce(sum(events), 0), max(before), min(oldest) from pruned",
                [],
                |row| {
                    Ok(PrunedTotal {
                        events: row.get::<_, i64>(0)? as u64,
                        before: row.get(1)?,
                        oldest: row.get(2)?,
                    })
                },
            )
            .map_err(|error| failed(&self.path, &error))
    }

    pub(crate) fn ingest(&self) -> Result<Vec<IngestLine>> {
        self.connection
            .prepare("select minute, cluster, source, events, duplicates, quarantined from ingest order by minute, cluster, source")
            .and_then(|mut select| select.query_map([], ingest_line)?.collect())
            .map_err(|error| failed(&self.path, &error))
    }

    pub(crate) fn quarantine(&self) -> Result<Vec<(Quarantined, [u8; 32])>> {
        read_quarantine(&self.connection).map_err(|error| failed(&self.path, &error))
    }

    pub(crate) fn quarantine_part(&self, id: i64, part: i64) -> Result<Option<Vec<u8>>> {
        part_of(&self.connection, id, part).map_err(|error| failed(&self.path, &error))
    }
}

/// The records of an active segment that are not events.
#[derive(Default)]
pub(crate) struct ActiveRecords {
    pub(crate) ingest: Vec<IngestLine>,
    pub(crate) quarantine: Vec<(Quarantined, [u8; 32])>,
}

/// Reads an active segment's records.
pub(crate) fn active_records(bodies: &BodyReader) -> Result<ActiveRecords> {
    bodies.with(|connection| {
        let mut select = connection.prepare(
            "select stored_time, cluster, source, events, duplicates, quarantined from ingest",
        )?;
        let ingest = select
            .query_map([], ingest_line)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(ActiveRecords {
            ingest,
            quarantine: read_quarantine(connection)?,
        })
    })
}

/// One compressed part of a quarantined item in an active segment.
pub(crate) fn quarantine_part(bodies: &BodyReader, id: i64, part: i64) -> Result<Option<Vec<u8>>> {
    bodies.with(|connection| part_of(connection, id, part))
}

fn part_of(connection: &Connection, id: i64, part: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    use rusqlite::OptionalExtension;
    connection
        .prepare_cached("select data from quarantine_part where id = ?1 and part = ?2")?
        .query_row([id, part], |row| row.get(0))
        .optional()
}

fn ingest_line(row: &rusqlite::Row<'_>) -> rusqlite::Result<IngestLine> {
    Ok(IngestLine {
        stored_time: row.get(0)?,
        cluster: row.get(1)?,
        source: row.get(2)?,
        events: row.get::<_, i64>(3)? as u64,
        duplicates: row.get::<_, i64>(4)? as u64,
        quarantined: row.get::<_, i64>(5)? as u64,
    })
}

fn read_quarantine(connection: &Connection) -> rusqlite::Result<Vec<(Quarantined, [u8; 32])>> {
    let mut select = connection.prepare(
        "select id, stored_time, cluster, source, origin, reason, bytes, duplicates, digest from quarantine order by id",
    )?;
    select
        .query_map([], |row| {
            let item = Quarantined {
                id: row.get(0)?,
                stored_time: time::to_text(row.get(1)?),
                cluster: row.get(2)?,
                source: row.get(3)?,
                origin: row.get(4)?,
                reason: row.get(5)?,
                bytes: row.get::<_, i64>(6)? as u64,
                duplicates: row.get::<_, i64>(7)? as u64,
            };
            Ok((item, row.get(8)?))
        })?
        .collect()
}
