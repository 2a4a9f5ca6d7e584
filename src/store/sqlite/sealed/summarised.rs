//! Reading a segment's summary: a column of it at a time, kept for the next query.

use std::sync::Arc;

use super::{Piece, Sealed, wrong};
use crate::store::Result;
use crate::store::sqlite::chunkcache::CachedChunk;
use crate::store::sqlite::rollup::HELD_ENTRIES_MAX;
use crate::store::sqlite::summary::{self, PIECE_ROWS, PIECES};

/// Summaries' columns among those of chunks that are kept.
const KEPT: u8 = 0xc0;

impl Sealed {
    pub(crate) fn has_summary(&self) -> bool {
        self.header.summary_version == summary::VERSION && self.header.summary_rows > 0
    }

    /// How many entries the totals of a rollup have, about.
    pub(crate) fn totals_entries(&self, rollup: usize) -> usize {
        let pieces = self.header.totals.get(rollup).copied().unwrap_or(0);
        // All but the last are full.
        pieces.saturating_sub(1) as usize * HELD_ENTRIES_MAX
    }

    pub(crate) fn summary_pieces(&self) -> u32 {
        self.header.summary_rows.div_ceil(PIECE_ROWS as u32)
    }

    /// How many rows a piece of the summary has.
    pub(crate) fn summary_rows(&self, piece: u32) -> usize {
        let before = piece as usize * PIECE_ROWS;
        (self.header.summary_rows as usize)
            .saturating_sub(before)
            .min(PIECE_ROWS)
    }

    /// A piece of a column of the summary.
    pub(crate) fn summary_chunk(&self, place: u8, piece: u32) -> Result<Arc<CachedChunk>> {
        let key = |number| (number, KEPT | place, piece);
        let cache = self
            .cache
            .as_ref()
            .map(|(cache, number)| (cache, key(*number)));
        if let Some(found) = cache.and_then(|(cache, key)| cache.get(key)) {
            return Ok(found);
        }
        let packed = self.piece(Piece::Rollup, PIECES | place, piece)?;
        let chunk = summary::unpack(&packed, self.summary_rows(piece))
            .map_err(|error| wrong(&self.path, &error.to_string()))?;
        let chunk = Arc::new(chunk);
        if let Some((cache, key)) = cache {
            cache.put(key, Arc::clone(&chunk));
        }
        Ok(chunk)
    }
}
