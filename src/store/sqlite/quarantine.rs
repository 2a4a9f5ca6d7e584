//! Quarantined items and lines of the ingest log as rows. Active segments and the ledger keep the
//! same columns, each row with a checksum, because it is evidence and nothing else speaks for it.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::codec;
use super::ledger::IngestLine;
use crate::model::time;
use crate::store::Quarantined;

const ITEM_KIND: u64 = 2;
const LINE_KIND: u64 = 3;

/// A quarantined item as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) item: Quarantined,
    /// SHA-256 over cluster and bytes.
    pub(crate) digest: [u8; 32],
    /// When it was received, in microseconds.
    pub(crate) stored_time: i64,
    /// Over all of these but the count of copies; `None` where a version without them wrote it.
    pub(crate) checksum: Option<i64>,
}

impl Record {
    /// Whether it is as it was written.
    pub(crate) fn is_sound(&self) -> bool {
        self.checksum.is_none_or(|sum| sum == self.sum())
    }

    /// What its checksum should be.
    pub(crate) fn sum(&self) -> i64 {
        let item = &self.item;
        let mut bytes = Vec::new();
        for text in [&item.cluster, &item.source, &item.origin, &item.reason] {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&self.stored_time.to_le_bytes());
        bytes.extend_from_slice(&item.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.digest);
        codec::checksum(ITEM_KIND, item.id as u64, &bytes)
    }

    /// Writes it as a new row.
    pub(crate) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let item = &self.item;
        connection
            .prepare_cached(
                "insert into quarantine values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                item.id,
                self.stored_time,
                item.cluster,
                item.source,
                item.origin,
                item.reason,
                item.bytes as i64,
                self.digest,
                item.duplicates as i64,
                self.checksum,
            ])
            .map(drop)
    }
}

/// The digest that tells quarantined items apart.
pub(crate) fn quarantine_digest(cluster: &str) -> Sha256 {
    let mut digest = Sha256::new();
    digest.update((cluster.len() as u64).to_be_bytes());
    digest.update(cluster.as_bytes());
    digest
}

/// All quarantined items of a file, oldest first.
pub(crate) fn records(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    let checksum = checksum_column(connection, "quarantine")?;
    let mut select = connection.prepare(&format!(
        "select id, stored_time, cluster, source, origin, reason, bytes, duplicates, digest, {checksum} from quarantine order by id"
    ))?;
    select
        .query_map([], |row| {
            let stored_time = row.get(1)?;
            Ok(Record {
                item: Quarantined {
                    id: row.get(0)?,
                    stored_time: time::to_text(stored_time),
                    cluster: row.get(2)?,
                    source: row.get(3)?,
                    origin: row.get(4)?,
                    reason: row.get(5)?,
                    bytes: row.get::<_, i64>(6)? as u64,
                    duplicates: row.get::<_, i64>(7)? as u64,
                },
                digest: row.get(8)?,
                stored_time,
                checksum: row.get(9)?,
            })
        })?
        .collect()
}

/// Whether a file holds a quarantined item of these bytes.
pub(crate) fn holds(connection: &Connection, digest: &[u8; 32]) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("select 1 from quarantine where digest = ?1")?
        .exists(params![digest])
}

/// The cluster, digest and size of one item.
pub(crate) fn place_of(
    connection: &Connection,
    id: i64,
) -> rusqlite::Result<Option<(String, [u8; 32], u64)>> {
    connection
        .prepare_cached("select cluster, digest, bytes from quarantine where id = ?1")?
        .query_row([id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64))
        })
        .optional()
}

/// One compressed part of a quarantined item.
pub(crate) fn part_of(
    connection: &Connection,
    id: i64,
    part: i64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("select data from quarantine_part where id = ?1 and part = ?2")?
        .query_row([id, part], |row| row.get(0))
        .optional()
}

