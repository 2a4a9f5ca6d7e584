//! Writing a sealed segment from parts: blocks of an active segment, or smaller segments.
//!
//! Works one column at a time over a given order of rows, so memory holds a few numbers per row
//! and never the events themselves. The file appears under its name only when complete and synced.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::bodies::Users;
use super::bodyblocks;
use super::database::{self, io_failed};
use super::dictionary;
use super::keys::{self, ContentKeys};
use super::layout::{self, AUDIT_COLUMN, IntColumn, TextColumn};
use super::order::{Columns, Order};
use super::part::Part;
use super::rollupwriter;
use super::rowlists::RowLists;
use super::sealed::{AUDIT_ROWS_PER_PIECE, Header, Piece, audit_prefix};
use super::segfile::{NumberChunks, SegmentFile, StringPieces};
use super::summarywriter;
use super::unended::{self, Noted};
use crate::limits;
use crate::store::{Result, StoreError};

/// What a new segment is made of.
pub(crate) struct Plan<'a> {
    pub(crate) parts: &'a [Part],
    pub(crate) order: &'a Order,
    pub(crate) keys: ContentKeys,
    pub(crate) raw_bytes: u64,
    pub(crate) siblings: Vec<String>,
    pub(crate) replaces: Vec<String>,
    pub(crate) zstd_level: i32,
    /// Called again and again between pieces of work, for what must not wait until the end.
    pub(crate) pause: &'a dyn Fn() -> Result<()>,
}

/// A finished segment file.
pub(crate) struct Built {
    pub(crate) header: Header,
    pub(crate) header_checksum: i64,
    pub(crate) file_bytes: u64,
    pub(crate) sha256: String,
    /// The most bytes that writing it held besides fixed buffers.
    pub(crate) held_most: usize,
}

