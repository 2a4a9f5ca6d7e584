//! Writing the summary of a segment, from the columns that were written into its file before.

use super::combinations::Combinations;
use super::layout::{IntColumn, TextColumn};
use super::sealed::{Header, Piece};
use super::segfile::SegmentFile;
use super::summary::{
    self, COLUMNS, EVENT_FLAGS, EVENTS, FIRST, FLAG_NAMED, FLAG_URI, FLAGS, LASTED, PIECE_ROWS,
    PIECES, RESOURCES, URIS,
};
use crate::limits::CHUNK_ROWS;
use crate::store::{Result, StoreError};

/// Writes the summary and notes it in the header, unless the events are too diverse for one.
pub(crate) fn put_summary(
    file: &mut SegmentFile,
    header: &mut Header,
    pause: &dyn Fn() -> Result<()>,
) -> Result<()> {
    header.summary_version = summary::VERSION;
    let most = summary::rows_max(header.rows as usize);
    let Some(kinds) = Kinds::gather(file, header, most, pause)? else {
        return Ok(());
    };
    header.summary_rows = kinds.events.len() as u32;
    kinds.put(file)
}

/// The combinations of values that a segment's events have, by their numbers.
struct Kinds {
    groups: Combinations,
    events: Vec<u32>,
    /// Microseconds.
    first: Vec<i64>,
    last: Vec<i64>,
}

impl Kinds {
    /// `None` when there are too many.
    fn gather(
        file: &mut SegmentFile,
        header: &Header,
        most: usize,
        pause: &dyn Fn() -> Result<()>,
    ) -> Result<Option<Kinds>> {
        let bits =
            COLUMNS.map(|column| u32::BITS - header.strings[column as usize].leading_zeros());
        let flag_bits = u32::BITS - FLAG_URI.leading_zeros();
        let mut kinds = Kinds {
            groups: Combinations::new(bits.into_iter().chain([flag_bits])),
            events: Vec::new(),
            first: Vec::new(),
            last: Vec::new(),
        };
        let mut ids: Vec<Vec<u32>> = vec![Vec::new(); COLUMNS.len() + 1];
        let (mut times, mut flags) = (Vec::new(), Vec::new());
        let (mut names, mut uris, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        let every: Vec<u32> = (0..CHUNK_ROWS as u32).collect();
        let rows = header.rows as usize;
        for chunk in 0..rows.div_ceil(CHUNK_ROWS) {
            pause()?;
            let count = (rows - chunk * CHUNK_ROWS).min(CHUNK_ROWS);
            let chunk = chunk as u32;
            for (column, ids) in COLUMNS.into_iter().zip(&mut ids) {
                file.ids(column, chunk, count, ids)?;
            }
            file.ids(TextColumn::Name, chunk, count, &mut names)?;
            uris.clone_from(&ids[URIS as usize]);
            let resources = ids[RESOURCES as usize].clone();
            let about_none = ids[URIS as usize].iter_mut().zip(resources);
            about_none
                .filter(|(_, resource)| *resource != 0)
                .for_each(|(uri, _)| *uri = 0);
            file.ints(IntColumn::Flags, chunk, count, &mut flags)?;
            file.ints(IntColumn::Time, chunk, count, &mut times)?;
            let bits = &mut ids[FLAGS as usize];
            bits.clear();
            bits.extend(flags.iter().map(|flags| (flags & EVENT_FLAGS) as u32));
            for (flag, present) in [(FLAG_NAMED, &names), (FLAG_URI, &uris)] {
                for (bits, &id) in bits.iter_mut().zip(present) {
                    *bits |= if id == 0 { 0 } else { flag };
                }
            }
            let columns: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
            kinds
                .groups
                .numbers(&columns, &every[..count], &mut numbers);
            if kinds.groups.len() > most {
                return Ok(None);
            }
            kinds.events.resize(kinds.groups.len(), 0);
            kinds.first.resize(kinds.groups.len(), i64::MAX);
            kinds.last.resize(kinds.groups.len(), i64::MIN);
            for (&number, &time) in numbers.iter().zip(&times) {
                let number = number as usize;
                kinds.events[number] += 1;
                kinds.first[number] = kinds.first[number].min(time);
                kinds.last[number] = kinds.last[number].max(time);
            }
            file.holds(kinds.groups.bytes() + kinds.events.len() * 20);
        }
        Ok(Some(kinds))
    }

    /// Writes them in order of their ids.
    fn put(self, file: &mut SegmentFile) -> Result<()> {
        let columns = self.groups.columns();
        let mut order: Vec<u32> = (0..self.events.len() as u32).collect();
        let id = |row: u32| move |ids: &Vec<u32>| ids[row as usize];
        order.sort_unstable_by(|&left, &right| {
            let others = columns.iter().map(id(right));
            columns.iter().map(id(left)).cmp(others)
        });
        let mut put = |place: u8, value: &dyn Fn(usize) -> i64| -> Result<()> {
            for (number, rows) in (0..).zip(order.chunks(PIECE_ROWS)) {
                let values: Vec<i64> = rows.iter().map(|&row| value(row as usize)).collect();
                let packed =
                    summary::pack(&values).map_err(|error| StoreError::Io(error.to_string()))?;
                file.piece("summaries", Piece::Rollup, PIECES | place, number, &packed)?;
            }
            Ok(())
        };
        for (place, ids) in (0..).zip(&columns) {
            put(place, &|row| i64::from(ids[row]))?;
        }
        put(EVENTS, &|row| i64::from(self.events[row]))?;
        put(FIRST, &|row| self.first[row])?;
        put(LASTED, &|row| self.last[row].wrapping_sub(self.first[row]))
    }
}
