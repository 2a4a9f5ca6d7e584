//! Rollups of a sealed segment: how many rows of each hour have the same values in a few columns.
//! They let a count over months read a few numbers per hour instead of every event.
//!
//! A rollup is a list of entries in order of hour, cut into pieces. An entry is its hour, the string
//! ids of the rollup's columns, a *cell* (a combination of the few-valued columns in [`CELL`], kept
//! once per segment) and a count. Entries that say the same add up. Each rollup stands there twice:
//! by hour, and added up over the whole segment (its *totals*), which is far shorter.

use super::codec::{ChunkRef, Reader, damaged, decompress, encode_chunk, put_varint};
use super::layout::TextColumn;
use crate::limits;
use crate::store::Result;

/// Microseconds of the time that one entry stands for, from a full hour UTC.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// The columns that every rollup tells apart.
pub(crate) const CELL: [TextColumn; 4] = [
    TextColumn::Cluster,
    TextColumn::Stage,
    TextColumn::Code,
    TextColumn::Outcome,
];

/// In the number of a rollup's pieces: these are its totals.
pub(crate) const TOTALS: u8 = 0x80;

/// The most columns of a rollup beside [`CELL`].
pub(crate) const WIDEST: usize = 5;

/// The columns of each rollup, those with fewer entries first. The place in the list is part of the
/// file format: a new rollup goes to the end.
pub(crate) const ROLLUPS: [&[TextColumn]; 14] = {
    use TextColumn as T;
    [
        &[],
        &[T::Level],
        &[T::Verb],
        &[T::Subresource],
        &[T::Resource],
        &[T::Namespace],
        &[T::UserAgent],
        &[T::SourceIps],
        &[T::User],
        &[T::Resource, T::Verb],
        &[T::Namespace, T::Verb],
        &[T::User, T::Verb],
        &[T::User, T::Resource],
        // What an audit policy decides about: which requests, at which level.
        &[T::ApiGroup, T::Resource, T::Subresource, T::Verb, T::Level],
    ]
};

/// How many columns of ids the entries of a rollup (or its totals) have; the narrow ones are stored
/// with two.
fn width(number: u8) -> usize {
    let columns = ROLLUPS.get(usize::from(number & !TOTALS));
    columns.map_or(0, |columns| columns.len()).max(2)
}

/// Entries of one stretch of a rollup; each column as long as the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Entries {
    /// Hours with the end of their entries.
    pub(crate) hours: Vec<(i64, u32)>,
    pub(crate) ids: [Vec<u32>; WIDEST],
    pub(crate) cells: Vec<u32>,
    pub(crate) counts: Vec<u32>,
}

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    pub(crate) fn push(&mut self, hour: i64, ids: [u32; WIDEST], cell: u32, count: u32) {
        for (column, id) in self.ids.iter_mut().zip(ids) {
            column.push(id);
        }
        self.cells.push(cell);
        self.counts.push(count);
        let end = self.counts.len() as u32;
        match self.hours.last_mut() {
            Some((last, to)) if *last == hour => *to = end,
            _ => self.hours.push((hour, end)),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.hours.clear();
        self.ids.iter_mut().for_each(Vec::clear);
        self.cells.clear();
        self.counts.clear();
    }

    /// The bytes of a piece of a rollup.
    pub(crate) fn pack(&self, number: u8) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, self.len() as u64);
        put_varint(&mut bytes, self.hours.len() as u64);
        let mut before = 0;
        for &(hour, end) in &self.hours {
            bytes.extend_from_slice(&hour.to_be_bytes());
            put_varint(&mut bytes, u64::from(end - before));
            before = end;
        }
        let mut values = Vec::with_capacity(self.len());
        let ids = self.ids[..width(number)].iter();
        for column in ids.chain([&self.cells, &self.counts]) {
            values.clear();
            values.extend(column.iter().map(|&value| i64::from(value)));
            let chunk = encode_chunk(&values);
            bytes.extend_from_slice(&chunk.base.to_be_bytes());
            bytes.push(chunk.width);
            bytes.extend_from_slice(&chunk.data);
        }
        let mut packed = Vec::new();
        put_varint(&mut packed, bytes.len() as u64);
        packed.extend(zstd::bulk::compress(&bytes, limits::SEALED_ZSTD_LEVEL)?);
        Ok(packed)
    }

    /// Reads a piece of a rollup. What ids it does not have stay empty.
    pub(crate) fn unpack(&mut self, number: u8, packed: &[u8]) -> Result<()> {
        self.clear();
        let mut reader = Reader::new(packed);
        let size = reader.size()?;
        let compressed = reader.take(packed.len() - reader.position())?;
        let bytes = decompress(compressed, size.min(PIECE_BYTES_MAX))
            .map_err(|error| damaged(&format!("a rollup does not decompress: {error}")))?;
        let mut reader = Reader::new(&bytes);
        let entries = reader.size()?;
        let hours = reader.size()?;
        let mut end = 0u32;
        for _ in 0..hours {
            let hour = reader.i64()?;
            end = u32::try_from(reader.varint()?)
                .ok()
                .and_then(|count| end.checked_add(count))
                .ok_or_else(|| damaged("a rollup has too many entries"))?;
            self.hours.push((hour, end));
        }
        if end as usize != entries || entries > PIECE_ENTRIES_MAX {
            return Err(damaged("the hours of a rollup do not hold its entries"));
        }
        let ids = self.ids[..width(number)].iter_mut();
        for column in ids.chain([&mut self.cells, &mut self.counts]) {
            let base = reader.i64()?;
            let width = reader.take(1)?[0];
            let data = reader.take(super::codec::chunk_bytes(entries, width))?;
            ChunkRef { base, width, data }.decode_ids(entries, column)?;
        }
        Ok(())
    }
}

