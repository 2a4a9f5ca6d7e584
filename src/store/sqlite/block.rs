//! A block: up to 4,000 events of one batch, encoded once on the receiving thread.
//!
//! The same bytes are committed to the active segment, kept in memory for queries until the
//! segment is sealed, and read again after a restart. Rows stand in order of (time, arrival).

mod builder;
mod frame;
mod older;

pub(crate) use builder::BlockBuilder;
pub(crate) use frame::Frame;

use rustc_hash::FxHasher;
use std::hash::Hasher;

use super::codec::{ChunkRef, Reader, chunk_bytes, damaged};
use super::facts::{self, Derived};
use super::layout::{self, IntColumn, TEXT_COLUMNS, TextColumn};
use crate::limits;
use crate::store::Result;

/// Bodies are compressed in this many groups, so that sealing, which orders bodies by resource and
/// verb, need not decompress everything for each part of its output.
pub(crate) const BODY_CLASSES: usize = 8;

const FORMAT_VERSION: u8 = 3;

/// The version before facts had columns; they are derived when such a block is loaded.
const PLAIN_VERSION: u8 = 2;

/// An encoded block, not yet committed.
pub(crate) struct EncodedBlock {
    /// Columns and dictionaries, see [`Block::parse`].
    pub(crate) data: Vec<u8>,
    /// The same, zstd.
    pub(crate) packed: Vec<u8>,
    /// The identity of each row's content, in row order.
    pub(crate) keys: Vec<[u8; 16]>,
    /// The zstd frames of the body classes, one after the other.
    pub(crate) bodies: Vec<u8>,
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    hasher.finish()
}

/// The class of a body: a function of the first column of the clustered order, so that events which
/// will stand together after sealing share a class.
pub(crate) fn class_of(user: Option<&str>) -> usize {
    (hash(user.unwrap_or_default().as_bytes()) >> 32) as usize % BODY_CLASSES
}

/// Where a chunk stands in the block's bytes.
#[derive(Debug, Clone, Copy)]
struct ChunkAt {
    base: i64,
    width: u8,
    start: usize,
}

/// Where one class of bodies stands in the block's compressed bodies.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameAt {
    pub(crate) events: usize,
    pub(crate) start: usize,
    pub(crate) compressed: usize,
    pub(crate) size: usize,
}

/// A committed block, readable in place.
pub(crate) struct Block {
    /// The id of the event that arrived first in it.
    pub(crate) first_id: i64,
    pub(crate) stored_time: i64,
    pub(crate) rows: usize,
    /// Rows that are duplicates of events stored before, by row number; sorted.
    pub(crate) dead: Vec<u32>,
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
    /// Bytes of the events that are not duplicates, as received.
    pub(crate) raw_bytes: u64,
    /// Events that are not duplicates and whose bodies the apiserver cut off.
    pub(crate) truncated: u64,
    data: Vec<u8>,
    texts: Vec<ChunkAt>,
    strings: Vec<Vec<u32>>,
    ints: [ChunkAt; 6],
    audit: usize,
    pub(crate) frames: [FrameAt; BODY_CLASSES],
    /// The facts of a block that was written without them.
    derived: Option<Derived>,
}

impl Block {
    /// Bounds of the ids of the rows, inclusive.
    pub(crate) fn ids_between(&self) -> (i64, i64) {
        (self.first_id, self.first_id + self.rows as i64 - 1)
    }

