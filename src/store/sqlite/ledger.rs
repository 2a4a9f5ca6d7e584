//! The ledger: counts of what came in, quarantined items, and what was pruned. It outlives
//! segments; an active segment's records move here when it is sealed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::active::BodyReader;
use super::database::{self, Access, FileKind, failed};
use super::quarantine::{
    self, IngestLines, Record, add_checksums, add_to_minute, ingest_lines, part_of, records,
};
use super::reportlog;
use crate::model::time;
use crate::store::{ReportRecord, Result, StoreError};

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

/// What retention removed from one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pruning {
    pub(crate) pruned_time: i64,
    pub(crate) before: i64,
    pub(crate) events: u64,
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
    pub(crate) segment: String,
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
        if write {
            add_checksums(&connection).map_err(fails)?;
            reportlog::add_table(&connection).map_err(fails)?;
        }
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
        for line in &records.ingest.lines {
            let minute = line.stored_time.div_euclid(MINUTE_US) * MINUTE_US;
            let sums = minutes
                .entry((minute, &line.cluster, &line.source))
                .or_default();
            sums[0] += line.events;
            sums[1] += line.duplicates;
            sums[2] += line.quarantined;
        }
        for ((minute, cluster, source), [events, duplicates, quarantined]) in minutes {
            let line = IngestLine {
                stored_time: minute,
                cluster: cluster.to_owned(),
                source: source.to_owned(),
                events,
                duplicates,
                quarantined,
            };
            add_to_minute(&transaction, &line).map_err(fails)?;
        }
        for record in &records.quarantine {
            let Record { item, digest, .. } = record;
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
            // With the checksum that it has: what was damaged there must not pass as sound here.
            record.insert(&transaction).map_err(fails)?;
            let mut part = 0;
            while let Some(data) = bodies.with(|connection| part_of(connection, item.id, part))? {
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
        self.with(|connection| quarantine::holds(connection, digest))
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

    /// Takes back the records of segments that are still there, as after a crash between the record
    /// and the removal: once such a segment is merged nobody could tell, and its events would count
    /// as pruned a second time when they are.
    pub(crate) fn forget_unpruned<'n>(
        &mut self,
        listed: impl Iterator<Item = &'n str>,
    ) -> Result<()> {
        let recorded: Vec<String> = self.with(|connection| {
            let mut select = connection.prepare("select segment from pruned")?;
            select.query_map([], |row| row.get(0))?.collect()
        })?;
        for segment in listed.filter(|name| recorded.iter().any(|known| known == name)) {
            tracing::warn!(
                segment,
                "pruning this segment was not finished; it is there still"
            );
            self.forget_pruned(segment)?;
        }
        Ok(())
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

    /// Every record of what was pruned, oldest first.
    pub(crate) fn prunings(&self) -> Result<Vec<Pruning>> {
        self.with(|connection| {
            let mut select = connection.prepare(
                "select pruned_time, before, events, oldest, newest, segment from pruned
                 order by pruned_time, oldest",
            )?;
            select
                .query_map([], |row| {
                    Ok(Pruning {
                        pruned_time: row.get(0)?,
                        before: row.get(1)?,
                        events: row.get::<_, i64>(2)? as u64,
                        oldest: row.get(3)?,
                        newest: row.get(4)?,
                        segment: row.get(5)?,
                    })
                })?
                .collect()
        })
    }

    pub(crate) fn ingest(&self) -> Result<IngestLines> {
        ingest_lines(&self.connection, "minute").map_err(|error| failed(&self.path, &error))
    }

    pub(crate) fn quarantine(&self) -> Result<Vec<Record>> {
        records(&self.connection).map_err(|error| failed(&self.path, &error))
    }

    /// Records what became of reports, all or nothing.
    pub(crate) fn record_reports(&self, records: &[ReportRecord]) -> Result<()> {
        self.with(|connection| reportlog::insert(connection, records))
    }

    /// What became of reports, in order.
    pub(crate) fn reports(&self) -> Result<Vec<ReportRecord>> {
        let records = self.with(reportlog::all)?;
        let sound = records.into_iter().map(|(record, sound)| match sound {
            true => Ok(record),
            false => Err(StoreError::Damaged(format!(
                "{}: a record of the report {} has a wrong checksum: what it says is not what was written",
                self.path.display(),
                record.name
            ))),
        });
        sound.collect()
    }

    /// Runs `work` on the connection.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        work(&self.connection).map_err(|error| failed(&self.path, &error))
    }
}

/// The records of an active segment that are not events.
#[derive(Default)]
pub(crate) struct ActiveRecords {
    pub(crate) ingest: IngestLines,
    pub(crate) quarantine: Vec<Record>,
}

/// Reads an active segment's records.
pub(crate) fn active_records(bodies: &BodyReader) -> Result<ActiveRecords> {
    bodies.with(|connection| {
        Ok(ActiveRecords {
            ingest: ingest_lines(connection, "stored_time")?,
            quarantine: records(connection)?,
        })
    })
}
