//! Checking a sealed segment whole.

use super::layout::{IntColumn, TEXT_COLUMNS, TextColumn};
use super::sealed::{Sealed, wrong};
use super::{ngrams, rollup, summary};
use crate::store::Result;

impl Sealed {
    /// Reads and checks everything.
    pub(crate) fn verify(&self) -> Result<()> {
        let stored = || &TextColumn::ALL[..self.header.strings.len().min(TEXT_COLUMNS)];
        if self.stores_facts() {
            self.lengths()?;
        }
        let mut numbers = Vec::new();
        let mut ids = Vec::new();
        let mut keys = Vec::new();
        for chunk in 0..self.chunks() {
            for &column in IntColumn::CHUNKED {
                self.ints(column, chunk, &mut numbers)?;
            }
            for &column in stored() {
                self.ids(column, chunk, &mut ids)?;
            }
            self.audit_keys(chunk, &mut keys)?;
        }
        for &column in stored() {
            for number in 0..self.strings[column as usize].len() {
                self.strings_piece(column, number as u32)?;
            }
            self.postings(column, 1, true, &mut |_, _| true)?;
        }
        let mut entries = rollup::Entries::default();
        let hourly = self.header.rollups.iter().map(Vec::len);
        let hourly = (0..).zip(hourly);
        let totals = self.header.totals.iter().map(|&pieces| pieces as usize);
        for (number, pieces) in hourly.chain((rollup::TOTALS..).zip(totals)) {
            let mut events = 0;
            for piece in 0..pieces {
                self.rollup(number, piece, &mut entries)?;
                events += entries
                    .counts
                    .iter()
                    .map(|&count| u64::from(count))
                    .sum::<u64>();
            }
            if events != u64::from(self.header.rows) {
                return Err(wrong(
                    &self.path,
                    "a rollup does not count every event once",
                ));
            }
        }
        ngrams::verify(self)?;
        self.verify_summary()?;
        self.unended()?;
        (0..self.key_pieces()).try_for_each(|number| self.key_piece(number).map(drop))?;
        (0..self.header.bodies as usize).try_for_each(|number| self.frame(number).map(drop))
    }

    /// Reads the whole summary, whose rows must stand for every event once.
    fn verify_summary(&self) -> Result<()> {
        if !self.has_summary() {
            return Ok(());
        }
        let (mut counts, mut events) = (Vec::new(), 0);
        for piece in 0..self.summary_pieces() {
            for place in 0..summary::PLACES as u8 {
                let chunk = self.summary_chunk(place, piece)?;
                if place == summary::EVENTS {
                    (chunk.chunk()).decode_ids(self.summary_rows(piece), &mut counts)?;
                    events += counts.iter().map(|&count| u64::from(count)).sum::<u64>();
                }
            }
        }
        if events != u64::from(self.header.rows) {
            return Err(wrong(
                &self.path,
                "the summary does not count every event once",
            ));
        }
        Ok(())
    }
}
