//! Which blocks of bodies may hold a text: an index of n-grams, so that searching for a rare text
//! decompresses few blocks.
//!
//! Of every three neighbouring grams of six bytes the one with the smallest hash is noted (winnowing:
//! Schleimer, Wilkerson, Aiken, 2003). So any eight bytes note the same gram wherever they stand, and
//! a text of eight bytes or more is only in blocks that note all of its grams. Blocks come in groups
//! of up to 128; a group has a row of bits per hash, one bit per block, so that a text costs a few
//! short pieces of each group instead of a filter of every block. Where bodies name their rows' own
//! users is left out; see `ownnames.rs`.

use std::ops::Range;

use super::codec::damaged;
use super::ownnames::OwnName;
use super::sealed::{Header, Piece, Sealed};
use super::segfile::SegmentFile;
use crate::store::{Result, StoreError};

/// Bytes of a gram.
const GRAM: usize = 6;

/// Bytes of neighbouring grams of which one is noted; shorter texts cannot be looked up.
pub(crate) const WINDOW: usize = GRAM + 2;

/// Rows of a group, as bits of a hash.
const ROW_BITS: u32 = 17;

/// Blocks of a group, and the fewest for which one is worth its bytes.
const GROUP_BLOCKS: usize = 128;
const GROUP_BLOCKS_MIN: usize = 4;

/// Rows per piece.
const PIECE_ROWS: usize = 128;
const PIECES: u32 = (1 << ROW_BITS) / PIECE_ROWS as u32;

/// Rows looked at per text: enough to leave out what a long one's common parts do not.
const LOOKED_AT_MAX: usize = 24;

/// Grams noted after a difference from the neighbour before likeness is looked for again: twice as
/// many each time that there is none, as looking costs about as much as noting so many.
const STRETCH: usize = 24;
const STRETCH_MAX: usize = 192;

/// How far from where it ended likeness is looked for.
const SHIFT_MAX: usize = 24;

/// Groups of a file: the first block of each and how many.
pub(crate) type Groups = Vec<(u32, u32)>;

