//! The clustered order of bodies, and reading bodies of parts in that order.
//!
//! Events of one user, resource, level, verb, namespace and name lie together: they compress far
//! better, and what one user did is read from few blocks.

use std::num::NonZeroU32;
use std::ops::Range;

use super::block::{self, Frame};
use super::layout::TextColumn;
use super::order::Order;
use super::part::Part;
use super::sealed::split;
use super::segfile::SegmentFile;
use crate::limits;
use crate::store::Result;

/// Bodies gathered at once, about: a class of an active segment's bodies, mostly. What a window leaves
/// of a class is decompressed again for the next.
const WINDOW_BYTES: usize = 24 << 20;

/// The columns that decide the order, first to last.
const ORDER: [TextColumn; 6] = [
    TextColumn::User,
    TextColumn::Resource,
    TextColumn::Level,
    TextColumn::Verb,
    TextColumn::Namespace,
    TextColumn::Name,
];

/// The first thing that the order goes by: the same hash of the user as in blocks.
fn class_of(user: Option<&str>) -> u8 {
    block::class_of(user) as u8
}

/// Bytes of users' names that are held at most while a file is written.
const NAMES_BYTES_MAX: usize = 8 << 20;

/// The users of a file that is being written.
#[derive(Default)]
pub(crate) struct Users {
    classes: Vec<u8>,
    names: String,
    /// Where each name ends.
    ends: Vec<u32>,
}

impl Users {
    /// Adds the user of the next string id.
    pub(crate) fn push(&mut self, name: &str) {
        self.classes.push(class_of(Some(name)));
        if self.names.len() + name.len() <= NAMES_BYTES_MAX {
            self.names.push_str(name);
        }
        self.ends.push(self.names.len() as u32);
    }

    fn class(&self, id: u32) -> u8 {
        id.checked_sub(1)
            .map_or_else(|| class_of(None), |at| self.classes[at as usize])
    }

    /// The name of a user; empty for none, and for one whose name did not fit.
    pub(crate) fn name(&self, id: u32) -> &str {
        let Some(at) = (id as usize).checked_sub(1) else {
            return "";
        };
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[begin as usize..self.ends[at] as usize]
    }

    pub(crate) fn bytes(&self) -> usize {
        self.names.len() + self.ends.len() * 5
    }
}

/// Rows whose bodies are clustered among themselves, at most: a bucket. Bounded, so that reading
/// events in order of time needs few of a large segment's blocks at once.
const BUCKET_ROWS: usize = 131_072;

/// A segment of fewer rows is clustered anew with its neighbours.
const TAKEN_ROWS_MIN: usize = BUCKET_ROWS / 4;

/// Which parts' blocks are taken over as they are; all other rows are clustered anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Division {
    /// Per part, the first rank of its bodies if they are taken over.
    pub(crate) taken: Vec<Option<u32>>,
    /// Rows whose bodies are taken over; they have the first ranks.
    pub(crate) taken_rows: usize,
    /// Rows of a bucket that is clustered anew.
    pub(crate) bucket_rows: usize,
}

impl Division {
    /// Takes over what is whole, compressed well enough, and hardly interleaved with other parts.
    pub(crate) fn new(parts: &[Part], order: &Order, level: i32) -> Division {
        let mut seen = vec![(usize::MAX, 0usize, 0usize); parts.len()];
        for (index, at) in order.iter().enumerate() {
            let (first, last, count) = &mut seen[at.part as usize];
            *first = index.min(*first);
            *last = index;
            *count += 1;
        }
        let mut fit: Vec<(usize, usize)> = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let (first, last, count) = seen[number];
            let Part::Sealed(sealed) = part else { continue };
            let is_whole = count == part.rows() && count >= TAKEN_ROWS_MIN;
            if is_whole && sealed.header.zstd_level >= level && last - first < count / 4 * 5 {
                fit.push((first, number));
            }
        }
        fit.sort_unstable();
        let mut taken = vec![None; parts.len()];
        let mut taken_rows = 0;
        for (_, number) in fit {
            taken[number] = Some(taken_rows as u32);
            taken_rows += parts[number].rows();
        }
        let rest = order.len() - taken_rows;
        Division {
            taken,
            taken_rows,
            bucket_rows: rest.div_ceil(rest.div_ceil(BUCKET_ROWS).max(1)).max(1),
        }
    }
}

