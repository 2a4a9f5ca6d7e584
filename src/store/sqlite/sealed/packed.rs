//! Pieces of large dictionaries as they stand in the file, for reading single strings. Who reads all
//! of a segment needs most of its strings, each about once: whole they would take twice the memory,
//! and unpacking all of a piece for one of them ten times the time.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use super::{Piece, STRINGS_PER_PIECE, Sealed, wrong};
use crate::store::Result;
use crate::store::sqlite::frontcode;
use crate::store::sqlite::layout::TextColumn;

/// Columns with more strings than this are read so.
const STRINGS_MIN: u32 = 4096;

/// The packed pieces of a column, once any of them is needed.
pub(super) type Column = OnceLock<Vec<OnceLock<Packed>>>;

/// A piece: a JSON array of front-coded strings, and where each of them begins.
pub(super) struct Packed {
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

    fn memory(&self) -> usize {
        self.json.len() + self.begins.len() * 4 + 64
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
        let pieces = self.packed[column as usize].get_or_init(|| {
            let pieces = self.strings[column as usize].iter();
            pieces.map(|_| OnceLock::new()).collect()
        });
        let piece = pieces.get(number as usize).ok_or_else(out_of_range)?;
        let piece = self.once(piece, || {
            let json = self.piece(Piece::Strings, column as u8, number)?;
            let packed = Packed::new(json);
            let packed = packed.ok_or_else(|| wrong(&self.path, "unreadable strings"))?;
            self.kept.fetch_add(packed.memory(), Ordering::Relaxed);
            Ok(packed)
        })?;
        piece
            .write((index % STRINGS_PER_PIECE) as usize, out)
            .ok_or_else(|| wrong(&self.path, "a string cannot be read"))
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
        }

        #[test]
        fn arbitrary_bytes_never_panic(json in "[\\[\\]\",\\\\#a]{0,20}") {
            if let Some(packed) = Packed::new(json.into_bytes()) {
                for index in 0..5 {
                    let _ = packed.write(index, &mut String::new());
                }
            }
        }
    }
}