/// A piece is closed when an hour's entries reach this many.
pub(crate) const PIECE_ENTRIES: usize = 8192;

/// The most entries that a writer holds back for one hour, and so a piece's most.
pub(crate) const HELD_ENTRIES_MAX: usize = 32_768;
const PIECE_ENTRIES_MAX: usize = PIECE_ENTRIES + HELD_ENTRIES_MAX;
/// Columns of at most 8 bytes, and as many hours as entries.
const PIECE_BYTES_MAX: usize = 128 + PIECE_ENTRIES_MAX * ((WIDEST + 2) * 8 + 13);

/// The rollup with the fewest entries that tells these columns apart, those in [`CELL`] as all do.
pub(crate) fn fitting(columns: &[TextColumn]) -> Option<usize> {
    ROLLUPS.iter().position(|rollup| {
        let known = |column| CELL.contains(column) || rollup.contains(column);
        columns.iter().all(known)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_smallest_rollup_that_fits_is_taken() {
        use TextColumn as T;
        assert_eq!(fitting(&[]), Some(0));
        assert_eq!(fitting(&[T::Verb]), Some(2));
        assert_eq!(fitting(&[T::Verb, T::User]), Some(11));
        assert_eq!(fitting(&[T::Verb, T::User, T::Resource]), None);
        assert_eq!(fitting(&[T::ApiGroup, T::Verb, T::Code]), Some(13));
        assert_eq!(fitting(&[T::Name]), None);
        assert_eq!(fitting(&[T::Verb, T::Outcome, T::Code]), Some(2));
        assert!(ROLLUPS.iter().all(|columns| columns.len() <= WIDEST));
    }

    proptest! {
        #[test]
        fn pieces_round_trip(
            rows in prop::collection::vec((-9i64..9, any::<[u32; WIDEST]>(), 0u32..3, 1u32..900), 0..200),
            number in 0..ROLLUPS.len() as u8,
        ) {
            let mut rows = rows;
            rows.sort_unstable();
            let mut entries = Entries::default();
            for &(hour, ids, cell, count) in &rows {
                entries.push(hour * HOUR, ids, cell, count);
            }
            let mut read = Entries::default();
            read.unpack(number, &entries.pack(number).unwrap()).unwrap();
            for missing in &mut entries.ids[width(number)..] {
                missing.clear();
            }
            prop_assert_eq!(read, entries);
        }

        #[test]
        fn arbitrary_bytes_are_refused_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            number in any::<u8>(),
        ) {
            let mut read = Entries::default();
            let _ = read.unpack(number, &bytes);
            // The same as the content of a sound frame.
            let mut packed = Vec::new();
            put_varint(&mut packed, bytes.len() as u64);
            packed.extend(zstd::bulk::compress(&bytes, 1).unwrap());
            let _ = read.unpack(number, &packed);
        }
    }
}