/// The clustered order of some rows, as indexes into `rows`, which ascend, and the string ids of their
/// users, in order of rows; rows with equal keys stay in order of time. The columns are read back from
/// the new file, a segment of `segment_rows`.
pub(crate) fn cluster_order(
    file: &SegmentFile,
    rows: &[u32],
    segment_rows: usize,
    users: &Users,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let mut columns = Vec::with_capacity(ORDER.len());
    let mut chunk_ids = Vec::new();
    for column in ORDER {
        let mut ids: Vec<u32> = Vec::with_capacity(rows.len());
        let mut open = None;
        for &row in rows {
            let (chunk, offset) = split(row);
            if open != Some(chunk) {
                let left = segment_rows - chunk as usize * limits::CHUNK_ROWS;
                file.ids(column, chunk, left.min(limits::CHUNK_ROWS), &mut chunk_ids)?;
                open = Some(chunk);
            }
            ids.push(chunk_ids[offset]);
        }
        columns.push(ids);
    }
    let classes: Vec<u8> = columns[0].iter().map(|&user| users.class(user)).collect();
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    order.sort_unstable_by(|&left, &right| {
        let (l, r) = (left as usize, right as usize);
        classes[l]
            .cmp(&classes[r])
            .then_with(|| {
                columns
                    .iter()
                    .map(|ids| ids[l].cmp(&ids[r]))
                    .find(|ordering| ordering.is_ne())
                    .unwrap_or(std::cmp::Ordering::Equal)
            })
            .then(left.cmp(&right))
    });
    Ok((order, columns.swap_remove(0)))
}

/// Where a body is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyAt {
    pub(crate) part: u32,
    /// Its row's number in `Rank`.
    pub(crate) rank: u32,
    /// The string id of its user in the new file.
    pub(crate) user: u32,
    /// Bytes of its event as received, where that is known without looking at the body.
    pub(crate) event_bytes: Option<NonZeroU32>,
}

/// Gives lean bodies one after the other in the order of `bodies`. They are gathered a window at a
/// time, so that each block of bodies is decompressed once for all that a window takes of it.
pub(crate) fn read(
    parts: &[Part],
    bodies: &[BodyAt],
    sink: &mut dyn FnMut(&BodyAt, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut window = Window::default();
    let mut begin = 0;
    while begin < bodies.len() {
        let (end, bytes) = window_from(parts, &bodies[begin..])?;
        window.read(parts, &bodies[begin..begin + end], bytes, sink)?;
        begin += end;
    }
    Ok(())
}

/// How many bodies the next window takes, and about how many bytes they are. A window that is full
/// ends where other frames begin, if that is in its second half: what is left of a class would have
/// all of its frames decompressed again.
fn window_from(parts: &[Part], bodies: &[BodyAt]) -> Result<(usize, usize)> {
    let mut bytes = 0;
    let mut border = None;
    let mut last_frame = None;
    for (index, at) in bodies.iter().enumerate() {
        let part = &parts[at.part as usize];
        let length = part.body_bytes(at.rank)?;
        if let Part::Block(..) = part {
            let (frame, _) = part.place(i64::from(at.rank))?;
            if last_frame.replace(frame).is_some_and(|last| last != frame)
                && bytes > WINDOW_BYTES / 2
            {
                border = Some((index, bytes));
            }
        }
        if bytes + length > WINDOW_BYTES && index > 0 {
            return Ok(border.unwrap_or((index, bytes)));
        }
        bytes += length;
    }
    Ok((bodies.len(), bytes))
}

/// Bodies that were gathered.
#[derive(Default)]
struct Window {
    /// Part, frame, index in the frame, and place in the window.
    wanted: Vec<(u32, usize, usize, usize)>,
    slots: Vec<Range<usize>>,
    buffer: Vec<u8>,
}

impl Window {
    fn read(
        &mut self,
        parts: &[Part],
        bodies: &[BodyAt],
        bytes: usize,
        sink: &mut dyn FnMut(&BodyAt, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.wanted.clear();
        for (slot, at) in bodies.iter().enumerate() {
            let (frame, index) = parts[at.part as usize].place(i64::from(at.rank))?;
            self.wanted.push((at.part, frame, index, slot));
        }
        self.wanted.sort_unstable();
        self.slots.clear();
        self.slots.resize(bodies.len(), 0..0);
        self.buffer.clear();
        // Growing by doubling would take twice of what is needed; the lengths are means, though.
        self.buffer.reserve_exact(bytes + bytes / 8);
        let mut open: Option<(u32, usize, Frame)> = None;
        for &(part, number, index, slot) in &self.wanted {
            if open
                .as_ref()
                .is_none_or(|(of, is, _)| (*of, *is) != (part, number))
            {
                // The one before goes first: it need not be in memory beside the next.
                drop(open.take());
                open = Some((part, number, parts[part as usize].frame(number)?));
            }
            let (_, _, frame) = open.as_ref().expect("the frame was opened just above");
            let start = self.buffer.len();
            self.buffer.extend_from_slice(frame.body(index)?);
            self.slots[slot] = start..self.buffer.len();
        }
        drop(open);
        for (at, slot) in bodies.iter().zip(&self.slots) {
            sink(at, &self.buffer[slot.clone()])?;
        }
        // A few huge events must not take their room for good.
        self.buffer.shrink_to(WINDOW_BYTES / 8 * 9);
        Ok(())
    }
}
