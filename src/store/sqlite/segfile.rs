//! The file of a sealed segment while it is written, and columns on their way into it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::codec::{Chunk, ChunkRef, damaged, encode_chunk, encode_sparse};
use super::database::{self, Access, FileKind, failed};
use super::frontcode;
use super::layout::{AUDIT_COLUMN, IntColumn, TextColumn};
use super::sealed::{Piece, STRINGS_PER_PIECE, chunk_checksum, piece_checksum, piece_id, table};
use super::views;
use crate::limits;
use crate::store::{Result, StoreError};

/// A sealed file that is being written.
pub(crate) struct SegmentFile {
    connection: Connection,
    path: PathBuf,
    /// Bytes per component.
    pub(crate) components: Vec<(String, u64)>,
    held_most: usize,
}

impl SegmentFile {
    pub(crate) fn create(path: &Path) -> Result<SegmentFile> {
        let connection = database::open(path, FileKind::Sealed, Access::Create)?;
        let fails = |error: rusqlite::Error| failed(path, &error);
        // Nothing else sees the file before it is complete, synced and renamed.
        for pragma in [
            "pragma page_size = 4096",
            "pragma synchronous = off",
            "pragma cache_size = -4096",
            "pragma locking_mode = exclusive",
        ] {
            connection.execute_batch(pragma).map_err(fails)?;
        }
        connection
            .query_row("pragma journal_mode = off", [], |_| Ok(()))
            .map_err(fails)?;
        connection
            .execute_batch(include_str!("../../../migrations/segment.sql"))
            .map_err(fails)?;
        connection
            .execute_batch(&views::events_view())
            .map_err(fails)?;
        database::stamp(&connection, path, FileKind::Sealed)?;
        connection.execute_batch("begin").map_err(fails)?;
        Ok(SegmentFile {
            connection,
            path: path.to_owned(),
            components: Vec::new(),
            held_most: 0,
        })
    }

    fn count(&mut self, component: &str, bytes: usize) {
        match self
            .components
            .iter_mut()
            .find(|(name, _)| name == component)
        {
            Some((_, total)) => *total += bytes as u64,
            None => self.components.push((component.to_owned(), bytes as u64)),
        }
    }

    /// Notes what the writing holds in memory just now, in bytes.
    pub(crate) fn holds(&mut self, bytes: usize) {
        self.held_most = self.held_most.max(bytes);
    }

    /// The most that it ever held.
    pub(crate) fn held_most(&self) -> usize {
        self.held_most
    }

    /// Reads string ids of a chunk back, so that nobody need keep them.
    pub(crate) fn ids(
        &self,
        column: TextColumn,
        number: u32,
        rows: usize,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        self.read_back(column as u8, number, |chunk| chunk.decode_ids(rows, out))
    }

    /// Reads numbers of a chunk back.
    pub(crate) fn ints(
        &self,
        column: IntColumn,
        number: u32,
        rows: usize,
        out: &mut Vec<i64>,
    ) -> Result<()> {
        self.read_back(column as u8, number, |chunk| chunk.decode(rows, out))
    }

    /// Reads audit ids of a chunk back.
    pub(crate) fn audit_keys(&self, number: u32, out: &mut Vec<[u8; 16]>) -> Result<()> {
        self.read_back(AUDIT_COLUMN, number, |chunk| {
            out.clear();
            out.extend_from_slice(chunk.data.as_chunks::<16>().0);
            Ok(())
        })
    }

    fn read_back<T>(
        &self,
        column: u8,
        number: u32,
        decode: impl FnOnce(ChunkRef<'_>) -> Result<T>,
    ) -> Result<T> {
        let fails = |error: rusqlite::Error| failed(&self.path, &error);
        let id = piece_id(Piece::Chunk, column, number);
        let mut select = self
            .connection
            .prepare_cached("select base, width, data from chunk where id = ?1")
            .map_err(fails)?;
        let mut found = select.query([id]).map_err(fails)?;
        let row = found.next().map_err(fails)?;
        let row = row.ok_or_else(|| damaged("a chunk that was just written is missing"))?;
        let data = row.get_ref(2).map_err(fails)?;
        decode(ChunkRef {
            base: row.get(0).map_err(fails)?,
            width: row.get(1).map_err(fails)?,
            data: data.as_blob().map_err(|_| damaged("a chunk is no blob"))?,
        })
    }

    pub(crate) fn chunk(
        &mut self,
        component: &str,
        column: u8,
        number: u32,
        chunk: &Chunk,
    ) -> Result<()> {
        let id = piece_id(Piece::Chunk, column, number);
        let checksum = chunk_checksum(id, chunk.base, i64::from(chunk.width), &chunk.data);
        self.connection
            .prepare_cached(
                "insert into chunk (id, base, width, data, checksum) values (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut insert| {
                insert.execute(params![id, chunk.base, chunk.width, chunk.data, checksum])
            })
            .map_err(|error| failed(&self.path, &error))?;
        self.count(component, chunk.data.len() + 20);
        Ok(())
    }

