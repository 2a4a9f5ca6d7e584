//! The summary of a sealed segment: one row for each combination of values that its events have in
//! the columns with few, how many events have it, and from when to when. A count over the whole
//! segment by any of these columns, under any filter on them, reads the summary and not the events.
//!
//! Rows are in order of their string ids and cut into pieces of [`PIECE_ROWS`] per column, so that a
//! count reads only the columns that it needs. A segment whose events are too diverse has none.

use super::chunkcache::CachedChunk;
use super::codec::{Reader, chunk_bytes, damaged, decompress, encode_chunk};
use super::layout::{FLAG_DRY_RUN, FLAG_TRUNCATED, TextColumn};
use crate::limits;
use crate::store::Result;

/// The text columns of a summary. The place in the list is part of the file format. Request URIs are
/// there for events about no resource only: the others have one for every object.
pub(crate) const COLUMNS: [TextColumn; 18] = [
    TextColumn::User,
    TextColumn::UserGroups,
    TextColumn::ImpersonatedUser,
    TextColumn::ImpersonatedGroups,
    TextColumn::Cluster,
    TextColumn::Source,
    TextColumn::Resource,
    TextColumn::ApiGroup,
    TextColumn::Subresource,
    TextColumn::Verb,
    TextColumn::Level,
    TextColumn::Stage,
    TextColumn::Code,
    TextColumn::Outcome,
    TextColumn::Decision,
    TextColumn::DecisionReason,
    TextColumn::TimeQuality,
    TextColumn::RequestUri,
];

/// The flags of events that summaries tell apart: a set of bits, the place after the columns.
pub(crate) const FLAGS: u8 = COLUMNS.len() as u8;
/// How many events a row stands for.
pub(crate) const EVENTS: u8 = FLAGS + 1;
/// Microseconds of the first event.
pub(crate) const FIRST: u8 = FLAGS + 2;
/// Microseconds from the first to the last.
pub(crate) const LASTED: u8 = FLAGS + 3;
/// How many columns there are, of ids and others.
pub(crate) const PLACES: usize = LASTED as usize + 1;

/// Flags that are taken over from events.
pub(crate) const EVENT_FLAGS: i64 = FLAG_DRY_RUN | FLAG_TRUNCATED;
/// The event names an object.
pub(crate) const FLAG_NAMED: u32 = 1 << 8;
/// The event has a request URI.
pub(crate) const FLAG_URI: u32 = 1 << 9;

/// In the number of a rollup's pieces: these are a summary's, by place.
pub(crate) const PIECES: u8 = 0x40;

/// Rows of a piece.
pub(crate) const PIECE_ROWS: usize = 8192;

/// The version of what a summary holds; one of another version is not read.
pub(crate) const VERSION: u32 = 1;

/// The most rows of a summary for so many events: with more it saves too little.
pub(crate) fn rows_max(events: usize) -> usize {
    (events / limits::SUMMARY_SHARE).max(limits::SUMMARY_ROWS_SMALL)
}

/// The place of resources, and of the request URIs of events about none.
pub(crate) const RESOURCES: u8 = 6;
pub(crate) const URIS: u8 = FLAGS - 1;

/// The place of a column, if summaries have it.
pub(crate) fn place(column: TextColumn) -> Option<u8> {
    let at = COLUMNS.iter().position(|&known| known == column)?;
    Some(at as u8)
}

/// The bytes of a piece.
pub(crate) fn pack(values: &[i64]) -> std::io::Result<Vec<u8>> {
    let chunk = encode_chunk(values);
    let mut bytes = Vec::with_capacity(chunk.data.len() + 9);
    bytes.extend_from_slice(&chunk.base.to_be_bytes());
    bytes.push(chunk.width);
    bytes.extend_from_slice(&chunk.data);
    zstd::bulk::compress(&bytes, limits::SEALED_ZSTD_LEVEL)
}

/// Reads a piece of so many rows.
pub(crate) fn unpack(packed: &[u8], rows: usize) -> Result<CachedChunk> {
    let bytes = decompress(packed, rows * 8 + 9)
        .map_err(|error| damaged(&format!("a summary does not decompress: {error}")))?;
    let mut reader = Reader::new(&bytes);
    let base = reader.i64()?;
    let width = reader.take(1)?[0];
    let data = reader.take(bytes.len() - reader.position())?;
    if width > 16 || data.len() != chunk_bytes(rows, width) {
        return Err(damaged("a piece of a summary has the wrong size"));
    }
    let data = data.into();
    Ok(CachedChunk { base, width, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_round_trip(values in prop::collection::vec(any::<i64>(), 0..300), shift in 0u32..64) {
            let values: Vec<i64> = values.into_iter().map(|value| value >> shift).collect();
            let packed = pack(&values).unwrap();
            let chunk = unpack(&packed, values.len()).unwrap();
            let mut read = Vec::new();
            chunk.chunk().decode(values.len(), &mut read).unwrap();
            prop_assert_eq!(&read, &values);
            if values.iter().any(|value| *value != values[0]) {
                prop_assert!(unpack(&packed, values.len() + 2).is_err());
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            rows in 0usize..300,
        ) {
            let _ = unpack(&bytes, rows);
            let sound = zstd::bulk::compress(&bytes, 1).unwrap();
            let _ = unpack(&sound, rows);
        }
    }
}