    /// Reads the directory of an encoded block.
    pub(crate) fn parse(
        first_id: i64,
        stored_time: i64,
        dead: Vec<u32>,
        data: Vec<u8>,
    ) -> Result<Block> {
        let mut reader = Reader::new(&data);
        let columns = match reader.take(1)?[0] {
            FORMAT_VERSION => layout::FIRST_TEXT_COLUMNS,
            PLAIN_VERSION => layout::PLAIN_TEXT_COLUMNS,
            _ => return Err(damaged("a block has an unknown format version")),
        };
        let rows = reader.size()?;
        if rows == 0 || rows > limits::CHUNK_ROWS {
            return Err(damaged("a block has an impossible number of rows"));
        }
        let mut texts = Vec::with_capacity(TEXT_COLUMNS);
        let mut strings = Vec::with_capacity(TEXT_COLUMNS);
        for _ in 0..columns {
            strings.push(strings_at(&mut reader, rows)?);
            texts.push(chunk_at(&mut reader, rows)?);
        }
        let mut ints = [ChunkAt {
            base: 0,
            width: 0,
            start: 0,
        }; 6];
        for int in &mut ints {
            *int = chunk_at(&mut reader, rows)?;
        }
        let audit = reader.position();
        reader.take(rows * 16)?;
        let mut frames = [FrameAt::default(); BODY_CLASSES];
        let mut start = 0;
        for frame in &mut frames {
            let (events, size, compressed) = (reader.size()?, reader.size()?, reader.size()?);
            *frame = FrameAt {
                events,
                start,
                compressed,
                size,
            };
            start += compressed;
        }
        // Text columns that came later stand at the end.
        while reader.position() < data.len() && texts.len() < TEXT_COLUMNS {
            strings.push(strings_at(&mut reader, rows)?);
            texts.push(chunk_at(&mut reader, rows)?);
        }
        let mut block = Block {
            first_id,
            stored_time,
            rows,
            dead,
            oldest: 0,
            newest: 0,
            raw_bytes: 0,
            truncated: 0,
            data,
            texts,
            strings,
            ints,
            audit,
            frames,
            derived: None,
        };
        block.oldest = block.chunk(block.ints[0]).get(0)?;
        block.newest = block.chunk(block.ints[0]).get(rows - 1)?;
        block.count_live()?;
        Ok(block)
    }