    /// Writes 16-byte values as they are.
    pub(crate) fn audit_chunk(&mut self, column: u8, number: u32, data: Vec<u8>) -> Result<()> {
        let chunk = Chunk {
            base: 0,
            width: 32,
            data,
        };
        self.chunk("audit ids", column, number, &chunk)
    }

    pub(crate) fn piece(
        &mut self,
        component: &str,
        piece: Piece,
        column: u8,
        number: u32,
        data: &[u8],
    ) -> Result<i64> {
        let id = piece_id(piece, column, number);
        let checksum = piece_checksum(id, data);
        let sql = match table(piece) {
            "strings" => {
                "insert into strings (id, data, checksum) values (?1, cast(?2 as text), ?3)"
            }
            "body" => "insert into body (id, data, checksum) values (?1, ?2, ?3)",
            "ngrams" => "insert into ngrams (id, data, checksum) values (?1, ?2, ?3)",
            _ => "insert into piece (id, data, checksum) values (?1, ?2, ?3)",
        };
        self.connection
            .prepare_cached(sql)
            .and_then(|mut insert| insert.execute(params![id, data, checksum]))
            .map_err(|error| failed(&self.path, &error))?;
        self.count(component, data.len() + 16);
        Ok(checksum)
    }

    pub(crate) fn finish(self) -> Result<()> {
        let fails = |error: rusqlite::Error| failed(&self.path, &error);
        self.connection.execute_batch("commit").map_err(fails)?;
        self.connection
            .close()
            .map_err(|(_, error)| failed(&self.path, &error))
    }
}

/// A column of numbers that is written a chunk at a time.
pub(crate) struct NumberChunks {
    component: &'static str,
    column: u8,
    number: u32,
    values: Vec<i64>,
    encode: fn(&[i64]) -> Chunk,
}

impl NumberChunks {
    pub(crate) fn new(component: &'static str, column: u8) -> NumberChunks {
        NumberChunks {
            component,
            column,
            number: 0,
            values: Vec::with_capacity(limits::CHUNK_ROWS),
            encode: encode_chunk,
        }
    }

    /// For a column of which few rows have a value other than 0.
    pub(crate) fn mostly_zero(self) -> NumberChunks {
        NumberChunks {
            encode: encode_sparse,
            ..self
        }
    }

    pub(crate) fn push(&mut self, file: &mut SegmentFile, value: i64) -> Result<()> {
        self.values.push(value);
        if self.values.len() == limits::CHUNK_ROWS {
            self.flush(file)?;
        }
        Ok(())
    }

    fn flush(&mut self, file: &mut SegmentFile) -> Result<()> {
        let chunk = (self.encode)(&self.values);
        file.chunk(self.component, self.column, self.number, &chunk)?;
        self.number += 1;
        self.values.clear();
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self, file: &mut SegmentFile) -> Result<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        self.flush(file)
    }
}

/// A dictionary that is written a piece at a time.
pub(crate) struct StringPieces {
    column: TextColumn,
    number: u32,
    strings: Vec<Box<str>>,
}

impl StringPieces {
    pub(crate) fn new(column: TextColumn) -> StringPieces {
        StringPieces {
            column,
            number: 0,
            strings: Vec::with_capacity(STRINGS_PER_PIECE as usize),
        }
    }

    pub(crate) fn push(&mut self, file: &mut SegmentFile, text: &str) -> Result<()> {
        self.strings.push(text.into());
        if self.strings.len() == STRINGS_PER_PIECE as usize {
            self.flush(file)?;
        }
        Ok(())
    }

    fn flush(&mut self, file: &mut SegmentFile) -> Result<()> {
        // JSON, so that any SQLite shell can read it through the plain views.
        let json = serde_json::to_vec(&frontcode::shorten(&self.strings))
            .map_err(|error| StoreError::Io(error.to_string()))?;
        let (column, number) = (self.column as u8, self.number);
        file.piece("dictionaries", Piece::Strings, column, number, &json)?;
        self.number += 1;
        self.strings.clear();
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self, file: &mut SegmentFile) -> Result<()> {
        if self.strings.is_empty() {
            return Ok(());
        }
        self.flush(file)
    }
}
