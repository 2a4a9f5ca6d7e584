//! Content keys on their way into a sealed file.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::codec::damaged;
use super::dedup::Filter;
use super::keycode;
use super::part::Part;
use super::sealed::{KEYS_PER_PIECE, Piece, Sealed};
use super::segfile::SegmentFile;
use crate::store::Result;

/// The content keys of a new segment's rows.
pub(crate) enum ContentKeys {
    /// Ascending.
    Listed(Vec<[u8; 16]>),
    /// Those of all parts, which are sealed and of which every row is taken.
    OfParts,
}

/// Writes the keys of so many rows, their index and the filter.
pub(crate) fn put_keys(
    file: &mut SegmentFile,
    parts: &[Part],
    keys: ContentKeys,
    rows: usize,
) -> Result<()> {
    let mut pieces = KeyPieces {
        filter: Filter::new(rows),
        index: Vec::new(),
        piece: Vec::with_capacity(KEYS_PER_PIECE),
        count: 0,
    };
    match keys {
        ContentKeys::Listed(keys) => {
            file.holds(keys.len() * 16 + pieces.filter.bytes().len());
            keys.into_iter()
                .try_for_each(|key| pieces.push(file, key))?;
        }
        ContentKeys::OfParts => {
            file.holds(pieces.filter.bytes().len());
            let mut cursors = Vec::with_capacity(parts.len());
            for part in parts {
                match part {
                    Part::Sealed(sealed) => cursors.push(Keys {
                        sealed,
                        next_piece: 0,
                        piece: Vec::new().into_iter(),
                    }),
                    Part::Block(..) => return Err(damaged("a block has no sorted keys")),
                }
            }
            let mut heap = BinaryHeap::with_capacity(cursors.len());
            for (part, cursor) in cursors.iter_mut().enumerate() {
                heap.extend(cursor.next()?.map(|key| Reverse((key, part))));
            }
            while let Some(Reverse((key, part))) = heap.pop() {
                pieces.push(file, key)?;
                heap.extend(cursors[part].next()?.map(|key| Reverse((key, part))));
            }
        }
    }
    if pieces.count != rows {
        return Err(damaged("segments have not as many keys as events"));
    }
    pieces.finish(file)
}

/// The keys of a sealed segment in ascending order, a piece at a time.
struct Keys<'a> {
    sealed: &'a Sealed,
    next_piece: usize,
    piece: std::vec::IntoIter<[u8; 16]>,
}

impl Keys<'_> {
    fn next(&mut self) -> Result<Option<[u8; 16]>> {
        if let Some(key) = self.piece.next() {
            return Ok(Some(key));
        }
        if self.next_piece == self.sealed.key_pieces() {
            return Ok(None);
        }
        self.piece = self.sealed.key_piece(self.next_piece)?.into_iter();
        self.next_piece += 1;
        let key = self.piece.next();
        key.ok_or_else(|| damaged("a piece of keys is empty"))
            .map(Some)
    }
}

struct KeyPieces {
    filter: Filter,
    index: Vec<u8>,
    piece: Vec<[u8; 16]>,
    count: usize,
}

impl KeyPieces {
    fn push(&mut self, file: &mut SegmentFile, key: [u8; 16]) -> Result<()> {
        if self.piece.is_empty() {
            self.index.extend_from_slice(&key);
        }
        self.filter.add(&key);
        self.piece.push(key);
        self.count += 1;
        if self.piece.len() == KEYS_PER_PIECE {
            self.flush(file)?;
        }
        Ok(())
    }

    fn flush(&mut self, file: &mut SegmentFile) -> Result<()> {
        let number = (self.index.len() / 16 - 1) as u32;
        let keys = keycode::pack(&self.piece);
        file.piece("content keys", Piece::Keys, 0, number, &keys)?;
        self.piece.clear();
        Ok(())
    }

    fn finish(mut self, file: &mut SegmentFile) -> Result<()> {
        if !self.piece.is_empty() {
            self.flush(file)?;
        }
        file.piece("content keys", Piece::KeyIndex, 0, 0, &self.index)?;
        file.piece("content keys", Piece::Filter, 0, 0, self.filter.bytes())?;
        Ok(())
    }
}
