//! Writing the rollups of a segment, from the columns that were written into its file before.

use super::combinations::Combinations;
use super::layout::{IntColumn, TextColumn};
use super::rollup::{
    CELL, Entries, HELD_ENTRIES_MAX, HOUR, PIECE_ENTRIES, ROLLUPS, TOTALS, WIDEST,
};
use super::sealed::{Header, Piece};
use super::segfile::SegmentFile;
use crate::limits;
use crate::store::{Result, StoreError};

/// Every column that some rollup tells apart.
const COLUMNS: [TextColumn; 9] = [
    TextColumn::Level,
    TextColumn::Verb,
    TextColumn::Subresource,
    TextColumn::Resource,
    TextColumn::Namespace,
    TextColumn::UserAgent,
    TextColumn::SourceIps,
    TextColumn::User,
    TextColumn::ApiGroup,
];

/// Writes the rollups and notes them in the header. A segment with more combinations of cluster,
/// stage, code and outcome than [`limits::ROLLUP_CELLS_MAX`] gets none: counts scan it.
pub(crate) fn put_rollups(
    file: &mut SegmentFile,
    header: &mut Header,
    pause: &dyn Fn() -> Result<()>,
) -> Result<()> {
    header.rollups_known = ROLLUPS.len();
    let rows = header.rows as usize;
    let bits = |column: TextColumn| u32::BITS - header.strings[column as usize].leading_zeros();
    let mut cells = Combinations::new(CELL.into_iter().map(bits));
    let mut rollups: Vec<Rollup> = (0..ROLLUPS.len())
        .map(|number| Rollup::new(number, &bits))
        .collect();
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
                    (0..rollups.len())
                        .try_for_each(|number| end(&mut rollups, number, file, hour))?;
                }
                hour = Some(begun);
            }
            let cell = cells.number(&cell_ids.each_ref().map(|ids| ids[row])) as u32;
            if cells.len() > limits::ROLLUP_CELLS_MAX {
                return Ok(());
            }
            for number in 0..rollups.len() {
                let rollup = &mut rollups[number];
                if rollup.source.is_none() {
                    rollup.add(&ids, row, cell);
                    if rollup.held.len() >= HELD_ENTRIES_MAX {
                        end(&mut rollups, number, file, begun)?;
                    }
                }
            }
        }
        file.holds(rollups.iter().map(Rollup::bytes).sum());
    }
    let mut combination = Vec::new();
    for cell in 0..cells.len() {
        cells.ids(cell, &mut combination);
        let ids = combination[..].try_into();
        header.cells.push(ids.expect("a cell has an id per column"));
    }
    if let Some(hour) = hour {
        (0..rollups.len()).try_for_each(|number| end(&mut rollups, number, file, hour))?;
    }
    for rollup in rollups {
        let (firsts, totals) = rollup.finish(file, header.oldest)?;
        header.rollups.push(firsts);
        header.totals.push(totals);
    }
    Ok(())
}

/// Ends an hour, or a part of one, of a rollup and those that are added up from it.
fn end(rollups: &mut [Rollup], number: usize, file: &mut SegmentFile, hour: i64) -> Result<()> {
    if rollups[number].source.is_some() {
        return Ok(());
    }
    rollups[number].end(file, hour)?;
    let entries = std::mem::take(&mut rollups[number].sorted);
    for rollup in rollups.iter_mut() {
        if let Some((_, places)) = rollup.source.as_ref().filter(|(from, _)| *from == number) {
            let mut key = Vec::with_capacity(places.len() + 1);
            for (ids, cell, count) in &entries {
                key.clear();
                key.extend(places.iter().map(|&place| ids[place]));
                key.push(*cell);
                rollup.held.add(&key, *count);
            }
            rollup.end(file, hour)?;
        }
    }
    rollups[number].sorted = entries;
    Ok(())
}

/// The rollup that tells all of a rollup's columns apart and that it is added up from, with the places
/// of its columns there. Only a few are counted row by row.
fn source(number: usize) -> Option<(usize, Vec<usize>)> {
    (number + 1..ROLLUPS.len()).rev().find_map(|from| {
        let place = |column| ROLLUPS[from].iter().position(|known| known == column);
        let places: Option<Vec<usize>> = ROLLUPS[number].iter().map(place).collect();
        places.map(|places| (from, places))
    })
}

/// Ids, which cell, how many.
type Entry = ([u32; WIDEST], u32, u32);

/// One rollup on its way into the file.
struct Rollup {
    number: u8,
    /// Its columns, as places in [`COLUMNS`].
    columns: Vec<usize>,
    source: Option<(usize, Vec<usize>)>,
    /// What the hour has so far.
    held: Held,
    sorted: Vec<Entry>,
    entries: Entries,
    /// The first hour of each piece.
    firsts: Vec<i64>,
    /// The same for the whole segment.
    whole: Entries,
    totals: Held,
    pieces: u32,
    key: Vec<u32>,
}

