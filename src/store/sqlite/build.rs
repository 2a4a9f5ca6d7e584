//! Writing a sealed segment from parts: blocks of an active segment, or smaller segments.
//!
//! Works one column at a time over a given order of rows, so memory holds a few numbers per row
//! and never the events themselves. The file appears under its name only when complete and synced.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::bodies::{self, BodySource, ClusterKey, cluster_order};
use super::codec::{Chunk, encode_chunk, put_varint};
use super::database::{self, Access, FileKind, failed, io_failed};
use super::dedup;
use super::layout::{self, AUDIT_COLUMN, IntColumn, TextColumn};
use super::part::Part;
use super::postings::put_posting;
use super::sealed::{
    AUDIT_ROWS_PER_PIECE, Header, KEYS_PER_PIECE, LENGTHS_PER_PIECE, Piece, STRINGS_PER_PIECE,
    Sealed, audit_prefix, chunk_checksum, pack_lengths, piece_checksum, piece_id, table,
};
use super::views;
use crate::limits;
use crate::store::{Result, StoreError};

/// Bytes of a piece of postings, about.
const POSTINGS_BYTES: usize = 8 << 10;

/// A row of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowAt {
    pub(crate) part: u32,
    pub(crate) row: u32,
}

/// What a new segment is made of.
pub(crate) struct Plan<'a> {
    pub(crate) parts: &'a [Part],
    /// Rows in order of (time, id).
    pub(crate) order: &'a [RowAt],
    /// The content keys of exactly these rows, ascending.
    pub(crate) keys: Vec<[u8; 16]>,
    pub(crate) raw_bytes: u64,
    pub(crate) siblings: Vec<String>,
    pub(crate) replaces: Vec<String>,
    pub(crate) zstd_level: i32,
}

/// A finished segment file.
pub(crate) struct Built {
    pub(crate) header: Header,
    pub(crate) header_checksum: i64,
    pub(crate) file_bytes: u64,
    pub(crate) sha256: String,
}

/// Writes a segment under `directory/name`.
pub(crate) fn build(directory: &Path, name: &str, plan: Plan<'_>) -> Result<Built> {
    let temporary = directory.join(format!("{name}.new"));
    remove_if_there(&temporary)?;
    let result = write(&temporary, plan).and_then(|(header, header_checksum)| {
        let (file_bytes, sha256) = sync_and_hash(&temporary)?;
        let path = directory.join(name);
        std::fs::rename(&temporary, &path).map_err(|error| io_failed(&path, &error))?;
        database::sync_directory(directory)?;
        Ok(Built {
            header,
            header_checksum,
            file_bytes,
            sha256,
        })
    });
    if result.is_err() {
        // What is left of a failed attempt only takes space; the next start removes it too.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_failed(path, &error)),
        _ => Ok(()),
    }
}

/// Makes the file durable; its size and SHA-256 in hexadecimal.
fn sync_and_hash(path: &Path) -> Result<(u64, String)> {
    let file = std::fs::File::open(path).and_then(|file| file.sync_all());
    file.map_err(|error| io_failed(path, &error))?;
    size_and_hash(path)
}

/// A file's size and SHA-256 in hexadecimal.
pub(crate) fn size_and_hash(path: &Path) -> Result<(u64, String)> {
    use std::io::Read;
    let fails = |error: std::io::Error| io_failed(path, &error);
    let mut file = std::fs::File::open(path).map_err(fails)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        let count = file.read(&mut buffer).map_err(fails)?;
        if count == 0 {
            return Ok((total, hex(&digest.finalize())));
        }
        digest.update(&buffer[..count]);
        total += count as u64;
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        text.push(DIGITS[(byte >> 4) as usize] as char);
        text.push(DIGITS[(byte & 15) as usize] as char);
    }
    text
}

struct Writer {
    connection: Connection,
    path: PathBuf,
    components: Vec<(String, u64)>,
}

