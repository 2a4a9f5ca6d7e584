//! Writing the rollups of a segment, from the columns that were written into its file before.

use std::hash::BuildHasherDefault;

use rustc_hash::FxHasher;

use super::layout::{IntColumn, TextColumn};
use super::rollup::{
    CELL, Entries, HELD_ENTRIES_MAX, HOUR, PIECE_ENTRIES, ROLLUPS, TOTALS, WIDEST,
};
use super::sealed::{Header, Piece};
use super::segfile::SegmentFile;
use crate::limits;
use crate::store::{Result, StoreError};

type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<FxHasher>>;

/// Every column that some rollup tells apart.
const COLUMNS: [TextColumn; 8] = [
    TextColumn::Level,
    TextColumn::Verb,
    TextColumn::Subresource,
    TextColumn::Resource,
    TextColumn::Namespace,
    TextColumn::UserAgent,
    TextColumn::SourceIps,
    TextColumn::User,
];

/// Writes the rollups and notes them in the header. A segment with more combinations of cluster,
/// stage, code and outcome than [`limits::ROLLUP_CELLS_MAX`] gets none: counts scan it.
pub(crate) fn put_rollups(
    file: &mut SegmentFile,
    header: &mut Header,
    pause: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let rows = header.rows as usize;
    let mut cells: Map<[u32; CELL.len()], u32> = Map::default();
    let mut rollups: Vec<Rollup> = (0..ROLLUPS.len()).map(Rollup::new).collect();
    let mut times = Vec::new();
    let mut cell_ids: [Vec<u32>; CELL.len()] = Default::default();
    let mut ids: [Vec<u32>; COLUMNS.len()] = Default::default();
    let mut hour = None;
    for chunk in 0..rows.div_ceil(limits::CHUNK_ROWS) {
        pause()?;
        let count = (rows - chunk * limits::CHUNK_ROWS).min(limits::CHUNK_ROWS);
        let chunk = chunk as u32;
        file.ints(IntColumn::Time, chunk, count, &mut times)?;
        for (column, ids) in CELL.into_iter().zip(&mut cell_ids) {
            file.ids(column, chunk, count, ids)?;
        }
        for (column, ids) in COLUMNS.into_iter().zip(&mut ids) {
            file.ids(column, chunk, count, ids)?;
        }
        for row in 0..count {
            let begun = times[row].div_euclid(HOUR).wrapping_mul(HOUR);
            if hour != Some(begun) {
                if let Some(hour) = hour {
                    rollups
                        .iter_mut()
                        .try_for_each(|rollup| rollup.end(file, hour))?;
                }
                hour = Some(begun);
            }
            let combination = cell_ids.each_ref().map(|ids| ids[row]);
            let next = cells.len() as u32;
            let cell = *cells.entry(combination).or_insert(next);
            if cells.len() > limits::ROLLUP_CELLS_MAX {
                return Ok(());
            }
            for rollup in &mut rollups {
                rollup.add(&ids, row, cell);
                if rollup.held.len() >= HELD_ENTRIES_MAX {
                    rollup.end(file, begun)?;
                }
            }
        }
        file.holds(rollups.iter().map(Rollup::bytes).sum());
    }
    header.cells = vec![[0; CELL.len()]; cells.len()];
    for (combination, cell) in cells {
        header.cells[cell as usize] = combination;
    }
    for mut rollup in rollups {
        if let Some(hour) = hour {
            rollup.end(file, hour)?;
        }
        let (firsts, totals) = rollup.finish(file, header.oldest)?;
        header.rollups.push(firsts);
        header.totals.push(totals);
    }
    Ok(())
}

/// One rollup on its way into the file.
struct Rollup {
    number: u8,
    /// Its columns, as places in [`COLUMNS`].
    columns: Vec<usize>,
    /// What the hour has so far.
    held: Held,
    sorted: Vec<(([u32; WIDEST], u32), u32)>,
    entries: Entries,
    /// The first hour of each piece.
    firsts: Vec<i64>,
    /// The same for the whole segment.
    whole: Entries,
    totals: Held,
    pieces: u32,
}

/// Counts by ids and cell.
type Held = Map<([u32; WIDEST], u32), u32>;

impl Rollup {
    fn new(number: usize) -> Rollup {
        let place = |column| COLUMNS.iter().position(|known| known == column);
        Rollup {
            number: number as u8,
            columns: ROLLUPS[number].iter().filter_map(place).collect(),
            held: Map::default(),
            sorted: Vec::new(),
            entries: Entries::default(),
            firsts: Vec::new(),
            whole: Entries::default(),
            totals: Held::default(),
            pieces: 0,
        }
    }

    #[inline]
    fn add(&mut self, ids: &[Vec<u32>; COLUMNS.len()], row: usize, cell: u32) {
        let mut key = [0; WIDEST];
        for (slot, &column) in key.iter_mut().zip(&self.columns) {
            *slot = ids[column][row];
        }
        *self.held.entry((key, cell)).or_default() += 1;
    }

    /// Ends an hour, or a part of one.
    fn end(&mut self, file: &mut SegmentFile, hour: i64) -> Result<()> {
        self.sorted.clear();
        self.sorted.extend(self.held.drain());
        self.sorted.sort_unstable();
        for &((ids, cell), count) in &self.sorted {
            self.entries.push(hour, ids, cell, count);
            *self.totals.entry((ids, cell)).or_default() += count;
        }
        if self.entries.len() >= PIECE_ENTRIES {
            self.flush(file)?;
        }
        if self.totals.len() >= HELD_ENTRIES_MAX {
            self.flush_totals(file, hour)?;
        }
        Ok(())
    }

    /// Writes what is left; the first hours of the pieces, and how many the totals have.
    fn finish(mut self, file: &mut SegmentFile, oldest: i64) -> Result<(Vec<i64>, u32)> {
        self.flush(file)?;
        self.flush_totals(file, oldest.div_euclid(HOUR).wrapping_mul(HOUR))?;
        Ok((self.firsts, self.pieces))
    }

    fn flush(&mut self, file: &mut SegmentFile) -> Result<()> {
        let Some(&(first, _)) = self.entries.hours.first() else {
            return Ok(());
        };
        let packed = self
            .entries
            .pack()
            .map_err(|error| StoreError::Io(error.to_string()))?;
        let number = self.firsts.len() as u32;
        file.piece("rollups", Piece::Rollup, self.number, number, &packed)?;
        self.firsts.push(first);
        self.entries.clear();
        Ok(())
    }

    fn flush_totals(&mut self, file: &mut SegmentFile, hour: i64) -> Result<()> {
        self.sorted.clear();
        self.sorted.extend(self.totals.drain());
        self.sorted.sort_unstable();
        // An hour adds at most what may be held of one.
        for entries in self.sorted.chunks(HELD_ENTRIES_MAX) {
            self.whole.clear();
            for &((ids, cell), count) in entries {
                self.whole.push(hour, ids, cell, count);
            }
            let packed = self
                .whole
                .pack()
                .map_err(|error| StoreError::Io(error.to_string()))?;
            let number = self.number | TOTALS;
            file.piece("rollups", Piece::Rollup, number, self.pieces, &packed)?;
            self.pieces += 1;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let held = self.held.capacity() + self.totals.capacity() + self.sorted.capacity();
        (held + self.entries.len() + self.whole.len()) * 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_a_rollup_is_read() {
        for (number, columns) in ROLLUPS.iter().enumerate() {
            assert_eq!(
                Rollup::new(number).columns.len(),
                columns.len(),
                "{columns:?}"
            );
        }
    }
}
