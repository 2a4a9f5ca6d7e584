//! A sealed segment: one immutable, self-contained SQLite file, read piece by piece. Every piece
//! carries a checksum bound to its place, so a flipped bit gives an error, never a wrong answer.

mod chunks;
mod counted;
mod held;
mod listed;
mod lookup;
mod packed;
mod pages;
mod stretch;
mod strings;
mod summarised;

pub(crate) use held::Lengths;
pub(crate) use listed::Span;
pub(crate) use packed::PackedCache;
use pages::Pages;
use strings::Strings;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::block::Frame;
use super::chunkcache::ChunkCache;
use super::codec::{self, Reader};
use super::database::{self, Access, FileKind, failed};
use super::facts::{self, Derived};
use super::frontcode;
use super::layout::TextColumn;
use super::ngrams::Groups;
use super::postings::{Posting, read_posting};
use super::rollup;
use super::unended::Unended;
use crate::limits;
use crate::store::{Result, StoreError};

/// The pieces of a sealed file. The number is part of ids and checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Header = 1,
    Chunk = 2,
    Strings = 3,
    Postings = 4,
    Keys = 5,
    KeyIndex = 6,
    Filter = 7,
    BodyIndex = 8,
    Body = 9,
    AuditIndex = 10,
    Lengths = 11,
    Rollup = 12,
    Ngrams = 13,
    Unended = 14,
}

/// The table that holds a kind of piece.
pub(crate) fn table(piece: Piece) -> &'static str {
    match piece {
        Piece::Chunk => "chunk",
        Piece::Strings => "strings",
        Piece::Body => "body",
        Piece::Ngrams => "ngrams",
        _ => "piece",
    }
}

/// The row id of a piece.
pub(crate) fn piece_id(piece: Piece, column: u8, number: u32) -> i64 {
    (piece as i64) << 40 | i64::from(column) << 32 | i64::from(number)
}

/// What a sealed file says of itself.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Header {
    pub(crate) rows: u32,
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
    pub(crate) last_id: i64,
    pub(crate) raw_bytes: u64,
    pub(crate) truncated: u64,
    pub(crate) untimed: u64,
    /// Files that were written from the same inputs; the inputs may go only when all are there.
    pub(crate) siblings: Vec<String>,
    /// The files whose events these siblings hold.
    pub(crate) replaces: Vec<String>,
    /// Time of the first row of each chunk.
    pub(crate) chunk_times: Vec<i64>,
    /// Per text column: how many strings, and the first string id of each piece of postings.
    pub(crate) strings: Vec<u32>,
    pub(crate) postings: Vec<Vec<u32>>,
    pub(crate) bodies: u32,
    /// The combinations of string ids that rollups call cells, and the first hour of each piece of each
    /// rollup. Empty in a segment without rollups.
    #[serde(default)]
    pub(crate) cells: Vec<[u32; rollup::CELL.len()]>,
    #[serde(default)]
    pub(crate) rollups: Vec<Vec<i64>>,
    /// How many rollups there could be when the file was written.
    #[serde(default)]
    pub(crate) rollups_known: usize,
    /// How many pieces each rollup's totals have.
    #[serde(default)]
    pub(crate) totals: Vec<u32>,
    /// The version of the summary that the file would have, and its rows: none if its events are too
    /// diverse.
    #[serde(default)]
    pub(crate) summary_version: u32,
    #[serde(default)]
    pub(crate) summary_rows: u32,
    /// `None` in a file of before they were listed.
    #[serde(default)]
    pub(crate) unended: Option<Unended>,
    /// At which the bodies are compressed, unless they were taken over from files of the same level.
    pub(crate) zstd_level: i32,
    /// The version of the facts that stand in columns; 0 is without.
    #[serde(default)]
    pub(crate) facts: u32,
    /// Which blocks of bodies have an index of n-grams, by groups, in a file of before it left out the
    /// names of rows' own users. A version from then knows no other, and searches newer files whole.
    #[serde(default)]
    pub(crate) ngrams: Option<Groups>,
    /// The same of the index as it is now; `None` in an older file.
    #[serde(default)]
    pub(crate) ngrams_but_users: Option<Groups>,
    /// Bytes per component.
    pub(crate) components: Vec<(String, u64)>,
}

/// Memory of an open file, about: SQLite's connection and page cache.
const OPEN_BYTES: usize = 256 << 10;

/// Strings per piece of a dictionary.
pub(crate) const STRINGS_PER_PIECE: u32 = 128;

/// Keys per piece: what fills a page in a segment of usual size.
pub(crate) const KEYS_PER_PIECE: usize = 276;

/// Rows per piece of the audit id index.
pub(crate) const AUDIT_ROWS_PER_PIECE: usize = 800;

