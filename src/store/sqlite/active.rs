//! The active segment: a file that takes committed batches, one transaction per group of them.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::{Connection, params};

use super::block::{Block, FrameAt};
use super::codec::put_rows;
use super::database::{self, Access, FileKind, failed};
use super::ledger::IngestLine;
use super::loaded::{Loaded, block_checksum, load};
use super::quarantine::{self, Record, add_checksums, line_sum};
use crate::model::time;
use crate::store::{Quarantined, Result, StoreError};

/// A part of a quarantined item's bytes, uncompressed.
const QUARANTINE_PART_BYTES: usize = 4 << 20;

/// An item for quarantine as it waits for its commit.
pub(crate) struct QuarantineRow {
    pub(crate) origin: String,
    pub(crate) reason: String,
    pub(crate) bytes: u64,
    pub(crate) digest: [u8; 32],
    pub(crate) content: QuarantineContent,
}

pub(crate) enum QuarantineContent {
    Memory(Vec<u8>),
    /// A file, the offset of the item in it.
    File(std::fs::File, u64),
}

/// The bytes of a block that only the file keeps.
pub(crate) struct NewBlock {
    pub(crate) packed: Vec<u8>,
    pub(crate) keys: Vec<[u8; 16]>,
    pub(crate) bodies: Vec<u8>,
}

/// Writes one active segment.
pub(crate) struct ActiveWriter {
    connection: Connection,
    path: PathBuf,
}

impl ActiveWriter {
    /// Creates an empty active segment; it is durable when this returns. Made aside and renamed, so
    /// that a crash leaves none or a whole one.
    pub(crate) fn create(path: &Path) -> Result<ActiveWriter> {
        let temporary = path.with_extension("new");
        for suffix in ["", "-wal", "-shm"] {
            let mut name = temporary.clone().into_os_string();
            name.push(suffix);
            let _ = std::fs::remove_file(name);
        }
        let connection = database::open(&temporary, FileKind::Active, Access::Create)?;
        let fails = |error: rusqlite::Error| failed(&temporary, &error);
        connection
            .pragma_update(None, "page_size", 16384)
            .map_err(fails)?;
        connection
            .query_row("pragma journal_mode = wal", [], |_| Ok(()))
            .map_err(fails)?;
        connection
            .execute_batch(include_str!("../../../migrations/active.sql"))
            .map_err(fails)?;
        database::stamp(&connection, &temporary, FileKind::Active)?;
        // Closing moves the log into the file and removes it.
        connection.close().map_err(|(_, error)| fails(error))?;
        std::fs::File::open(&temporary)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&temporary, path))
            .map_err(|error| database::io_failed(path, &error))?;
        if let Some(directory) = path.parent() {
            database::sync_directory(directory)?;
        }
        ActiveWriter::open(path)
    }

    /// Opens an active segment that exists, recovering what a crash left in its log.
    pub(crate) fn open(path: &Path) -> Result<ActiveWriter> {
        let connection = database::open(path, FileKind::Active, Access::Write)?;
        let writer = ActiveWriter {
            connection,
            path: path.to_owned(),
        };
        writer.configure()?;
        add_checksums(&writer.connection).map_err(|error| failed(path, &error))?;
        Ok(writer)
    }

    fn configure(&self) -> Result<()> {
        let fails = |error: rusqlite::Error| failed(&self.path, &error);
        // `full` syncs the log at every commit: what is acknowledged is durable.
        self.connection
            .pragma_update(None, "synchronous", "full")
            .map_err(fails)?;
        for pragma in [
            "pragma wal_autocheckpoint = 2000",
            "pragma journal_size_limit = 67108864",
        ] {
            self.connection
                .query_row(pragma, [], |_| Ok(()))
                .map_err(fails)?;
        }
        self.connection
            .pragma_update(None, "cache_size", -4096)
            .map_err(fails)?;
        Ok(())
    }

    /// Runs `work` in one transaction that is durable when this returns `Ok`; on any error nothing
    /// of it remains.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let path = &self.path;
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(|error| failed(path, &error))?;
        let transaction = Transaction {
            connection: transaction,
            path,
        };
        let value = work(&transaction)?;
        transaction
            .connection
            .commit()
            .map_err(|error| failed(path, &error))?;
        Ok(value)
    }

    pub(crate) fn load(&self) -> Result<Loaded> {
        load(&self.connection, &self.path)
    }

    /// Whether it holds records besides events: counts of batches or quarantined items.
    pub(crate) fn has_records(&self) -> Result<bool> {
        self.connection
            .query_row(
                "select exists (select 1 from ingest) or exists (select 1 from quarantine)",
                [],
                |row| row.get(0),
            )
            .map_err(|error| failed(&self.path, &error))
    }

    /// The first id above those of quarantined items.
    pub(crate) fn id_after_quarantine(&self) -> Result<i64> {
        self.connection
            .query_row(
                "select coalesce(max(id), 0) + 1 from quarantine",
                [],
                |row| row.get(0),
            )
            .map_err(|error| failed(&self.path, &error))
    }
}

/// What one commit writes.
pub(crate) struct Transaction<'c> {
    connection: rusqlite::Transaction<'c>,
    path: &'c Path,
}

