//! Pieces of large dictionaries as they stand in the file, for reading single strings. Who reads all
//! of a segment needs most of its strings, each about once: whole they would take twice the memory,
//! and unpacking all of a piece for one of them ten times the time.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::atomic::{AtomicU64, Ordering as Memory};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Piece, STRINGS_PER_PIECE, Sealed, wrong};
use crate::limits::STRINGS_KEPT_BYTES_MAX;
use crate::store::Result;
use crate::store::sqlite::frontcode;
use crate::store::sqlite::generations::{Generations, Key, Weigh};
use crate::store::sqlite::layout::TextColumn;

/// Columns with more strings than this are read so.
const STRINGS_MIN: u32 = 4096;

/// Locks among which pieces are divided: an export reads strings on all cores.
const SHARDS: usize = 16;

/// Pieces that were looked into lately, of all segments of a store.
pub(crate) struct PackedCache {
    shards: [Mutex<Generations<Arc<Packed>>>; SHARDS],
    segments: AtomicU64,
}

impl Default for PackedCache {
    fn default() -> Self {
        let most = STRINGS_KEPT_BYTES_MAX / SHARDS;
        PackedCache {
            shards: std::array::from_fn(|_| Mutex::new(Generations::new(most))),
            segments: AtomicU64::new(0),
        }
    }
}

impl PackedCache {
    /// A number for a segment that was opened.
    pub(super) fn number(&self) -> u64 {
        self.segments.fetch_add(1, Memory::Relaxed)
    }

    fn shard(&self, piece: u32) -> MutexGuard<'_, Generations<Arc<Packed>>> {
        let shard = &self.shards[piece as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of a segment's pieces: its number is never asked for again.
    pub(super) fn forget(&self, number: u64) {
        (0..SHARDS as u32).for_each(|shard| self.shard(shard).forget(number));
    }
}

impl Weigh for Arc<Packed> {
    fn bytes(&self) -> usize {
        self.json.len() + self.begins.len() * 4 + 128
    }
}

/// A piece: a JSON array of front-coded strings, and where each of them begins.
pub(crate) struct Packed {
    json: Box<[u8]>,
    begins: Box<[u32]>,
}

impl Packed {
    /// `None` for what is no array of strings.
    fn new(json: Vec<u8>) -> Option<Packed> {
        let mut begins = Vec::with_capacity(STRINGS_PER_PIECE as usize + 1);
        let mut at = 1;
        let mut next = *json.first()? == b'[';
        while next {
            begins.push(at as u32);
            if *json.get(at)? != b'"' {
                return None;
            }
            at += 1;
            // A string ends at the first quote that no backslash is before.
            loop {
                at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
                if json[at] == b'"' {
                    break;
                }
                at += 2;
            }
            at += 1;
            next = *json.get(at)? == b',';
            at += 1;
        }
        (json.get(at - 1) == Some(&b']') && at == json.len()).then_some(())?;
        begins.push(at as u32);
        Some(Packed {
            json: json.into(),
            begins: begins.into(),
        })
    }

    fn stored(&self, index: usize) -> Option<Cow<'_, str>> {
        let (begin, end) = (*self.begins.get(index)?, *self.begins.get(index + 1)?);
        // A comma or the bracket stands between.
        let json = self.json.get(begin as usize..end as usize - 1)?;
        // Borrowing what has escapes fails, which takes longer than reading it.
        match memchr::memchr(b'\\', json) {
            None => serde_json::from_slice(json).map(Cow::Borrowed).ok(),
            Some(_) => serde_json::from_slice(json).map(Cow::Owned).ok(),
        }
    }

    /// Appends a string.
    fn write(&self, index: usize, out: &mut String) -> Option<()> {
        let first = self.stored(0)?;
        match index {
            0 => out.push_str(&first),
            _ => frontcode::restore_after(&first, &self.stored(index)?, out)?,
        }
        Some(())
    }

    /// Where a string stands against those of the piece, and its place if it is one of them.
    fn find(&self, text: &str) -> Option<(Ordering, Option<usize>)> {
        let mut whole = String::new();
        let mut compare = |index| {
            whole.clear();
            self.write(index, &mut whole)?;
            Some(text.cmp(&whole))
        };
        let (mut low, mut high) = (0, self.begins.len().checked_sub(1)?);
        let last = high.checked_sub(1)?;
        if compare(0)? == Ordering::Less {
            return Some((Ordering::Less, None));
        }
        if compare(last)? == Ordering::Greater {
            return Some((Ordering::Greater, None));
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match compare(middle)? {
                Ordering::Greater => low = middle + 1,
                Ordering::Equal => return Some((Ordering::Equal, Some(middle))),
                Ordering::Less => high = middle,
            }
        }
        Some((Ordering::Equal, None))
    }
}