/// Writes a segment under `directory/name`.
pub(crate) fn build(directory: &Path, name: &str, plan: Plan<'_>) -> Result<Built> {
    let temporary = directory.join(format!("{name}.new"));
    remove_if_there(&temporary)?;
    let result = write(&temporary, plan).and_then(|(header, header_checksum, held_most)| {
        let (file_bytes, sha256) = sync_and_hash(&temporary)?;
        let path = directory.join(name);
        std::fs::rename(&temporary, &path).map_err(|error| io_failed(&path, &error))?;
        database::sync_directory(directory)?;
        Ok(Built {
            header,
            header_checksum,
            file_bytes,
            sha256,
            held_most,
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

fn write(path: &Path, plan: Plan<'_>) -> Result<(Header, i64, usize)> {
    let mut file = SegmentFile::create(path)?;
    let (parts, order) = (plan.parts, plan.order);
    let mut header = Header {
        rows: u32::try_from(order.len())
            .map_err(|_| StoreError::Io("too many rows for a segment".into()))?,
        raw_bytes: plan.raw_bytes,
        siblings: plan.siblings,
        replaces: plan.replaces,
        zstd_level: plan.zstd_level,
        facts: layout::FACTS_VERSION,
        ..Header::default()
    };
    // In order of ids, so that SQLite appends and fills its pages.
    let mut users = Users::default();
    let mut noted = Noted::default();
    for &column in TextColumn::ALL {
        (plan.pause)()?;
        put_text(
            &mut file,
            parts,
            order,
            column,
            &mut header,
            &mut |id, text| {
                noted.note(column, id, text);
                if column == TextColumn::User {
                    users.push(text);
                }
            },
        )?;
    }
    (plan.pause)()?;
    put_numbers(&mut file, parts, order, &mut header)?;
    rollupwriter::put_rollups(&mut file, &mut header, plan.pause)?;
    summarywriter::put_summary(&mut file, &mut header, plan.pause)?;
    keys::put_keys(&mut file, parts, plan.keys, order.len())?;
    let lengths;
    (header.bodies, header.ngrams_but_users, lengths) =
        bodyblocks::put_bodies(&mut file, parts, order, &users, plan.zstd_level, plan.pause)?;
    (plan.pause)()?;
    put_audit_ids(&mut file, parts, order)?;
    lengths.put(&mut file)?;
    unended::put_unended(&mut file, &mut header, &noted, plan.pause)?;

    header.components = std::mem::take(&mut file.components);
    let bytes = serde_json::to_vec(&header).map_err(|error| StoreError::Io(error.to_string()))?;
    let checksum = file.piece("header", Piece::Header, 0, 0, &bytes)?;
    let held_most = file.held_most();
    file.finish()?;
    Ok((header, checksum, held_most))
}

/// Writes the numbers except the ranks, which come with the bodies.
fn put_numbers(
    file: &mut SegmentFile,
    parts: &[Part],
    order: &Order,
    header: &mut Header,
) -> Result<()> {
    for column in [
        IntColumn::Time,
        IntColumn::Latency,
        IntColumn::StoredTime,
        IntColumn::Id,
        IntColumn::Flags,
    ] {
        let component = match column {
            IntColumn::Time => "time",
            _ => "numbers",
        };
        let mut values = Columns::ints(parts, column);
        let mut chunks = NumberChunks::new(component, column as u8);
        for (row, at) in order.iter().enumerate() {
            let value = values.get(at)?;
            match column {
                IntColumn::Time => {
                    if row == 0 {
                        header.oldest = value;
                    }
                    if row % limits::CHUNK_ROWS == 0 {
                        header.chunk_times.push(value);
                    }
                    header.newest = value;
                }
                IntColumn::Id => header.last_id = header.last_id.max(value),
                IntColumn::Flags => {
                    header.truncated += u64::from(value & layout::FLAG_TRUNCATED != 0);
                }
                _ => {}
            }
            chunks.push(file, value)?;
        }
        chunks.finish(file)?;
    }
    Ok(())
}

/// Writes a text column: its dictionary, each row's string, and where each string is.
fn put_text(
    file: &mut SegmentFile,
    parts: &[Part],
    order: &Order,
    column: TextColumn,
    header: &mut Header,
    note: &mut dyn FnMut(u32, &str),
) -> Result<()> {
    let mut pieces = StringPieces::new(column);
    let (mut strings, mut untimed) = (0u32, None);
    let dictionary = dictionary::merge(parts, order, column, &mut |text| {
        strings += 1;
        note(strings, text);
        if column == TextColumn::TimeQuality && text == "stored" {
            untimed = Some(strings);
        }
        pieces.push(file, text)
    })?;
    pieces.finish(file)?;
    header.strings.push(strings);

    let mut ids = Columns::ids(parts, column);
    let mut chunks = NumberChunks::new("text columns", column as u8);
    if column.fact().is_some() {
        chunks = chunks.mostly_zero();
    }
    let mut lists = RowLists::new(column, dictionary.strings, order.len());
    for (row, at) in order.iter().enumerate() {
        let id = dictionary.id(at.part, ids.get(at)?)?;
        lists.push(row as u32, id);
        header.untimed += u64::from(Some(id) == untimed);
        chunks.push(file, i64::from(id))?;
    }
    chunks.finish(file)?;
    file.holds(order.bytes() + dictionary.bytes() + lists.bytes());
    drop((dictionary, ids));
    file.holds(order.bytes() + lists.bytes_sorting());
    header.postings.push(lists.finish(file)?);
    Ok(())
}

/// Rows whose audit ids are sorted at once, unless more of them begin alike.
const AUDIT_ROWS_SORTED: u32 = 262_144;

/// Writes the audit ids and their index: for each piece, rows in order of audit id.
fn put_audit_ids(file: &mut SegmentFile, parts: &[Part], order: &Order) -> Result<()> {
    let mut keys = Columns::audit_keys(parts);
    // How many keys begin with the same two bytes.
    let mut alike = vec![0u32; 1 << 16];
    let prefix = |key: &[u8; 16]| usize::from(u16::from_be_bytes([key[0], key[1]]));
    let mut data = Vec::with_capacity(limits::CHUNK_ROWS * 16);
    let rows = order.len();
    for (row, at) in order.iter().enumerate() {
        let key = keys.get(at)?;
        alike[prefix(&key)] += 1;
        data.extend_from_slice(&key);
        if data.len() == limits::CHUNK_ROWS * 16 || row + 1 == rows {
            let number = (row / limits::CHUNK_ROWS) as u32;
            file.audit_chunk(AUDIT_COLUMN, number, std::mem::take(&mut data))?;
        }
    }
    drop(data);
    let mut index = AuditIndex::default();
    let mut sorted: Vec<([u8; 16], u32)> = Vec::new();
    let mut begin = 0;
    while begin < alike.len() {
        // A stretch of beginnings with a bounded number of rows.
        let (mut end, mut count) = (begin, 0);
        while end < alike.len() && (count == 0 || count + alike[end] <= AUDIT_ROWS_SORTED) {
            count += alike[end];
            end += 1;
        }
        sorted.clear();
        sorted.reserve_exact(count as usize);
        if count > 0 {
            let mut keys = Columns::audit_keys(parts);
            for (row, at) in order.iter().enumerate() {
                let key = keys.get(at)?;
                if (begin..end).contains(&prefix(&key)) {
                    sorted.push((key, row as u32));
                }
            }
        }
        sorted.sort_unstable();
        file.holds(order.bytes() + sorted.len() * 20 + alike.len() * 4);
        for (key, row) in &sorted {
            index.push(file, key, *row)?;
        }
        begin = end;
    }
    index.finish(file)
}

/// Fills pieces of the audit id index.
#[derive(Default)]
struct AuditIndex {
    firsts: Vec<u8>,
    piece: Vec<u8>,
    rows: usize,
}

impl AuditIndex {
    fn push(&mut self, file: &mut SegmentFile, key: &[u8; 16], row: u32) -> Result<()> {
        if self.rows == 0 {
            self.firsts.extend_from_slice(key);
        }
        self.piece.extend_from_slice(&audit_prefix(key));
        self.piece.extend_from_slice(&row.to_be_bytes()[1..]);
        self.rows += 1;
        if self.rows == AUDIT_ROWS_PER_PIECE {
            self.flush(file)?;
        }
        Ok(())
    }

    fn flush(&mut self, file: &mut SegmentFile) -> Result<()> {
        let number = (self.firsts.len() / 16 - 1) as u32;
        file.piece("audit id index", Piece::AuditIndex, 1, number, &self.piece)?;
        self.piece.clear();
        self.rows = 0;
        Ok(())
    }

    fn finish(mut self, file: &mut SegmentFile) -> Result<()> {
        if self.rows > 0 {
            self.flush(file)?;
        }
        file.piece("audit id index", Piece::AuditIndex, 0, 0, &self.firsts)?;
        Ok(())
    }
}