/// Counts by ids and cell.
struct Held {
    groups: Combinations,
    counts: Vec<u32>,
}

impl Held {
    fn new(columns: &[TextColumn], bits: &dyn Fn(TextColumn) -> u32) -> Held {
        let columns = columns.iter().map(|&column| bits(column));
        Held {
            groups: Combinations::new(
                columns.chain([usize::BITS - limits::ROLLUP_CELLS_MAX.leading_zeros()]),
            ),
            counts: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.counts.len()
    }

    /// Adds to what has these ids and, at the end, this cell.
    #[inline]
    fn add(&mut self, key: &[u32], count: u32) {
        let number = self.groups.number(key);
        match self.counts.get_mut(number) {
            Some(slot) => *slot += count,
            None => self.counts.push(count),
        }
    }

    /// Takes all out, in order.
    fn drain(&mut self, sorted: &mut Vec<Entry>) {
        sorted.clear();
        let mut key = Vec::new();
        for (number, count) in self.counts.drain(..).enumerate() {
            self.groups.ids(number, &mut key);
            let cell = key.pop().unwrap_or_default();
            let mut ids = [0; WIDEST];
            ids[..key.len()].copy_from_slice(&key);
            sorted.push((ids, cell, count));
        }
        self.groups.clear();
        sorted.sort_unstable();
    }
}

impl Rollup {
    fn new(number: usize, bits: &dyn Fn(TextColumn) -> u32) -> Rollup {
        let place = |column| COLUMNS.iter().position(|known| known == column);
        Rollup {
            number: number as u8,
            columns: ROLLUPS[number].iter().filter_map(place).collect(),
            source: source(number),
            held: Held::new(ROLLUPS[number], bits),
            sorted: Vec::new(),
            entries: Entries::default(),
            firsts: Vec::new(),
            whole: Entries::default(),
            totals: Held::new(ROLLUPS[number], bits),
            pieces: 0,
            key: Vec::new(),
        }
    }

    #[inline]
    fn add(&mut self, ids: &[Vec<u32>; COLUMNS.len()], row: usize, cell: u32) {
        self.key.clear();
        let columns = self.columns.iter();
        self.key.extend(columns.map(|&column| ids[column][row]));
        self.key.push(cell);
        self.held.add(&self.key, 1);
    }

    /// Ends an hour, or a part of one.
    fn end(&mut self, file: &mut SegmentFile, hour: i64) -> Result<()> {
        self.held.drain(&mut self.sorted);
        for &(ids, cell, count) in &self.sorted {
            self.entries.push(hour, ids, cell, count);
            self.key.clear();
            self.key.extend_from_slice(&ids[..self.columns.len()]);
            self.key.push(cell);
            self.totals.add(&self.key, count);
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
            .pack(self.number)
            .map_err(|error| StoreError::Io(error.to_string()))?;
        let number = self.firsts.len() as u32;
        file.piece("rollups", Piece::Rollup, self.number, number, &packed)?;
        self.firsts.push(first);
        self.entries.clear();
        Ok(())
    }

    fn flush_totals(&mut self, file: &mut SegmentFile, hour: i64) -> Result<()> {
        let mut sorted = Vec::new();
        self.totals.drain(&mut sorted);
        // An hour adds at most what may be held of one.
        for entries in sorted.chunks(HELD_ENTRIES_MAX) {
            self.whole.clear();
            for &(ids, cell, count) in entries {
                self.whole.push(hour, ids, cell, count);
            }
            let packed = self
                .whole
                .pack(self.number)
                .map_err(|error| StoreError::Io(error.to_string()))?;
            let number = self.number | TOTALS;
            file.piece("rollups", Piece::Rollup, number, self.pieces, &packed)?;
            self.pieces += 1;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let held = self.held.len() + self.totals.len() + self.sorted.capacity();
        (held + self.entries.len() + self.whole.len()) * 40
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_a_rollup_is_read() {
        for (number, columns) in ROLLUPS.iter().enumerate() {
            let rollup = Rollup::new(number, &|_| 8);
            assert_eq!(rollup.columns.len(), columns.len(), "{columns:?}");
        }
    }

    #[test]
    fn few_rollups_are_counted_row_by_row() {
        let counted: Vec<usize> = (0..ROLLUPS.len())
            .filter(|&number| source(number).is_none())
            .collect();
        assert_eq!(counted, [6, 7, 10, 11, 12, 13]);
        assert!(
            (0..ROLLUPS.len())
                .filter_map(source)
                .all(|(from, _)| counted.contains(&from))
        );
    }
}
