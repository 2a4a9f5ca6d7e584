//! One dictionary from those of several parts: sorted strings, and what each part's ids become.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::codec::damaged;
use super::layout::TextColumn;
use super::order::{Columns, Order};
use super::part::Part;
use super::sealed::Sealed;
use crate::store::Result;

/// What the string ids of parts become.
pub(crate) struct Dictionary {
    /// Per part and id, the new id; 0 for strings that no row has, and for id 0.
    pub(crate) renumbered: Vec<Vec<u32>>,
    /// How many strings there are.
    pub(crate) strings: usize,
}

impl Dictionary {
    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.renumbered.iter().map(|ids| ids.len() * 4).sum()
    }

    /// The new id of a part's string.
    pub(crate) fn id(&self, part: u32, id: u32) -> Result<u32> {
        self.renumbered[part as usize]
            .get(id as usize)
            .copied()
            .ok_or_else(|| damaged("a string id is out of range"))
    }
}

/// Merges the dictionaries of a column; `sink` gets its strings in ascending order.
pub(crate) fn merge(
    parts: &[Part],
    order: &Order,
    column: TextColumn,
    sink: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<Dictionary> {
    let mut dictionary = Dictionary {
        renumbered: used(parts, order, column)?,
        strings: 0,
    };
    let mut sealed = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Sealed(part) if part.stores(column) => sealed.push(&**part),
            // What was derived has its strings in order of appearance too.
            _ => {
                merge_unsorted(parts, column, &mut dictionary, sink)?;
                return Ok(dictionary);
            }
        }
    }
    merge_sorted(&sealed, column, &mut dictionary, sink)?;
    Ok(dictionary)
}

/// Per part and string id, 1 where a row of the new segment has the string.
fn used(parts: &[Part], order: &Order, column: TextColumn) -> Result<Vec<Vec<u32>>> {
    let all: usize = parts.iter().map(Part::rows).sum();
    // Without rows left out every string has a row that holds it.
    let mark = u32::from(order.len() == all);
    let mut used: Vec<Vec<u32>> = parts
        .iter()
        .map(|part| vec![mark; part.strings(column) as usize + 1])
        .collect();
    if mark == 0 {
        let mut ids = Columns::ids(parts, column);
        for at in order.iter() {
            let slot = used[at.part as usize].get_mut(ids.get(at)? as usize);
            *slot.ok_or_else(|| damaged("a string id is out of range"))? = 1;
        }
    }
    used.iter_mut().for_each(|ids| ids[0] = 0);
    Ok(used)
}

/// Blocks have their strings in order of appearance, and many share them: numbered in order of
/// first sight, then renumbered in sorted order.
fn merge_unsorted(
    parts: &[Part],
    column: TextColumn,
    dictionary: &mut Dictionary,
    sink: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut seen: FxHashMap<Cow<'_, str>, u32> = FxHashMap::default();
    for (part, ids) in parts.iter().zip(&mut dictionary.renumbered) {
        let mut take = |id: u32, text| {
            let slot = &mut ids[id as usize];
            if *slot != 0 {
                let next = seen.len() as u32 + 1;
                *slot = *seen.entry(text).or_insert(next);
            }
        };
        match part {
            // What is in memory already is not copied: it may be long.
            Part::Block(block, _) => {
                for id in 1..=block.strings(column) as u32 {
                    take(id, Cow::Borrowed(block.string(column, id)?));
                }
            }
            Part::Sealed(_) => part.each_string(column, &mut |id, text| {
                take(id, Cow::Owned(text.to_owned()));
                std::ops::ControlFlow::Continue(())
            })?,
        }
    }
    let mut strings: Vec<(Cow<'_, str>, u32)> = seen.into_iter().collect();
    strings.sort_unstable();
    let mut sorted = vec![0u32; strings.len() + 1];
    for (index, (text, number)) in strings.iter().enumerate() {
        sorted[*number as usize] = index as u32 + 1;
        sink(text)?;
    }
    let ids = dictionary.renumbered.iter_mut().flatten();
    ids.for_each(|id| *id = sorted[*id as usize]);
    dictionary.strings = strings.len();
    Ok(())
}

/// Sealed parts have theirs sorted, so a piece of each in memory is enough.
fn merge_sorted(
    parts: &[&Sealed],
    column: TextColumn,
    dictionary: &mut Dictionary,
    sink: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut cursors: Vec<Strings<'_>> = parts
        .iter()
        .map(|sealed| Strings {
            sealed,
            column,
            next_piece: 0,
            piece: Vec::new().into_iter(),
            id: 0,
        })
        .collect();
    let mut heap = BinaryHeap::with_capacity(parts.len());
    for (part, (cursor, used)) in cursors.iter_mut().zip(&dictionary.renumbered).enumerate() {
        if let Some((text, id)) = cursor.next_used(used)? {
            heap.push(Reverse((text, part, id)));
        }
    }
    let mut last: Option<Box<str>> = None;
    while let Some(Reverse((text, part, id))) = heap.pop() {
        if last.as_ref() != Some(&text) {
            dictionary.strings += 1;
            sink(&text)?;
            last = Some(text);
        }
        let ids = &mut dictionary.renumbered[part];
        ids[id] = dictionary.strings as u32;
        if let Some((text, id)) = cursors[part].next_used(ids)? {
            heap.push(Reverse((text, part, id)));
        }
    }
    Ok(())
}

/// The strings of a sealed segment's column in ascending order, a piece at a time.
struct Strings<'a> {
    sealed: &'a Sealed,
    column: TextColumn,
    next_piece: u32,
    piece: std::vec::IntoIter<Box<str>>,
    /// Of the string given last.
    id: usize,
}

impl Strings<'_> {
    /// The next string that a row has, and its id.
    fn next_used(&mut self, used: &[u32]) -> Result<Option<(Box<str>, usize)>> {
        loop {
            let Some(text) = self.piece.next() else {
                if self.id + 1 >= used.len() {
                    return Ok(None);
                }
                self.piece = self
                    .sealed
                    .load_strings(self.column, self.next_piece)?
                    .into_iter();
                self.next_piece += 1;
                if self.piece.len() == 0 {
                    return Err(damaged("a piece of strings is empty"));
                }
                continue;
            };
            self.id += 1;
            match used.get(self.id) {
                None => return Err(damaged("a dictionary has too many strings")),
                Some(0) => {}
                Some(_) => return Ok(Some((text, self.id))),
            }
        }
    }
}