    fn chunk(&self, at: ChunkAt) -> ChunkRef<'_> {
        let end = at.start + chunk_bytes(self.rows, at.width);
        ChunkRef {
            base: at.base,
            width: at.width,
            data: &self.data[at.start..end],
        }
    }

    /// Bytes of memory that its texts take.
    pub(crate) fn text_bytes(&self) -> usize {
        let bytes = |ends: &Vec<u32>| ends.last().unwrap_or(&0) - ends.first().unwrap_or(&0);
        let stored: usize = self.strings.iter().map(|ends| bytes(ends) as usize).sum();
        stored + self.derived.as_ref().map_or(0, Derived::memory)
    }

    /// Events that are not duplicates.
    pub(crate) fn live(&self) -> usize {
        self.rows - self.dead.len()
    }

    /// Events before an instant that are not duplicates.
    pub(crate) fn live_before(&self, instant: i64) -> Result<u64> {
        let mut times = Vec::new();
        self.ints(IntColumn::Time, &mut times)?;
        let rows = times.partition_point(|&time| time < instant);
        let dead = self
            .dead
            .iter()
            .filter(|&&row| (row as usize) < rows)
            .count();
        Ok((rows - dead) as u64)
    }

    pub(crate) fn text_chunk(&self, column: TextColumn) -> ChunkRef<'_> {
        if let Some(chunk) = self.derived_chunk(column as u8) {
            return chunk;
        }
        self.chunk(self.texts[column as usize])
    }

    fn int_index(column: IntColumn) -> usize {
        match column {
            IntColumn::Time => 0,
            IntColumn::Latency => 1,
            IntColumn::Id => 2,
            IntColumn::Flags => 3,
            IntColumn::Rank => 4,
            IntColumn::RawBytes => 5,
            IntColumn::StoredTime => unreachable!("rows of a block share one stored time"),
        }
    }

    fn int_chunk(&self, column: IntColumn) -> ChunkRef<'_> {
        self.derived_chunk(column as u8)
            .unwrap_or_else(|| self.chunk(self.ints[Self::int_index(column)]))
    }

    /// Numbers of a column. `Id` and `StoredTime` are given as in a segment; `Rank` is the place
    /// of the body: class plus [`BODY_CLASSES`] times the index within the class.
    pub(crate) fn ints(&self, column: IntColumn, out: &mut Vec<i64>) -> Result<()> {
        if column == IntColumn::StoredTime {
            out.clear();
            out.resize(self.rows, self.stored_time);
            return Ok(());
        }
        self.int_chunk(column).decode(self.rows, out)?;
        if column == IntColumn::Id {
            out.iter_mut().for_each(|arrival| *arrival += self.first_id);
        }
        Ok(())
    }

    /// One number of a column other than `StoredTime`, as [`Block::ints`] gives it.
    pub(crate) fn int(&self, column: IntColumn, row: usize) -> Result<i64> {
        let value = self.int_chunk(column).get(row)?;
        Ok(if column == IntColumn::Id {
            value + self.first_id
        } else {
            value
        })
    }

    /// Marks rows as duplicates.
    pub(crate) fn set_dead(&mut self, dead: Vec<u32>) -> Result<()> {
        self.dead = dead;
        self.count_live()
    }

    fn count_live(&mut self) -> Result<()> {
        let mut lengths = Vec::new();
        self.raw_lengths(&mut lengths)?;
        for &row in &self.dead {
            let length = lengths.get_mut(row as usize);
            *length.ok_or_else(|| damaged("a duplicate's row is out of range"))? = 0;
        }
        self.raw_bytes = lengths.iter().sum::<i64>() as u64;
        let mut flags = Vec::new();
        self.ints(IntColumn::Flags, &mut flags)?;
        for &row in &self.dead {
            flags[row as usize] = 0;
        }
        let is_cut = |flags: &&i64| **flags & layout::FLAG_TRUNCATED != 0;
        self.truncated = flags.iter().filter(is_cut).count() as u64;
        Ok(())
    }

    /// Bytes of each row's event as received.
    pub(crate) fn raw_lengths(&self, out: &mut Vec<i64>) -> Result<()> {
        self.chunk(self.ints[5]).decode(self.rows, out)
    }

    pub(crate) fn strings(&self, column: TextColumn) -> usize {
        if let Some(strings) = self
            .derived
            .as_ref()
            .and_then(|facts| facts.strings(column))
        {
            return strings.len();
        }
        self.strings[column as usize].len() - 1
    }

    /// The string with an id (from 1).
    pub(crate) fn string(&self, column: TextColumn, id: u32) -> Result<&str> {
        if let Some(strings) = self
            .derived
            .as_ref()
            .and_then(|facts| facts.strings(column))
        {
            return facts::string(strings, id);
        }
        let ends = &self.strings[column as usize];
        let index = id as usize;
        if index == 0 || index >= ends.len() {
            return Err(damaged("a dictionary id is out of range"));
        }
        let bytes = &self.data[ends[index - 1] as usize..ends[index] as usize];
        std::str::from_utf8(bytes).map_err(|_| damaged("a dictionary string is not UTF-8"))
    }

    /// The stored bytes of a row's audit id.
    pub(crate) fn audit_key(&self, row: usize) -> [u8; 16] {
        let start = self.audit + row * 16;
        self.data[start..start + 16]
            .try_into()
            .expect("the slice has 16 bytes")
    }
}

/// Where the strings of a dictionary stand: the begin of the first one, then the end of each.
fn strings_at(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<u32>> {
    let count = reader.size()?;
    let mut ends = Vec::with_capacity(count.min(rows) + 1);
    let mut total = 0u64;
    for _ in 0..count {
        total += reader.varint()?;
        ends.push(u32::try_from(total).map_err(|_| damaged("a dictionary is too large"))?);
    }
    let start = reader.position();
    reader.take(total as usize)?;
    let start = u32::try_from(start).map_err(|_| damaged("a block is too large"))?;
    ends.iter_mut().for_each(|end| *end += start);
    ends.insert(0, start);
    Ok(ends)
}

fn chunk_at(reader: &mut Reader<'_>, rows: usize) -> Result<ChunkAt> {
    let base = reader.i64()?;
    let width = reader.take(1)?[0];
    if width > 16 {
        return Err(damaged("a column is too wide"));
    }
    let start = reader.position();
    reader.take(chunk_bytes(rows, width))?;
    Ok(ChunkAt { base, width, start })
}
