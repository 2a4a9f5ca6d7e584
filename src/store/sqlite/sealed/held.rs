//! Which facts a sealed file holds, and what stands in for those that an older one does not; also
//! the lengths of events, which are kept in the order of ranks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::{Piece, Sealed, wrong};
use crate::limits;
use crate::model::column::Column;
use crate::store::sqlite::chunkcache::CachedChunk;
use crate::store::sqlite::codec;
use crate::store::sqlite::database::failed;
use crate::store::sqlite::facts::Derived;
use crate::store::sqlite::layout::{
    FACTS_VERSION, IntColumn, Origin, PLAIN_TEXT_COLUMNS, TEXT_COLUMNS, TextColumn, origin,
};
use crate::store::sqlite::rollup::ROLLUPS;
use crate::store::sqlite::segfile::SegmentFile;
use crate::store::sqlite::summary;
use crate::store::{Result, StoreError};

/// Lengths per piece.
const LENGTHS_PER_PIECE: usize = 65_536;

impl Sealed {
    /// Whether a fact can be read from no column, neither of the file's own nor a derived one.
    pub(crate) fn lacks(&self, fact: Column) -> bool {
        let stored = match origin(fact) {
            Origin::Text(text) | Origin::Number(text) => self.stores(text),
            _ => self.stores_facts(),
        };
        !stored && !self.has_all_facts()
    }

    /// Whether all facts can be read from columns.
    pub(crate) fn has_all_facts(&self) -> bool {
        self.has_all_columns() || self.derived.get().is_some()
    }

    /// Whether the file itself holds facts of the present version; perhaps not all of them.
    pub(crate) fn stores_facts(&self) -> bool {
        self.header.facts >= FACTS_VERSION
    }

    /// Whether the file itself holds all columns of the present version.
    pub(crate) fn has_all_columns(&self) -> bool {
        self.stored_texts() == TEXT_COLUMNS
    }

    /// Whether a column's chunks may be derived ones.
    pub(super) fn may_derive(&self, column: u8) -> bool {
        !self.has_all_columns() && (column != IntColumn::RawBytes as u8 || !self.stores_facts())
    }

    /// How many of the text columns the file itself holds as they are now.
    pub(crate) fn stored_texts(&self) -> usize {
        match self.stores_facts() {
            true => self.header.strings.len().min(TEXT_COLUMNS),
            false => PLAIN_TEXT_COLUMNS,
        }
    }

    /// Whether the file holds all that one written now would.
    pub(crate) fn is_current(&self) -> bool {
        self.has_all_columns()
            && self.header.rollups_known >= ROLLUPS.len()
            && self.header.summary_version >= summary::VERSION
            && self.header.ngrams.is_some()
            && self
                .header
                .unended
                .as_ref()
                .is_some_and(|known| known.later)
    }

    /// Whether the file holds a column, with its strings and row lists.
    pub(crate) fn stores(&self, column: TextColumn) -> bool {
        (column as usize) < self.stored_texts()
    }