impl Writer {
    fn create(path: &Path) -> Result<Writer> {
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
        Ok(Writer {
            connection,
            path: path.to_owned(),
            components: Vec::new(),
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

    fn chunk(&mut self, component: &str, column: u8, number: u32, chunk: &Chunk) -> Result<()> {
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

    fn piece(
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
            _ => "insert into piece (id, data, checksum) values (?1, ?2, ?3)",
        };
        self.connection
            .prepare_cached(sql)
            .and_then(|mut insert| insert.execute(params![id, data, checksum]))
            .map_err(|error| failed(&self.path, &error))?;
        self.count(component, data.len() + 16);
        Ok(checksum)
    }

    fn finish(self) -> Result<()> {
        let fails = |error: rusqlite::Error| failed(&self.path, &error);
        self.connection.execute_batch("commit").map_err(fails)?;
        self.connection
            .close()
            .map_err(|(_, error)| failed(&self.path, &error))
    }
}

fn write(path: &Path, plan: Plan<'_>) -> Result<(Header, i64)> {
    let mut writer = Writer::create(path)?;
    let mut header = Header {
        rows: u32::try_from(plan.order.len())
            .map_err(|_| StoreError::Io("too many rows for a segment".into()))?,
        raw_bytes: plan.raw_bytes,
        siblings: plan.siblings,
        replaces: plan.replaces,
        facts: layout::FACTS_VERSION,
        ..Header::default()
    };
    let (parts, order) = (plan.parts, plan.order);

    let mut source = ColumnSource::new(parts, order);
    let times = source.ints(IntColumn::Time)?;
    header.oldest = times.first().copied().unwrap_or_default();
    header.newest = times.last().copied().unwrap_or_default();
    header.chunk_times = times.iter().step_by(limits::CHUNK_ROWS).copied().collect();
    put_ints(&mut writer, "time", IntColumn::Time, &times)?;
    drop(times);
    for column in [
        IntColumn::Latency,
        IntColumn::StoredTime,
        IntColumn::Id,
        IntColumn::Flags,
    ] {
        let values = source.ints(column)?;
        match column {
            IntColumn::Id => header.last_id = values.iter().copied().max().unwrap_or_default(),
            IntColumn::Flags => {
                header.truncated = values
                    .iter()
                    .filter(|&&flags| flags & layout::FLAG_TRUNCATED != 0)
                    .count() as u64;
            }
            _ => {}
        }
        put_ints(&mut writer, "numbers", column, &values)?;
    }
    put_audit_ids(&mut writer, &mut source)?;

    let mut cluster_keys = Vec::new();
    for &column in TextColumn::ALL {
        let (ids, strings) = source.text(column)?;
        put_ids(&mut writer, column, &ids)?;
        header.strings.push(strings.len() as u32);
        put_strings(&mut writer, column, &strings)?;
        header
            .postings
            .push(put_postings(&mut writer, column, &ids, strings.len())?);
        if column == TextColumn::TimeQuality {
            let untimed = strings
                .iter()
                .position(|text| &**text == "stored")
                .map(|index| index as u32 + 1);
            header.untimed = ids.iter().filter(|&&id| Some(id) == untimed).count() as u64;
        }
        cluster_keys.extend(super::bodies::cluster_key(column, ids, &strings));
    }

    header.bodies = put_bodies(&mut writer, parts, order, &cluster_keys, plan.zstd_level)?;
    drop(cluster_keys);
    put_keys(&mut writer, &plan.keys)?;

    header.components = std::mem::take(&mut writer.components);
    let bytes = serde_json::to_vec(&header).map_err(|error| StoreError::Io(error.to_string()))?;
    let checksum = writer.piece("header", Piece::Header, 0, 0, &bytes)?;
    writer.finish()?;
    Ok((header, checksum))
}

fn put_ints(writer: &mut Writer, component: &str, column: IntColumn, values: &[i64]) -> Result<()> {
    for (number, values) in values.chunks(limits::CHUNK_ROWS).enumerate() {
        writer.chunk(
            component,
            column as u8,
            number as u32,
            &encode_chunk(values),
        )?;
    }
    Ok(())
}

fn put_ids(writer: &mut Writer, column: TextColumn, ids: &[u32]) -> Result<()> {
    let mut values = Vec::with_capacity(limits::CHUNK_ROWS);
    for (number, ids) in ids.chunks(limits::CHUNK_ROWS).enumerate() {
        values.clear();
        values.extend(ids.iter().map(|&id| i64::from(id)));
        writer.chunk(
            "text columns",
            column as u8,
            number as u32,
            &encode_chunk(&values),
        )?;
    }
    Ok(())
}

fn put_strings(writer: &mut Writer, column: TextColumn, strings: &[Box<str>]) -> Result<()> {
    for (number, strings) in strings.chunks(STRINGS_PER_PIECE as usize).enumerate() {
        // JSON, so that any SQLite shell can read it through the plain views.
        let json =
            serde_json::to_vec(strings).map_err(|error| StoreError::Io(error.to_string()))?;
        writer.piece(
            "dictionaries",
            Piece::Strings,
            column as u8,
            number as u32,
            &json,
        )?;
    }
    Ok(())
}

/// Writes, for every string, where it occurs; returns the first string of each piece.
fn put_postings(
    writer: &mut Writer,
    column: TextColumn,
    ids: &[u32],
    strings: usize,
) -> Result<Vec<u32>> {
    // Counting sort: rows grouped by string, ascending within each.
    let mut starts = vec![0u32; strings + 2];
    for &id in ids {
        starts[id as usize + 1] += 1;
    }
    for index in 1..starts.len() {
        starts[index] += starts[index - 1];
    }
    let mut next = starts.clone();
    let mut rows = vec![0u32; ids.len()];
    for (row, &id) in ids.iter().enumerate() {
        rows[next[id as usize] as usize] = row as u32;
        next[id as usize] += 1;
    }
    let mut firsts = Vec::new();
    let mut piece = Vec::new();
    for id in 1..=strings {
        if piece.is_empty() {
            firsts.push(id as u32);
        }
        let list = &rows[starts[id] as usize..starts[id + 1] as usize];
        put_posting(&mut piece, list, column.has_postings());
        if piece.len() >= POSTINGS_BYTES || id == strings {
            let number = firsts.len() as u32 - 1;
            writer.piece("row lists", Piece::Postings, column as u8, number, &piece)?;
            piece.clear();
        }
    }
    Ok(firsts)
}

fn put_audit_ids(writer: &mut Writer, source: &mut ColumnSource<'_>) -> Result<()> {
    let keys = source.audit_keys()?;
    for (number, keys) in keys.chunks(limits::CHUNK_ROWS).enumerate() {
        let chunk = Chunk {
            base: 0,
            width: 16,
            data: keys.as_flattened().to_vec(),
        };
        writer.chunk("audit ids", AUDIT_COLUMN, number as u32, &chunk)?;
    }
    let mut sorted: Vec<u32> = (0..keys.len() as u32).collect();
    sorted.sort_unstable_by_key(|&row| (keys[row as usize], row));
    let mut firsts = Vec::new();
    for (number, rows) in sorted.chunks(AUDIT_ROWS_PER_PIECE).enumerate() {
        firsts.extend_from_slice(&keys[rows[0] as usize]);
        let mut piece = Vec::with_capacity(rows.len() * 5);
        for &row in rows {
            piece.extend_from_slice(&audit_prefix(&keys[row as usize]));
            piece.extend_from_slice(&row.to_be_bytes()[1..]);
        }
        writer.piece(
            "audit id index",
            Piece::AuditIndex,
            1,
            number as u32,
            &piece,
        )?;
    }
    writer.piece("audit id index", Piece::AuditIndex, 0, 0, &firsts)?;
    Ok(())
}

fn put_keys(writer: &mut Writer, keys: &[[u8; 16]]) -> Result<()> {
    let mut index = Vec::new();
    for (number, keys) in keys.chunks(KEYS_PER_PIECE).enumerate() {
        index.extend_from_slice(&keys[0]);
        writer.piece(
            "content keys",
            Piece::Keys,
            0,
            number as u32,
            keys.as_flattened(),
        )?;
    }
    writer.piece("content keys", Piece::KeyIndex, 0, 0, &index)?;
    writer.piece("content keys", Piece::Filter, 0, 0, &dedup::filter(keys))?;
    Ok(())
}

/// Writes all bodies, bucket by bucket, and where each row's body stands; how many blocks there are.
fn put_bodies(
    writer: &mut Writer,
    parts: &[Part],
    order: &[RowAt],
    keys: &[ClusterKey],
    level: i32,
) -> Result<u32> {
    let source = BodySource::new(parts, order)?;
    let mut ranks = vec![0i64; order.len()];
    let mut blocks = BodyWriter::new(writer, level)?;
    for bucket in bodies::buckets(parts, order) {
        let first_rank = bucket.rows.start as i64;
        if let Some(part) = bucket.copied_from {
            let Part::Sealed(sealed) = &parts[part] else {
                continue;
            };
            for row in bucket.rows {
                ranks[row] = first_rank + i64::from(source.place(order[row]));
            }
            blocks.copy(sealed)?;
            continue;
        }
        let ranked = cluster_order(bucket.rows, keys);
        for (rank, &row) in ranked.iter().enumerate() {
            ranks[row as usize] = first_rank + rank as i64;
        }
        source.read(&ranked, &mut |body| blocks.push(body))?;
        blocks.flush()?;
    }
    let (index, count) = (blocks.index, blocks.count);
    writer.piece("bodies", Piece::BodyIndex, 0, 0, &index)?;
    let mut lengths = vec![0; ranks.len()];
    for (&rank, length) in ranks
        .iter()
        .zip(ColumnSource::new(parts, order).ints(IntColumn::RawBytes)?)
    {
        lengths[rank as usize] = length as u32;
    }
    for (number, lengths) in lengths.chunks(LENGTHS_PER_PIECE).enumerate() {
        let packed = pack_lengths(lengths)?;
        writer.piece("lengths", Piece::Lengths, 0, number as u32, &packed)?;
    }
    put_ints(writer, "numbers", IntColumn::Rank, &ranks)?;
    Ok(count)
}

/// Fills blocks of bodies and compresses them.
struct BodyWriter<'w> {
    writer: &'w mut Writer,
    compressor: zstd::bulk::Compressor<'static>,
    index: Vec<u8>,
    count: u32,
    events: u32,
    lengths: Vec<u8>,
    bodies: Vec<u8>,
}

impl<'w> BodyWriter<'w> {
    fn new(writer: &'w mut Writer, level: i32) -> Result<BodyWriter<'w>> {
        let compressor = zstd::bulk::Compressor::new(level)
            .map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
        Ok(BodyWriter {
            writer,
            compressor,
            index: Vec::new(),
            count: 0,
            events: 0,
            lengths: Vec::new(),
            bodies: Vec::new(),
        })
    }

    fn push(&mut self, body: &[u8]) -> Result<()> {
        if self.events > 0 && self.bodies.len() + body.len() > limits::BODY_BLOCK_BYTES {
            self.flush()?;
        }
        put_varint(&mut self.lengths, body.len() as u64);
        self.bodies.extend_from_slice(body);
        self.events += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.events == 0 {
            return Ok(());
        }
        self.lengths.extend_from_slice(&self.bodies);
        let compressed = self
            .compressor
            .compress(&self.lengths)
            .map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
        let (events, size) = (self.events, self.lengths.len() as u32);
        self.put(events, size, &compressed)?;
        self.events = 0;
        self.lengths.clear();
        self.bodies.clear();
        Ok(())
    }

    /// Takes over all blocks of a segment.
    fn copy(&mut self, sealed: &Sealed) -> Result<()> {
        for (number, at) in sealed.body_index()?.iter().enumerate() {
            let compressed = sealed.compressed_frame(number)?;
            self.put(at.events, at.size, &compressed)?;
        }
        Ok(())
    }

    fn put(&mut self, events: u32, size: u32, compressed: &[u8]) -> Result<()> {
        put_varint(&mut self.index, u64::from(events));
        put_varint(&mut self.index, u64::from(size));
        self.writer
            .piece("bodies", Piece::Body, 0, self.count, compressed)?;
        self.count += 1;
        Ok(())
    }
}

/// Reads whole columns in the order of the new segment.
struct ColumnSource<'a> {
    parts: &'a [Part],
    order: &'a [RowAt],
}

impl<'a> ColumnSource<'a> {
    fn new(parts: &'a [Part], order: &'a [RowAt]) -> ColumnSource<'a> {
        ColumnSource { parts, order }
    }

    /// Gathers one value per row, decoding every part once.
    fn gather<T: Copy + Default>(
        &self,
        decode: &mut dyn FnMut(&Part, &mut Vec<T>) -> Result<()>,
    ) -> Result<Vec<T>> {
        let mut columns = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            let mut values = Vec::new();
            decode(part, &mut values)?;
            columns.push(values);
        }
        Ok(self
            .order
            .iter()
            .map(|at| columns[at.part as usize][at.row as usize])
            .collect())
    }