impl Transaction<'_> {
    pub(crate) fn insert_block(&self, new: &NewBlock, block: &Block) -> Result<()> {
        let mut dead = Vec::new();
        put_rows(&mut dead, &block.dead);
        let (first_id, stored_time) = (block.first_id, block.stored_time);
        let keys = new.keys.as_flattened();
        let pieces = [dead.as_slice(), &new.packed, keys, &new.bodies];
        let checksum = block_checksum(first_id, stored_time, pieces);
        self.connection
            .prepare_cached("insert into block (first_id, stored_time, dead, data, keys, bodies, checksum) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .and_then(|mut insert| {
                insert.execute(params![first_id, stored_time, dead, new.packed, keys, new.bodies, checksum])
            })
            .map_err(|error| failed(self.path, &error))?;
        Ok(())
    }

    pub(crate) fn insert_ingest(
        &self,
        stored_time: i64,
        cluster: &str,
        source: &str,
        receipt: &crate::store::Receipt,
    ) -> Result<()> {
        let line = IngestLine {
            stored_time,
            cluster: cluster.to_owned(),
            source: source.to_owned(),
            events: receipt.stored,
            duplicates: receipt.duplicates,
            quarantined: receipt.quarantined,
        };
        self.connection
            .prepare_cached("insert into ingest values (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .and_then(|mut insert| {
                insert.execute(params![
                    stored_time,
                    cluster,
                    source,
                    line.events as i64,
                    line.duplicates as i64,
                    line.quarantined as i64,
                    line_sum(&line)
                ])
            })
            .map_err(|error| failed(self.path, &error))?;
        Ok(())
    }

    /// Counts another copy of a quarantined item; false when it is not in this segment.
    pub(crate) fn count_quarantined_again(&self, digest: &[u8; 32]) -> Result<bool> {
        let changed = self
            .connection
            .prepare_cached("update quarantine set duplicates = duplicates + 1 where digest = ?1")
            .and_then(|mut update| update.execute(params![digest]))
            .map_err(|error| failed(self.path, &error))?;
        Ok(changed > 0)
    }

    /// Keeps a quarantined item with its bytes.
    pub(crate) fn insert_quarantine(
        &self,
        id: i64,
        stored_time: i64,
        cluster: &str,
        source: &str,
        item: &QuarantineRow,
    ) -> Result<()> {
        let mut record = Record {
            item: Quarantined {
                id,
                stored_time: time::to_text(stored_time),
                cluster: cluster.to_owned(),
                source: source.to_owned(),
                origin: item.origin.clone(),
                reason: item.reason.clone(),
                bytes: item.bytes,
                duplicates: 0,
            },
            digest: item.digest,
            stored_time,
            checksum: None,
        };
        record.checksum = Some(record.sum());
        record
            .insert(&self.connection)
            .map_err(|error| failed(self.path, &error))?;
        let mut part = 0;
        let mut put = |bytes: &[u8]| -> Result<()> {
            let data = zstd::bulk::compress(bytes, crate::limits::QUARANTINE_ZSTD_LEVEL)
                .map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
            self.connection
                .prepare_cached("insert into quarantine_part values (?1, ?2, ?3)")
                .and_then(|mut insert| insert.execute(params![id, part, data]))
                .map_err(|error| failed(self.path, &error))?;
            part += 1;
            Ok(())
        };
        match &item.content {
            QuarantineContent::Memory(bytes) => {
                bytes.chunks(QUARANTINE_PART_BYTES).try_for_each(put)
            }
            QuarantineContent::File(file, offset) => {
                read_parts(file, *offset, item.bytes, QUARANTINE_PART_BYTES, &mut put)
            }
        }
    }
}

/// Reads a range of a file in parts, without moving its position.
pub(crate) fn read_parts(
    file: &std::fs::File,
    mut offset: u64,
    bytes: u64,
    part: usize,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let end = offset + bytes;
    let mut buffer = vec![0; part.min(bytes as usize)];
    while offset < end {
        let count = buffer.len().min((end - offset) as usize);
        file.read_exact_at(&mut buffer[..count], offset)
            .map_err(|error| StoreError::Io(format!("temporary file: {error}")))?;
        sink(&buffer[..count])?;
        offset += count as u64;
    }
    Ok(())
}

/// Reads bodies of one active segment, also after it was sealed and its name removed.
pub(crate) struct BodyReader {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl BodyReader {
    /// Opens for reading. A reader of another process holds `snapshot` open: one transaction, so
    /// that it sees one state of the segment.
    pub(crate) fn open(path: &Path, snapshot: bool) -> Result<BodyReader> {
        let connection = database::open(path, FileKind::Active, Access::Read)?;
        let fails = |error: rusqlite::Error| failed(path, &error);
        connection
            .pragma_update(None, "cache_size", -2048)
            .map_err(fails)?;
        if snapshot {
            connection.execute_batch("begin").map_err(fails)?;
        }
        Ok(BodyReader {
            connection: Mutex::new(connection),
            path: path.to_owned(),
        })
    }

    pub(crate) fn load(&self) -> Result<Loaded> {
        load(&self.lock(), &self.path)
    }

    /// The compressed bytes of one body frame of a block.
    pub(crate) fn frame(&self, block: &Block, at: FrameAt) -> Result<Vec<u8>> {
        let connection = self.lock();
        let fails = |error: rusqlite::Error| failed(&self.path, &error);
        let blob = connection
            .blob_open("main", "block", "bodies", block.first_id, true)
            .map_err(fails)?;
        let mut bytes = vec![0; at.compressed];
        blob.read_at_exact(&mut bytes, at.start).map_err(fails)?;
        Ok(bytes)
    }

    /// The content keys of every block, by the block's first id.
    pub(crate) fn keys(&self) -> Result<std::collections::HashMap<i64, Vec<u8>>> {
        self.with(|connection| {
            connection
                .prepare("select first_id, keys from block")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Whether these bytes are in quarantine here.
    pub(crate) fn holds_quarantined(&self, digest: &[u8; 32]) -> Result<bool> {
        self.with(|connection| quarantine::holds(connection, digest))
    }

    /// Runs `work` on the connection.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        work(&self.lock()).map_err(|error| failed(&self.path, &error))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
