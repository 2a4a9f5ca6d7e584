//! Blocks that were written before facts, or some of them, had columns: what they lack is derived when
//! they are loaded.

use std::collections::HashMap;

use super::{BODY_CLASSES, Block, Frame};
use crate::store::Result;
use crate::store::sqlite::codec::{ChunkRef, damaged};
use crate::store::sqlite::facts::Deriving;
use crate::store::sqlite::layout::{IntColumn, TEXT_COLUMNS};
use crate::store::sqlite::lean;

impl Block {
    /// Derives the facts that a block was written without from its compressed bodies.
    pub(crate) fn derive_facts(&mut self, bodies: &[u8]) -> Result<()> {
        if self.texts.len() == TEXT_COLUMNS {
            return Ok(());
        }
        let mut places = Vec::new();
        self.ints(IntColumn::Rank, &mut places)?;
        let mut row_of = HashMap::with_capacity(self.rows);
        for (row, &place) in places.iter().enumerate() {
            row_of.insert(place, row as u32);
        }
        let mut deriving = Deriving::new(self.texts.len());
        for (class, at) in self
            .frames
            .iter()
            .enumerate()
            .filter(|(_, at)| at.events > 0)
        {
            let compressed = bodies.get(at.start..at.start + at.compressed);
            let compressed = compressed.ok_or_else(|| damaged("a block's bodies are short"))?;
            let frame = Frame::unpack(compressed, at.events, at.size)?;
            for index in 0..frame.len() {
                let place = (index * BODY_CLASSES + class) as i64;
                let row = *row_of
                    .get(&place)
                    .ok_or_else(|| damaged("a body belongs to no row"))?;
                deriving.event(row, frame.body(index)?, &self.fields(row as usize)?);
            }
        }
        self.derived = Some(deriving.finish(self.rows));
        Ok(())
    }

    /// What goes back into a row's lean body.
    pub(crate) fn fields(&self, row: usize) -> Result<lean::Fields> {
        let time = self.int(IntColumn::Time, row)?;
        let latency = self.int(IntColumn::Latency, row)?;
        Ok(lean::Fields::new(self.audit_key(row), time, latency))
    }

    /// A column's chunk among the facts that were derived.
    pub(super) fn derived_chunk(&self, column: u8) -> Option<ChunkRef<'_>> {
        let chunk = self.derived.as_ref()?.chunk(column, 0)?;
        Some(chunk.chunk())
    }
}