/// Where a block of bodies begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyAt {
    pub(crate) first_rank: u32,
    pub(crate) events: u32,
    pub(crate) size: u32,
}

/// An open sealed segment.
pub(crate) struct Sealed {
    pub(crate) header: Header,
    pub(crate) path: PathBuf,
    connection: Mutex<Connection>,
    pub(crate) strings: Vec<Vec<OnceLock<Strings>>>,
    /// Where pieces of large dictionaries are kept, and this segment's number there.
    packed: (Arc<PackedCache>, u64),
    key_index: OnceLock<Vec<u8>>,
    filter: OnceLock<Vec<u8>>,
    body_index: OnceLock<Vec<BodyAt>>,
    audit_index: OnceLock<Vec<u8>>,
    /// Bytes of each event, by rank.
    lengths: OnceLock<Vec<u32>>,
    loading: Mutex<()>,
    /// Where chunks are in the file, if they can be read from its pages.
    pages: OnceLock<Option<Pages>>,
    /// What an older file does not hold.
    derived: OnceLock<Derived>,
    /// How many rows hold a string, of columns with few strings.
    counts: Mutex<HashMap<(u8, u32), u32>>,
    /// How often and when strings were seen, of columns with few strings.
    seen: Mutex<HashMap<u8, Arc<[listed::Span]>>>,
    counted: Mutex<counted::Kept>,
    /// Bytes of what was loaded and stays.
    kept: AtomicUsize,
    /// Where chunks are kept for the next query, and this segment's number there.
    cache: Option<(Arc<ChunkCache>, u64)>,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        if let Some((cache, number)) = &self.cache {
            cache.forget(*number);
        }
        let (packed, number) = &self.packed;
        packed.forget(*number);
    }
}