    fn ints(&mut self, column: IntColumn) -> Result<Vec<i64>> {
        let mut chunk_values = Vec::new();
        self.gather(&mut |part, values| {
            for chunk in 0..part.chunks() {
                part.ints(column, chunk, &mut chunk_values)?;
                values.extend_from_slice(&chunk_values);
            }
            Ok(())
        })
    }

    fn audit_keys(&mut self) -> Result<Vec<[u8; 16]>> {
        let mut chunk_values = Vec::new();
        self.gather(&mut |part, values| {
            for chunk in 0..part.chunks() {
                part.audit_keys(chunk, &mut chunk_values)?;
                values.extend_from_slice(&chunk_values);
            }
            Ok(())
        })
    }

    /// A text column: its ids in the new dictionary, and that dictionary, sorted.
    fn text(&mut self, column: TextColumn) -> Result<(Vec<u32>, Vec<Box<str>>)> {
        let (old_ids, mut used) = self.used_ids(column)?;
        // Number the strings in order of first sight, then renumber in sorted order.
        let mut seen: rustc_hash::FxHashMap<Box<str>, u32> = rustc_hash::FxHashMap::default();
        for (part, used) in self.parts.iter().zip(&mut used) {
            part.each_string(column, &mut |id, text| {
                let slot = &mut used[id as usize];
                if *slot != 0 {
                    *slot = match seen.get(text) {
                        Some(&number) => number,
                        None => {
                            let number = seen.len() as u32 + 1;
                            seen.insert(text.into(), number);
                            number
                        }
                    };
                }
                std::ops::ControlFlow::Continue(())
            })?;
        }
        let mut strings: Vec<(Box<str>, u32)> = seen.into_iter().collect();
        strings.sort_unstable();
        let mut renumbered = vec![0u32; strings.len() + 1];
        for (index, (_, number)) in strings.iter().enumerate() {
            renumbered[*number as usize] = index as u32 + 1;
        }
        let ids = self
            .order
            .iter()
            .zip(old_ids)
            .map(|(at, old)| renumbered[used[at.part as usize][old as usize] as usize])
            .collect();
        Ok((ids, strings.into_iter().map(|(text, _)| text).collect()))
    }

    /// The parts' own ids per row, and per part which of them occur.
    fn used_ids(&self, column: TextColumn) -> Result<(Vec<u32>, Vec<Vec<u32>>)> {
        let mut chunk_values = Vec::new();
        let ids = self.gather(&mut |part, values| {
            for chunk in 0..part.chunks() {
                part.ids(column, chunk, &mut chunk_values)?;
                values.extend_from_slice(&chunk_values);
            }
            Ok(())
        })?;
        let mut used: Vec<Vec<u32>> = self
            .parts
            .iter()
            .map(|part| vec![0; part.strings(column) as usize + 1])
            .collect();
        for (at, &id) in self.order.iter().zip(&ids) {
            match used[at.part as usize].get_mut(id as usize) {
                Some(slot) => *slot = u32::from(id != 0),
                None => return Err(super::codec::damaged("a string id is out of range")),
            }
        }
        Ok((ids, used))
    }
}