#[inline(always)]
fn hash(gram: u64) -> u32 {
    ((gram & 0xffff_ffff_ffff).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Gives the row of each window's gram.
fn rows_in(bytes: &[u8], mut note: impl FnMut(u32)) {
    let Some(first) = bytes.first_chunk::<WINDOW>() else {
        return;
    };
    let first = u64::from_le_bytes(*first);
    let (mut oldest, mut older) = (hash(first), hash(first >> 8));
    for window in bytes.windows(WINDOW) {
        let window = window.first_chunk().expect("a window has its length");
        let newest = hash(u64::from_le_bytes(*window) >> 16);
        let least = oldest.min(older).min(newest);
        note(least.wrapping_mul(0xc2b2_ae35) >> (32 - ROW_BITS));
        (oldest, older) = (older, newest);
    }
}

/// How many bytes two texts begin with alike.
fn alike(one: &[u8], other: &[u8]) -> usize {
    let mut length = 0;
    for (a, b) in one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0) {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return length + differing.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let rest = one[length..].iter().zip(&other[length..]);
    length + rest.take_while(|(a, b)| a == b).count()
}

/// Where in `before` stands what `body` has `at`: at `like`, as far from the end, or near `like`. Any
/// answer is right, a good one saves work.
fn place_like(body: &[u8], at: usize, before: &[u8], like: usize) -> usize {
    let word = |bytes: &[u8], at: usize| bytes.get(at..)?.first_chunk::<8>().copied();
    let Some(wanted) = word(body, at) else {
        return like;
    };
    let from_end = (before.len() + at).wrapping_sub(body.len());
    if let Some(place) = [like, from_end]
        .into_iter()
        .find(|&place| word(before, place) == Some(wanted))
    {
        return place;
    }
    let first = like.saturating_sub(SHIFT_MAX).min(before.len());
    let end = (like + SHIFT_MAX + 8).min(before.len());
    before
        .get(first..end)
        .and_then(|near| near.windows(8).position(|near| near == wanted))
        .map_or(like, |shift| first + shift)
}

/// Notes a piece of a body for a block; `before` is one of its neighbour, which is noted. Neighbours are
/// much alike: what stands in both is noted already.
fn note(block: &mut [u8], body: &[u8], before: &[u8]) {
    // Windows before `at` are noted; `like` is the place in the neighbour that is like it.
    let (mut at, mut like, mut stretch) = (0, 0, STRETCH);
    while at + WINDOW <= body.len() {
        let alike = alike(&body[at..], before.get(like..).unwrap_or_default());
        if let Some(known) = (alike + 1).checked_sub(WINDOW) {
            at += known;
            like += known;
            stretch = STRETCH;
        }
        let end = (at + stretch + WINDOW - 1).min(body.len());
        rows_in(&body[at..end], |row| block[row as usize] = 1);
        at += stretch;
        like = place_like(body, at, before, like + stretch);
        stretch = (stretch * 2).min(STRETCH_MAX);
    }
}

/// The rows that a block with `text` in it notes, unless it stands in a name that is left out; `None`
/// for a text that is too short.
pub(crate) fn rows_of(text: &[u8]) -> Option<Vec<u32>> {
    let mut rows = Vec::new();
    rows_in(text, |row| rows.push(row));
    rows.sort_unstable();
    rows.dedup();
    // Evenly, as they are hashes in order.
    let step = rows.len().div_ceil(LOOKED_AT_MAX).max(1);
    let rows: Vec<u32> = rows.into_iter().step_by(step).collect();
    (!rows.is_empty()).then_some(rows)
}

/// The index of a file that is being written.
pub(crate) struct Ngrams {
    /// Per row, whether the open block notes it: bytes, as setting bits would wait for each other.
    block: Vec<u8>,
    /// Per row, the blocks of the open group.
    rows: Vec<u128>,
    /// Blocks of the open group.
    blocks: usize,
    groups: Groups,
    own: OwnName,
    /// What is noted of the last body and of the one before.
    pieces: Vec<Range<usize>>,
    pieces_before: Vec<Range<usize>>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl Ngrams {
    pub(crate) fn new(level: i32) -> Result<Ngrams> {
        let compressor = zstd::bulk::Compressor::new(level)
            .map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
        Ok(Ngrams {
            block: vec![0; 1 << ROW_BITS],
            rows: vec![0; 1 << ROW_BITS],
            blocks: 0,
            groups: Groups::new(),
            own: OwnName::default(),
            pieces: Vec::new(),
            pieces_before: Vec::new(),
            compressor,
        })
    }

    /// Notes a body of the open block but for its own user's name; `before` is the body that was noted
    /// last, or empty for the first.
    pub(crate) fn add(&mut self, body: &[u8], user: &str, before: &[u8]) {
        std::mem::swap(&mut self.pieces, &mut self.pieces_before);
        self.own.around(body, user, &mut self.pieces);
        let mut pieces_before = self.pieces_before.iter();
        for piece in &self.pieces {
            let like = pieces_before.next();
            let like = like.and_then(|piece| before.get(piece.clone()));
            note(
                &mut self.block,
                &body[piece.clone()],
                like.unwrap_or_default(),
            );
        }
    }

    /// Ends a block, the file's `number`th.
    pub(crate) fn end_block(&mut self, file: &mut SegmentFile, number: u32) -> Result<()> {
        for (row, noted) in self.rows.iter_mut().zip(&mut self.block) {
            *row |= u128::from(std::mem::take(noted)) << self.blocks;
        }
        self.blocks += 1;
        if self.blocks == GROUP_BLOCKS {
            self.end_group(file, number + 1)?;
        }
        Ok(())
    }

    /// Writes the open group, whose blocks are those before `end`.
    fn end_group(&mut self, file: &mut SegmentFile, end: u32) -> Result<()> {
        if self.blocks >= GROUP_BLOCKS_MIN {
            let group = self.groups.len() as u32;
            let width = self.blocks.div_ceil(8);
            let mut bytes = Vec::with_capacity(PIECE_ROWS * width);
            for (piece, rows) in (0..).zip(self.rows.chunks(PIECE_ROWS)) {
                bytes.clear();
                for row in rows {
                    bytes.extend_from_slice(&row.to_le_bytes()[..width]);
                }
                let packed = self.compressor.compress(&bytes);
                let packed = packed.map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
                put(file, group, piece, &packed)?;
            }
            self.groups
                .push((end - self.blocks as u32, self.blocks as u32));
        }
        self.rows.fill(0);
        self.blocks = 0;
        Ok(())
    }

    /// Takes over the index of a file whose blocks are taken over, from `first` on.
    pub(crate) fn take_over(
        &mut self,
        file: &mut SegmentFile,
        sealed: &Sealed,
        groups: &Groups,
        first: u32,
    ) -> Result<()> {
        self.end_group(file, first)?;
        for (number, &(begin, blocks)) in (0..).zip(groups) {
            let group = self.groups.len() as u32;
            for piece in 0..PIECES {
                let packed = sealed.packed_ngrams(number * PIECES + piece)?;
                put(file, group, piece, &packed)?;
            }
            self.groups.push((first + begin, blocks));
        }
        Ok(())
    }

    /// Writes what is left of `blocks` blocks of the file.
    pub(crate) fn finish(mut self, file: &mut SegmentFile, blocks: u32) -> Result<Groups> {
        self.end_group(file, blocks)?;
        Ok(self.groups)
    }
}

fn put(file: &mut SegmentFile, group: u32, piece: u32, packed: &[u8]) -> Result<()> {
    let number = group * PIECES + piece;
    file.piece("n-grams of bodies", Piece::Ngrams, 0, number, packed)?;
    Ok(())
}

/// The groups of a file's index, with the names of rows' own users or without.
fn groups(sealed: &Sealed) -> impl Iterator<Item = &(u32, u32)> {
    let Header {
        ngrams,
        ngrams_but_users,
        ..
    } = &sealed.header;
    ngrams_but_users
        .as_ref()
        .or(ngrams.as_ref())
        .into_iter()
        .flatten()
}

/// The blocks of a file, ascending, that may hold one of several texts, each given as its rows.
/// Blocks without an index may hold anything.
pub(crate) fn blocks_with(sealed: &Sealed, texts: &[Vec<u32>]) -> Result<Vec<usize>> {
    let mut blocks = Vec::new();
    let mut next = 0;
    for (group, &(first, count)) in (0..).zip(groups(sealed)) {
        blocks.extend(next..first as usize);
        let mut found = 0u128;
        for rows in texts {
            let mut with = u128::MAX;
            for &row in rows {
                with &= row_of(sealed, group, row, count)?;
                if with == 0 {
                    break;
                }
            }
            found |= with;
        }
        let of_group = (0..count).filter(|block| found >> block & 1 == 1);
        blocks.extend(of_group.map(|block| (first + block) as usize));
        next = (first + count) as usize;
    }
    blocks.extend(next..sealed.header.bodies as usize);
    Ok(blocks)
}

/// Reads everything: each piece is checked, and each row is there.
pub(crate) fn verify(sealed: &Sealed) -> Result<()> {
    for (group, &(_, blocks)) in (0..).zip(groups(sealed)) {
        for piece in 0..PIECES {
            row_of(
                sealed,
                group,
                piece * PIECE_ROWS as u32 + PIECE_ROWS as u32 - 1,
                blocks,
            )?;
        }
    }
    Ok(())
}

/// A row of a group: a bit per block.
fn row_of(sealed: &Sealed, group: u32, row: u32, blocks: u32) -> Result<u128> {
    let width = blocks.div_ceil(8) as usize;
    let (piece, at) = (row / PIECE_ROWS as u32, row as usize % PIECE_ROWS);
    let packed = sealed.packed_ngrams(group * PIECES + piece)?;
    let bytes = zstd::bulk::decompress(&packed, PIECE_ROWS * width)
        .map_err(|error| damaged(&format!("n-grams do not decompress: {error}")))?;
    let bytes = bytes.get(at * width..(at + 1) * width);
    let bytes = bytes.ok_or_else(|| damaged("n-grams have the wrong size"))?;
    let mut row = [0; 16];
    let place = row.get_mut(..width);
    place
        .ok_or_else(|| damaged("a group of n-grams has too many blocks"))?
        .copy_from_slice(bytes);
    Ok(u128::from_le_bytes(row))
}

#[cfg(test)]
impl Ngrams {
    /// Whether the open block notes a row.
    pub(crate) fn notes(&self, row: u32) -> bool {
        self.block[row as usize] == 1
    }
}

#[cfg(test)]
mod tests;