impl Sealed {
    /// Opens a sealed file. `header_checksum` is what the catalog knows of it, if it does.
    pub(crate) fn open(path: &Path, header_checksum: Option<i64>) -> Result<Sealed> {
        let connection = database::open(path, FileKind::Sealed, Access::Immutable)?;
        let fails = |error: rusqlite::Error| failed(path, &error);
        connection
            .pragma_update(None, "cache_size", -1024)
            .map_err(fails)?;
        // Not mapped into memory: a file that is cut short under a map kills the process, and mapped
        // pages would count as the process's own.
        connection
            .query_row("pragma mmap_size = 0", [], |_| Ok(()))
            .map_err(fails)?;
        let (bytes, checksum) = read(&connection, path, Piece::Header, 0, 0)?;
        if header_checksum.is_some_and(|expected| expected != checksum) {
            return Err(wrong(
                path,
                "the header is not the one that the catalog knows",
            ));
        }
        let header: Header = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(path, &format!("the header is unreadable: {error}")))?;
        let packed = Arc::<PackedCache>::default();
        let packed_number = packed.number();
        let strings = header
            .strings
            .iter()
            .map(|&count| {
                (0..count.div_ceil(STRINGS_PER_PIECE))
                    .map(|_| OnceLock::new())
                    .collect()
            })
            .collect();
        Ok(Sealed {
            header,
            path: path.to_owned(),
            connection: Mutex::new(connection),
            strings,
            packed: (packed, packed_number),
            key_index: OnceLock::new(),
            filter: OnceLock::new(),
            body_index: OnceLock::new(),
            audit_index: OnceLock::new(),
            lengths: OnceLock::new(),
            loading: Mutex::default(),
            pages: OnceLock::new(),
            derived: OnceLock::new(),
            counts: Mutex::default(),
            seen: Mutex::default(),
            counted: Mutex::default(),
            kept: AtomicUsize::new(OPEN_BYTES),
            cache: None,
        })
    }

    /// Keeps chunks that queries look into, and shares the bound on pieces of dictionaries.
    pub(crate) fn with_cache(mut self, cache: &Arc<ChunkCache>) -> Sealed {
        self.cache = Some((Arc::clone(cache), cache.number()));
        self.packed = (Arc::clone(&cache.packed), cache.packed.number());
        self
    }

    /// The checksum of the header, as the catalog keeps it.
    pub(crate) fn header_checksum(&self) -> Result<i64> {
        Ok(read(&self.lock(), &self.path, Piece::Header, 0, 0)?.1)
    }

    /// Bytes of memory that it holds, about.
    pub(crate) fn memory(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A piece that is kept.
    fn kept_piece(&self, piece: Piece, column: u8, number: u32) -> Result<Vec<u8>> {
        let bytes = self.piece(piece, column, number)?;
        self.kept.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(bytes)
    }

    fn piece(&self, piece: Piece, column: u8, number: u32) -> Result<Vec<u8>> {
        Ok(read(&self.lock(), &self.path, piece, column, number)?.0)
    }

    fn once<'s, T>(
        &self,
        cell: &'s OnceLock<T>,
        load: impl FnOnce() -> Result<T>,
    ) -> Result<&'s T> {
        if let Some(value) = cell.get() {
            return Ok(value);
        }
        let value = load()?;
        Ok(cell.get_or_init(|| value))
    }

    pub(crate) fn chunks(&self) -> u32 {
        self.header.chunk_times.len() as u32
    }

    pub(crate) fn chunk_rows(&self, chunk: u32) -> usize {
        (self.header.rows as usize - chunk as usize * limits::CHUNK_ROWS).min(limits::CHUNK_ROWS)
    }

    /// The strings of a column, sorted, `STRINGS_PER_PIECE` at a time; ids count from 1.
    pub(crate) fn strings_piece(&self, column: TextColumn, number: u32) -> Result<&Strings> {
        let cell = self.strings[column as usize]
            .get(number as usize)
            .ok_or_else(|| wrong(&self.path, "a string id is out of range"))?;
        self.once(cell, || {
            let strings = Strings::new(&self.load_strings(column, number)?);
            self.kept.fetch_add(strings.memory(), Ordering::Relaxed);
            Ok(strings)
        })
    }

    /// The same, for reading once: nothing of it is kept.
    pub(crate) fn load_strings(&self, column: TextColumn, number: u32) -> Result<Vec<Box<str>>> {
        let bytes = self.piece(Piece::Strings, column as u8, number)?;
        let mut strings: Vec<Box<str>> = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(&self.path, &format!("unreadable strings: {error}")))?;
        frontcode::restore(&mut strings)
            .ok_or_else(|| wrong(&self.path, "strings do not belong together"))?;
        Ok(strings)
    }

    pub(crate) fn string(&self, column: TextColumn, id: u32) -> Result<&str> {
        if let Some(strings) = self.derived_strings(column)? {
            return facts::string(strings, id);
        }
        let index = id
            .checked_sub(1)
            .ok_or_else(|| wrong(&self.path, "string id 0 has no string"))?;
        let strings = self.strings_piece(column, index / STRINGS_PER_PIECE)?;
        strings
            .get((index % STRINGS_PER_PIECE) as usize)
            .ok_or_else(|| wrong(&self.path, "a string id is out of range"))
    }

    /// The id of a string, if the column has it.
    pub(crate) fn find(&self, column: TextColumn, text: &str) -> Result<Option<u32>> {
        if let Some(strings) = self.derived_strings(column)? {
            let found = strings.iter().position(|known| &**known == text);
            return Ok(found.map(|index| index as u32 + 1));
        }
        if self.is_packed(column) {
            return self.find_packed(column, text);
        }
        let (mut low, mut high) = (0, self.strings[column as usize].len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            let strings = self.strings_piece(column, middle)?;
            let (Some(first), Some(last)) = (strings.get(0), strings.last()) else {
                return Err(wrong(&self.path, "a piece of strings is empty"));
            };
            if text < first {
                high = middle;
            } else if text > last {
                low = middle + 1;
            } else {
                let found = strings.find(text);
                return Ok(found.map(|index| middle * STRINGS_PER_PIECE + index as u32 + 1));
            }
        }
        Ok(None)
    }

    /// Counts and rows of every string of a column from `from` on, until `sink` returns false.
    pub(crate) fn postings(
        &self,
        column: TextColumn,
        from: u32,
        lists: bool,
        sink: &mut dyn FnMut(u32, Posting) -> bool,
    ) -> Result<()> {
        let firsts = &self.header.postings[column as usize];
        let start = firsts
            .partition_point(|&first| first <= from)
            .saturating_sub(1);
        for (number, &first) in firsts.iter().enumerate().skip(start) {
            let bytes = self.piece(Piece::Postings, column as u8, number as u32)?;
            let mut reader = Reader::new(&bytes);
            let mut id = first;
            while reader.position() < bytes.len() {
                let posting = read_posting(&mut reader, lists && id >= from)?;
                if id >= from && !sink(id, posting) {
                    return Ok(());
                }
                id += 1;
            }
        }
        Ok(())
    }

    /// The directory of body blocks.
    pub(crate) fn body_index(&self) -> Result<&[BodyAt]> {
        let index = self.once(&self.body_index, || {
            let bytes = self.kept_piece(Piece::BodyIndex, 0, 0)?;
            let mut reader = Reader::new(&bytes);
            let mut first_rank = 0;
            let mut index = Vec::with_capacity(self.header.bodies as usize);
            while reader.position() < bytes.len() {
                let (events, size) = (reader.varint()? as u32, reader.varint()? as u32);
                index.push(BodyAt {
                    first_rank,
                    events,
                    size,
                });
                first_rank += events;
            }
            if first_rank != self.header.rows || index.len() != self.header.bodies as usize {
                return Err(wrong(&self.path, "the index of bodies is incomplete"));
            }
            Ok(index)
        })?;
        Ok(index)
    }

    /// Reads a piece of a rollup.
    pub(crate) fn rollup(&self, number: u8, piece: usize, out: &mut rollup::Entries) -> Result<()> {
        out.unpack(number, &self.piece(Piece::Rollup, number, piece as u32)?)
            .map_err(|error| wrong(&self.path, &error.to_string()))
    }

    /// The number of the body block that holds a rank.
    pub(crate) fn body_block(&self, rank: u32) -> Result<usize> {
        Ok(self
            .body_index()?
            .partition_point(|at| at.first_rank <= rank)
            .saturating_sub(1))
    }

    /// A block of bodies as it stands in the file.
    pub(crate) fn compressed_frame(&self, number: usize) -> Result<Vec<u8>> {
        self.piece(Piece::Body, 0, number as u32)
    }

    /// A piece of the index of n-grams as it stands in the file.
    pub(crate) fn packed_ngrams(&self, number: u32) -> Result<Vec<u8>> {
        self.piece(Piece::Ngrams, 0, number)
    }

    /// The rows of earlier stages whose requests do not end here, ascending.
    pub(crate) fn unended(&self) -> Result<Vec<u32>> {
        let listed = self.header.unended.as_ref().map_or(0, |known| known.rows);
        if listed == 0 {
            return Ok(Vec::new());
        }
        let bytes = self.piece(Piece::Unended, 0, 0)?;
        let rows = read_posting(&mut Reader::new(&bytes), true)?.rows;
        match rows.len() == listed as usize && rows.last() < Some(&self.header.rows) {
            true => Ok(rows),
            false => Err(wrong(
                &self.path,
                "the list of requests without end is unreadable",
            )),
        }
    }

    /// Decompresses a block of bodies.
    pub(crate) fn frame(&self, number: usize) -> Result<Frame> {
        let at = *self
            .body_index()?
            .get(number)
            .ok_or_else(|| wrong(&self.path, "a block of bodies is missing"))?;
        let compressed = self.piece(Piece::Body, 0, number as u32)?;
        Frame::unpack(&compressed, at.events as usize, at.size as usize)
    }
}