    /// Keeps derived facts as long as the file stays open.
    pub(crate) fn keep_facts(&self, derived: Derived) {
        let bytes = derived.memory();
        if self.derived.set(derived).is_ok() {
            self.kept.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A chunk that is not in the file as such: of a fact of an older file, or of lengths.
    pub(super) fn made_chunk(&self, column: u8, chunk: u32) -> Result<Option<Arc<CachedChunk>>> {
        if column == IntColumn::RawBytes as u8 && self.stores_facts() {
            return self.chunk_of_lengths(chunk).map(Some);
        }
        let made = self
            .derived
            .get()
            .and_then(|facts| facts.chunk(column, chunk));
        match made {
            Some(made) => Ok(Some(Arc::clone(made))),
            None if (self.stored_texts()..TEXT_COLUMNS).contains(&usize::from(column)) => Err(
                wrong(&self.path, "a column is not held and was not derived"),
            ),
            None => Ok(None),
        }
    }

    /// The strings of a fact of an older file; `None` if the file holds the column.
    pub(crate) fn derived_strings(&self, column: TextColumn) -> Result<Option<&[Box<str>]>> {
        if self.stores(column) {
            return Ok(None);
        }
        let strings = self.derived.get().and_then(|facts| facts.strings(column));
        match strings {
            Some(strings) => Ok(Some(strings)),
            None => Err(wrong(
                &self.path,
                "a column is not held and was not derived",
            )),
        }
    }

    /// The bytes of the longest piece of a dictionary, as stored: about what it takes in memory.
    pub(crate) fn strings_piece_most(&self) -> Result<usize> {
        // The length alone, for which SQLite does not read the texts.
        let most = "select coalesce(max(octet_length(data)), 0) from strings";
        let bytes = self.lock().query_row(most, [], |row| row.get::<_, i64>(0));
        bytes
            .map(|bytes| bytes as usize)
            .map_err(|error| failed(&self.path, &error))
    }

    /// How many strings a column has.
    pub(crate) fn strings(&self, column: TextColumn) -> u32 {
        if self.stores(column) {
            return self.header.strings[column as usize];
        }
        let strings = self.derived.get().and_then(|facts| facts.strings(column));
        strings.map_or(0, <[_]>::len) as u32
    }

    /// The lengths of a chunk's events.
    fn chunk_of_lengths(&self, chunk: u32) -> Result<Arc<CachedChunk>> {
        let lengths = self.lengths()?;
        let mut values = Vec::new();
        self.ints(IntColumn::Rank, chunk, &mut values)?;
        for value in &mut values {
            let length = lengths.get(*value as usize);
            *value = i64::from(*length.ok_or_else(|| wrong(&self.path, "a length is missing"))?);
        }
        let chunk = codec::encode_chunk(&values);
        Ok(Arc::new(CachedChunk {
            base: chunk.base,
            width: chunk.width,
            data: chunk.data.into(),
        }))
    }

    /// The lengths of all events, by rank.
    pub(crate) fn lengths(&self) -> Result<&Vec<u32>> {
        // They are large: two threads that need them do not both load them.
        let _loading = match self.lengths.get() {
            Some(lengths) => return Ok(lengths),
            None => self.loading.lock().unwrap_or_else(PoisonError::into_inner),
        };
        self.once(&self.lengths, || {
            let mut all = Vec::with_capacity(self.header.rows as usize);
            self.each_lengths(&mut |lengths| {
                all.extend_from_slice(lengths);
                Ok(())
            })?;
            self.kept.fetch_add(all.len() * 4, Ordering::Relaxed);
            Ok(all)
        })
    }

    /// The lengths of all events in the order of ranks, some at a time; the file must store them.
    pub(crate) fn each_lengths(&self, sink: &mut dyn FnMut(&[u32]) -> Result<()>) -> Result<()> {
        let (mut lengths, mut left) = (Vec::new(), self.header.rows as usize);
        for number in 0..left.div_ceil(LENGTHS_PER_PIECE) {
            let packed = self.piece(Piece::Lengths, 0, number as u32)?;
            let count = LENGTHS_PER_PIECE.min(left);
            lengths.clear();
            unpack_lengths(&packed, count, &mut lengths)?;
            sink(&lengths)?;
            left -= count;
        }
        Ok(())
    }
}

/// Lengths of events on their way into a sealed file, in the order of ranks.
#[derive(Default)]
pub(crate) struct Lengths {
    packed: Vec<Vec<u8>>,
    lengths: Vec<u32>,
}

impl Lengths {
    pub(crate) fn push(&mut self, length: u32) -> Result<()> {
        self.lengths.push(length);
        if self.lengths.len() == LENGTHS_PER_PIECE {
            self.pack()?;
        }
        Ok(())
    }

    /// Packs a piece: the lengths' bytes from high to low, each kind together, zstd. Neighbours in
    /// this order are much alike.
    fn pack(&mut self) -> Result<()> {
        let mut planes = Vec::with_capacity(self.lengths.len() * 4);
        for shift in [24, 16, 8, 0] {
            planes.extend(self.lengths.iter().map(|length| (length >> shift) as u8));
        }
        let packed = zstd::bulk::compress(&planes, limits::MERGED_ZSTD_LEVEL)
            .map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
        self.packed.push(packed);
        self.lengths.clear();
        Ok(())
    }

    /// Bytes of memory that it takes besides a fixed buffer.
    pub(crate) fn bytes(&self) -> usize {
        self.packed.iter().map(Vec::len).sum()
    }

    /// Writes them.
    pub(crate) fn put(mut self, file: &mut SegmentFile) -> Result<()> {
        if !self.lengths.is_empty() {
            self.pack()?;
        }
        for (number, packed) in self.packed.iter().enumerate() {
            file.piece("lengths", Piece::Lengths, 0, number as u32, packed)?;
        }
        Ok(())
    }
}

fn unpack_lengths(packed: &[u8], count: usize, out: &mut Vec<u32>) -> Result<()> {
    let planes = zstd::bulk::decompress(packed, count * 4)
        .map_err(|error| codec::damaged(&format!("lengths do not decompress: {error}")))?;
    if planes.len() != count * 4 {
        return Err(codec::damaged("lengths have the wrong size"));
    }
    out.extend((0..count).map(|at| {
        (0..4).fold(0, |length, plane| {
            length << 8 | u32::from(planes[plane * count + at])
        })
    }));
    Ok(())
}
