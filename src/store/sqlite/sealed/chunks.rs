//! Whole chunks of a sealed file's columns, and the values of some rows of them.

use std::sync::atomic::Ordering;

use super::pages::{self, Pages};
use super::{Piece, Sealed, chunk_checksum, piece_id, wrong};
use crate::store::Result;
use crate::store::sqlite::codec::{self, ChunkRef};
use crate::store::sqlite::database::failed;
use crate::store::sqlite::layout::{AUDIT_COLUMN, IntColumn, TextColumn};

impl Sealed {
    pub(super) fn with_chunk<T>(
        &self,
        column: u8,
        chunk: u32,
        use_it: impl FnOnce(ChunkRef<'_>) -> Result<T>,
    ) -> Result<T> {
        if let Some(made) = self.made_chunk(column, chunk)? {
            return use_it(made.chunk());
        }
        let id = piece_id(Piece::Chunk, column, chunk);
        if let Some(row) = self.row_of_chunk(id) {
            return self.plain(chunk, row.base, row.width, row.data(), use_it);
        }
        let connection = self.lock();
        let fails = |error: rusqlite::Error| failed(&self.path, &error);
        let mut select = connection
            .prepare_cached("select base, width, data, checksum from chunk where id = ?1")
            .map_err(fails)?;
        let mut rows = select.query([id]).map_err(fails)?;
        let row = rows.next().map_err(fails)?;
        let row = row.ok_or_else(|| wrong(&self.path, "a column chunk is missing"))?;
        let base: i64 = row.get(0).map_err(fails)?;
        let width: i64 = row.get(1).map_err(fails)?;
        let data = row.get_ref(2).map_err(fails)?;
        let data = data
            .as_blob()
            .map_err(|_| wrong(&self.path, "a column chunk is no blob"))?;
        let checksum: i64 = row.get(3).map_err(fails)?;
        if checksum != chunk_checksum(id, base, width, data) {
            return Err(wrong(&self.path, "a column chunk has a wrong checksum"));
        }
        self.plain(chunk, base, width, data, use_it)
    }

    /// The row of a chunk whose checksum is right, straight from the pages of the file.
    fn row_of_chunk(&self, id: i64) -> Option<pages::Row> {
        let connection = self.lock();
        let pages = self.pages.get_or_init(|| {
            let pages = Pages::find(&connection);
            let bytes = pages.as_ref().map_or(0, Pages::memory);
            self.kept.fetch_add(bytes, Ordering::Relaxed);
            pages
        });
        let row = pages.as_ref()?.row(&connection, id)?;
        drop(connection);
        let checksum = chunk_checksum(id, row.base, row.width, row.data());
        (checksum == row.checksum).then_some(row)
    }

    /// Hands on a chunk of which every row has its digits.
    fn plain<T>(
        &self,
        chunk: u32,
        base: i64,
        width: i64,
        data: &[u8],
        use_it: impl FnOnce(ChunkRef<'_>) -> Result<T>,
    ) -> Result<T> {
        let expanded = codec::expand_sparse(width, data, self.chunk_rows(chunk))?;
        use_it(match &expanded {
            Some(plain) => plain.as_ref(),
            None => ChunkRef {
                base,
                width: width as u8,
                data,
            },
        })
    }

    pub(crate) fn ids(&self, column: TextColumn, chunk: u32, out: &mut Vec<u32>) -> Result<()> {
        let rows = self.chunk_rows(chunk);
        self.with_chunk(column as u8, chunk, |reference| {
            reference.decode_ids(rows, out)
        })
    }

    pub(crate) fn ints(&self, column: IntColumn, chunk: u32, out: &mut Vec<i64>) -> Result<()> {
        let rows = self.chunk_rows(chunk);
        self.with_chunk(column as u8, chunk, |reference| reference.decode(rows, out))
    }

    /// The ids of some places of a chunk; elsewhere in `out` stands anything.
    pub(crate) fn ids_at(
        &self,
        column: TextColumn,
        chunk: u32,
        places: &[u32],
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let rows = self.chunk_rows(chunk);
        self.with_chunk(column as u8, chunk, |reference| {
            reference.decode_ids_at(rows, places, out)
        })
    }

    /// The numbers of some places of a chunk; elsewhere in `out` stands anything.
    pub(crate) fn ints_at(
        &self,
        column: IntColumn,
        chunk: u32,
        places: &[u32],
        out: &mut Vec<i64>,
    ) -> Result<()> {
        let rows = self.chunk_rows(chunk);
        self.with_chunk(column as u8, chunk, |reference| {
            reference.decode_at(rows, places, out)
        })
    }

    pub(crate) fn audit_keys(&self, chunk: u32, out: &mut Vec<[u8; 16]>) -> Result<()> {
        let rows = self.chunk_rows(chunk);
        self.with_chunk(AUDIT_COLUMN, chunk, |reference| {
            out.clear();
            out.extend_from_slice(reference.data.as_chunks::<16>().0);
            if out.len() != rows {
                return Err(wrong(&self.path, "a chunk of audit ids has the wrong size"));
            }
            Ok(())
        })
    }
}