impl Sealed {
    /// Whether single strings of a column are better written than borrowed.
    pub(crate) fn is_packed(&self, column: TextColumn) -> bool {
        self.stores(column) && self.header.strings[column as usize] > STRINGS_MIN
    }

    /// Appends a string of a column that the file holds.
    pub(crate) fn write_string(&self, column: TextColumn, id: u32, out: &mut String) -> Result<()> {
        let out_of_range = || wrong(&self.path, "a string id is out of range");
        let index = id.checked_sub(1).ok_or_else(out_of_range)?;
        let number = index / STRINGS_PER_PIECE;
        if number >= self.pieces(column) {
            return Err(out_of_range());
        }
        self.packed_piece(column, number)?
            .write((index % STRINGS_PER_PIECE) as usize, out)
            .ok_or_else(|| wrong(&self.path, "a string cannot be read"))
    }

    /// The id of a string of a column that the file holds, if the column has it.
    pub(super) fn find_packed(&self, column: TextColumn, text: &str) -> Result<Option<u32>> {
        let (mut low, mut high) = (0, self.pieces(column));
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.packed_piece(column, middle)?.find(text);
            match found.ok_or_else(|| wrong(&self.path, "a string cannot be read"))? {
                (Ordering::Less, _) => high = middle,
                (Ordering::Greater, _) => low = middle + 1,
                (Ordering::Equal, at) => {
                    return Ok(at.map(|at| middle * STRINGS_PER_PIECE + at as u32 + 1));
                }
            }
        }
        Ok(None)
    }

    /// How many pieces a column's dictionary has.
    fn pieces(&self, column: TextColumn) -> u32 {
        self.strings[column as usize].len() as u32
    }

    fn packed_piece(&self, column: TextColumn, number: u32) -> Result<Arc<Packed>> {
        let (cache, segment) = &self.packed;
        let key: Key = (*segment, column as u8, number);
        if let Some(piece) = cache.shard(number).used(key) {
            return Ok(Arc::clone(piece));
        }
        let json = self.piece(Piece::Strings, column as u8, number)?;
        let packed = Packed::new(json);
        let packed = packed.ok_or_else(|| wrong(&self.path, "unreadable strings"))?;
        let packed = Arc::new(packed);
        cache.shard(number).put(key, Arc::clone(&packed));
        Ok(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_come_back(
            rests in prop::collection::btree_set("[ab\"\\\\\\n,\\]é]{0,8}", 0..20),
        ) {
            let strings: Vec<Box<str>> =
                rests.iter().map(|rest| format!("pre{rest}").into()).collect();
            let json = serde_json::to_vec(&frontcode::shorten(&strings)).unwrap();
            if strings.is_empty() {
                return Ok(());
            }
            let packed = Packed::new(json).unwrap();
            for (index, string) in strings.iter().enumerate() {
                let mut out = String::new();
                packed.write(index, &mut out).unwrap();
                prop_assert_eq!(&*out, &**string);
            }
            prop_assert_eq!(packed.write(strings.len(), &mut String::new()), None);
            for (index, string) in strings.iter().enumerate() {
                prop_assert_eq!(packed.find(string), Some((Ordering::Equal, Some(index))));
            }
            for other in ["", "pre", "preab", "pre,", "pred", "q"] {
                if strings.iter().any(|string| **string == *other) {
                    continue;
                }
                let (first, last) = (&*strings[0], &*strings[strings.len() - 1]);
                let place = match other {
                    other if other < first => Ordering::Less,
                    other if other > last => Ordering::Greater,
                    _ => Ordering::Equal,
                };
                prop_assert_eq!(packed.find(other), Some((place, None)));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(json in "[\\[\\]\",\\\\#a]{0,20}") {
            if let Some(packed) = Packed::new(json.into_bytes()) {
                for index in 0..5 {
                    let _ = packed.write(index, &mut String::new());
                    let _ = packed.find("ab");
                }
            }
        }
    }
}