/// The bytes of a key that the audit id index holds: those that differ within a piece.
pub(crate) fn audit_prefix(key: &[u8; 16]) -> [u8; 2] {
    [key[2], key[3]]
}

/// The chunk of a row and its place in it.
pub(crate) fn split(row: u32) -> (u32, usize) {
    (
        row / limits::CHUNK_ROWS as u32,
        row as usize % limits::CHUNK_ROWS,
    )
}

/// The checksum of a column chunk.
pub(crate) fn chunk_checksum(id: i64, base: i64, width: i64, data: &[u8]) -> i64 {
    codec::checksum(
        Piece::Chunk as u64,
        (id as u64) ^ (base as u64).rotate_left(21) ^ (width as u64).rotate_left(50),
        data,
    )
}

/// The checksum of any other piece.
pub(crate) fn piece_checksum(id: i64, data: &[u8]) -> i64 {
    codec::checksum(Piece::Header as u64, id as u64, data)
}

pub(crate) fn wrong(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what}", path.display()))
}

fn read(
    connection: &Connection,
    path: &Path,
    piece: Piece,
    column: u8,
    number: u32,
) -> Result<(Vec<u8>, i64)> {
    let fails = |error: rusqlite::Error| failed(path, &error);
    let id = piece_id(piece, column, number);
    let sql = match table(piece) {
        "strings" => "select data, checksum from strings where id = ?1",
        "body" => "select data, checksum from body where id = ?1",
        "ngrams" => "select data, checksum from ngrams where id = ?1",
        _ => "select data, checksum from piece where id = ?1",
    };
    let mut select = connection.prepare_cached(sql).map_err(fails)?;
    let mut rows = select.query([id]).map_err(fails)?;
    let row = rows.next().map_err(fails)?;
    let row = row.ok_or_else(|| {
        wrong(
            path,
            &format!("a piece is missing ({piece:?} {column} {number})"),
        )
    })?;
    let (ValueRef::Blob(data) | ValueRef::Text(data)) = row.get_ref(0).map_err(fails)? else {
        return Err(wrong(path, "a piece is neither text nor blob"));
    };
    let checksum: i64 = row.get(1).map_err(fails)?;
    if checksum != piece_checksum(id, data) {
        return Err(wrong(
            path,
            &format!("a piece has a wrong checksum ({piece:?} {column} {number})"),
        ));
    }
    Ok((data.to_vec(), checksum))
}