/// The checksum of a line of the ingest log.
pub(crate) fn line_sum(line: &IngestLine) -> i64 {
    let mut bytes = Vec::new();
    for text in [&line.cluster, &line.source] {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    for count in [line.events, line.duplicates, line.quarantined] {
        bytes.extend_from_slice(&count.to_le_bytes());
    }
    codec::checksum(LINE_KIND, line.stored_time as u64, &bytes)
}

/// Lines of the ingest log, and which of them is not as it was written, if one is not.
#[derive(Default)]
pub(crate) struct IngestLines {
    pub(crate) lines: Vec<IngestLine>,
    pub(crate) damage: Option<String>,
}

/// The ingest log of a file, whose times stand in the column `time`.
pub(crate) fn ingest_lines(connection: &Connection, time: &str) -> rusqlite::Result<IngestLines> {
    let checksum = checksum_column(connection, "ingest")?;
    let mut select = connection.prepare(&format!(
        "select {time}, cluster, source, events, duplicates, quarantined, {checksum} from ingest order by {time}, cluster, source"
    ))?;
    let mut rows = select.query([])?;
    let mut found = IngestLines::default();
    while let Some(row) = rows.next()? {
        let line = IngestLine {
            stored_time: row.get(0)?,
            cluster: row.get(1)?,
            source: row.get(2)?,
            events: row.get::<_, i64>(3)? as u64,
            duplicates: row.get::<_, i64>(4)? as u64,
            quarantined: row.get::<_, i64>(5)? as u64,
        };
        let sum: Option<i64> = row.get(6)?;
        if found.damage.is_none() && sum.is_some_and(|sum| sum != line_sum(&line)) {
            found.damage = Some(format!(
                "the line of the ingest log of {} has a wrong checksum: its counts are not those that were written",
                time::to_text(line.stored_time)
            ));
        }
        found.lines.push(line);
    }
    Ok(found)
}

/// Adds counts to a minute's line of the ledger's ingest log. A line that is not as it was written
/// stays recognisable as such.
pub(crate) fn add_to_minute(connection: &Connection, new: &IngestLine) -> rusqlite::Result<()> {
    let known = connection
        .prepare_cached(
            "select events, duplicates, quarantined, checksum from ingest where minute = ?1 and cluster = ?2 and source = ?3",
        )?
        .query_row(params![new.stored_time, new.cluster, new.source], |row| {
            let line = IngestLine {
                events: row.get::<_, i64>(0)? as u64,
                duplicates: row.get::<_, i64>(1)? as u64,
                quarantined: row.get::<_, i64>(2)? as u64,
                ..new.clone()
            };
            Ok((line, row.get::<_, Option<i64>>(3)?))
        })
        .optional()?;
    let mut sum = new.clone();
    let mut checksum = None;
    if let Some((line, known_sum)) = known {
        sum.events += line.events;
        sum.duplicates += line.duplicates;
        sum.quarantined += line.quarantined;
        checksum = known_sum.filter(|known_sum| *known_sum != line_sum(&line));
    }
    connection
        .prepare_cached("insert or replace into ingest values (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            sum.stored_time,
            sum.cluster,
            sum.source,
            sum.events as i64,
            sum.duplicates as i64,
            sum.quarantined as i64,
            checksum.unwrap_or_else(|| line_sum(&sum)),
        ])
        .map(drop)
}

/// The column of checksums, or what stands for it in a file that has none yet.
fn checksum_column(connection: &Connection, table: &str) -> rusqlite::Result<&'static str> {
    let has = connection
        .prepare_cached("select 1 from pragma_table_info(?1) where name = 'checksum'")?
        .exists([table])?;
    Ok(if has { "checksum" } else { "null" })
}

/// Gives a file of an earlier build the columns that it lacks.
pub(crate) fn add_checksums(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["quarantine", "ingest"] {
        if checksum_column(connection, table)? == "null" {
            connection
                .execute_batch(&format!("alter table {table} add column checksum integer"))?;
        }
    }
    Ok(())
}
