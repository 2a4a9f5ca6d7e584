//! The clustered order of bodies, and reading bodies of parts in that order.
//!
//! Events of one user, resource, level, verb, namespace and name lie together: they compress far
//! better, and what one user did is read from few blocks.

use std::ops::Range;

use super::block::{self, Frame};
use super::build::RowAt;
use super::codec::damaged;
use super::layout::{IntColumn, TextColumn};
use super::part::Part;
use crate::store::Result;

/// Bodies gathered at once while sealing blocks.
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

/// One column's share of the clustered order.
pub(crate) struct ClusterKey {
    column: TextColumn,
    ids: Vec<u32>,
    /// Only of the column that decides a body's class.
    strings: Vec<Box<str>>,
}

/// Keeps `ids` if the column takes part in the clustered order.
pub(crate) fn cluster_key(
    column: TextColumn,
    ids: Vec<u32>,
    strings: &[Box<str>],
) -> Option<ClusterKey> {
    let decides_class = column == TextColumn::User;
    ORDER.contains(&column).then(|| ClusterKey {
        column,
        ids,
        strings: if decides_class {
            strings.to_vec()
        } else {
            Vec::new()
        },
    })
}

/// A stretch of rows, in order of time, whose bodies are clustered among themselves. Bounded, so that
/// reading events in order of time needs few of a large segment's blocks at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) rows: Range<usize>,
    /// The sealed part that holds exactly these rows: its blocks are taken over as they are.
    pub(crate) copied_from: Option<usize>,
}

/// Rows of a bucket at most.
pub(crate) const BUCKET_ROWS: usize = 131_072;

/// A segment of fewer rows is clustered anew with its neighbours.
const COPIED_ROWS_MIN: usize = BUCKET_ROWS / 4;

/// Divides rows into buckets: stretches that are whole segments are copied.
pub(crate) fn buckets(parts: &[Part], order: &[RowAt]) -> Vec<Bucket> {
    let mut seen = vec![(usize::MAX, 0usize, 0usize); parts.len()];
    for (index, at) in order.iter().enumerate() {
        let (first, last, count) = &mut seen[at.part as usize];
        *first = index.min(*first);
        *last = index;
        *count += 1;
    }
    let mut copies: Vec<Bucket> = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let (first, last, count) = seen[number];
        let is_whole =
            count == part.rows() && count >= COPIED_ROWS_MIN && last + 1 - first == count;
        if is_whole && matches!(part, Part::Sealed(_)) {
            copies.push(Bucket {
                rows: first..last + 1,
                copied_from: Some(number),
            });
        }
    }
    copies.sort_by_key(|bucket| bucket.rows.start);
    let mut buckets = Vec::new();
    let mut next = 0;
    let end = Bucket {
        rows: order.len()..order.len(),
        copied_from: None,
    };
    for copy in copies.into_iter().chain([end]) {
        let gap = copy.rows.start - next;
        let pieces = gap.div_ceil(BUCKET_ROWS);
        for piece in 0..pieces {
            let rows = next + gap * piece / pieces..next + gap * (piece + 1) / pieces;
            buckets.push(Bucket {
                rows,
                copied_from: None,
            });
        }
        next = copy.rows.end;
        if copy.copied_from.is_some() {
            buckets.push(copy);
        }
    }
    buckets
}

/// The rows of a bucket in clustered order; rows with equal keys stay in order of time.
pub(crate) fn cluster_order(rows: impl Iterator<Item = usize>, keys: &[ClusterKey]) -> Vec<u32> {
    let find = |column| {
        keys.iter()
            .find(|key| key.column == column)
            .expect("every column of the order was kept")
    };
    let columns: Vec<&ClusterKey> = ORDER.iter().map(|&column| find(column)).collect();
    let users = find(TextColumn::User);
    let class_of_none = block::class_of(None) as u8;
    let classes: Vec<u8> = users
        .strings
        .iter()
        .map(|user| block::class_of(Some(user)) as u8)
        .collect();
    let class = |row: usize| match users.ids[row] {
        0 => class_of_none,
        id => classes[id as usize - 1],
    };
    let mut order: Vec<u32> = rows.map(|row| row as u32).collect();
    order.sort_unstable_by(|&left, &right| {
        let (l, r) = (left as usize, right as usize);
        class(l)
            .cmp(&class(r))
            .then_with(|| {
                columns
                    .iter()
                    .map(|column| column.ids[l].cmp(&column.ids[r]))
                    .find(|ordering| ordering.is_ne())
                    .unwrap_or(std::cmp::Ordering::Equal)
            })
            .then(left.cmp(&right))
    });
    order
}

/// Reads lean bodies in an order that follows the parts' own order of bodies.
pub(crate) struct BodySource<'a> {
    parts: &'a [Part],
    order: &'a [RowAt],
    /// Per part and row, where its body stands.
    places: Vec<Vec<u32>>,
    /// Per part and row, how long the event is; only of blocks.
    lengths: Vec<Vec<u32>>,
}

impl<'a> BodySource<'a> {
    pub(crate) fn new(parts: &'a [Part], order: &'a [RowAt]) -> Result<BodySource<'a>> {
        let mut source = BodySource {
            parts,
            order,
            places: Vec::new(),
            lengths: Vec::new(),
        };
        let mut chunk_values = Vec::new();
        for part in parts {
            let mut places = Vec::with_capacity(part.rows());
            for chunk in 0..part.chunks() {
                part.ints(IntColumn::Rank, chunk, &mut chunk_values)?;
                places.extend(chunk_values.iter().map(|&rank| rank as u32));
            }
            source.places.push(places);
            let mut lengths = Vec::new();
            if let Part::Block(block, _) = part {
                block.raw_lengths(&mut chunk_values)?;
                lengths.extend(chunk_values.iter().map(|&length| length as u32));
            }
            source.lengths.push(lengths);
        }
        Ok(source)
    }

    /// Where a row's body stands in its part.
    pub(crate) fn place(&self, at: RowAt) -> u32 {
        self.places[at.part as usize][at.row as usize]
    }

    /// Gives the lean bodies of `ranked` (indexes into the order) one after the other.
    pub(crate) fn read(
        &self,
        ranked: &[u32],
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        if self
            .parts
            .iter()
            .all(|part| matches!(part, Part::Sealed(_)))
        {
            return self.read_merged(ranked, sink);
        }
        let mut window = Vec::new();
        let mut bytes = 0;
        for &index in ranked {
            let at = self.order[index as usize];
            let length = self.lengths[at.part as usize].get(at.row as usize).copied();
            let length = length
                .ok_or_else(|| damaged("blocks and segments cannot be sealed together"))?
                as usize;
            if bytes + length > WINDOW_BYTES && !window.is_empty() {
                self.read_window(&window, bytes, sink)?;
                window.clear();
                bytes = 0;
            }
            window.push(at);
            bytes += length;
        }
        self.read_window(&window, bytes, sink)
    }

    /// Gathers a window of bodies, opening each frame that holds some of them once.
    fn read_window(
        &self,
        window: &[RowAt],
        bytes: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut wanted: Vec<(u32, usize, usize, usize)> = window
            .iter()
            .enumerate()
            .map(|(slot, at)| {
                let place = self.places[at.part as usize][at.row as usize] as usize;
                (
                    at.part,
                    place % block::BODY_CLASSES,
                    place / block::BODY_CLASSES,
                    slot,
                )
            })
            .collect();
        wanted.sort_unstable();
        let mut buffer = Vec::with_capacity(bytes);
        let mut slots = vec![(0usize, 0usize); window.len()];
        let mut open: Option<(u32, usize, Frame)> = None;
        for (part, class, index, slot) in wanted {
            if open
                .as_ref()
                .is_none_or(|(p, c, _)| (*p, *c) != (part, class))
            {
                open = Some((part, class, self.parts[part as usize].frame(class)?));
            }
            let (_, _, frame) = open.as_ref().expect("the frame was opened just above");
            let body = frame.body(index)?;
            slots[slot] = (buffer.len(), body.len());
            buffer.extend_from_slice(body);
        }
        slots
            .iter()
            .try_for_each(|&(start, length)| sink(&buffer[start..start + length]))
    }

    /// Within a bucket every segment's bodies come in its own order; of each of its own buckets that
    /// reach into this one, one frame is open. A row that is out of order costs a frame more, never
    /// a wrong body.
    fn read_merged(&self, ranked: &[u32], sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut open = OpenFrames::default();
        for &index in ranked {
            let at = self.order[index as usize];
            let Part::Sealed(sealed) = &self.parts[at.part as usize] else {
                return Err(damaged("blocks and segments cannot be merged together"));
            };
            let rank = self.places[at.part as usize][at.row as usize];
            let (frame, first) = open.get(at.part, rank, || {
                let number = sealed.body_block(rank)?;
                let first = sealed.body_index()?[number].first_rank;
                let frame: Frame = sealed.frame(number)?;
                Ok((first..first + frame.len() as u32, frame))
            })?;
            sink(frame.body((rank - first) as usize)?)?;
        }
        Ok(())
    }
}

/// Frames that are open at once, at most. Each is a block of bodies in memory.
const OPEN_FRAMES: usize = 24;

/// The frames used last, each with its part and the ranks that it holds; the latest at the end.
struct OpenFrames<F>(Vec<(u32, Range<u32>, F)>);

impl<F> Default for OpenFrames<F> {
    fn default() -> OpenFrames<F> {
        OpenFrames(Vec::with_capacity(OPEN_FRAMES))
    }
}

impl<F> OpenFrames<F> {
    /// The frame of a part that holds `rank`, and the frame's first rank; `open` opens it.
    fn get(
        &mut self,
        part: u32,
        rank: u32,
        open: impl FnOnce() -> Result<(Range<u32>, F)>,
    ) -> Result<(&F, u32)> {
        let holds = |(of, ranks, _): &(u32, Range<u32>, F)| *of == part && ranks.contains(&rank);
        match self.0.iter().rposition(holds) {
            Some(at) => self.0[at..].rotate_left(1),
            None => {
                if self.0.len() == OPEN_FRAMES {
                    self.0.remove(0);
                }
                let (ranks, frame) = open()?;
                self.0.push((part, ranks, frame));
            }
        }
        let (_, ranks, frame) = self.0.last().expect("it was just put there");
        Ok((frame, ranks.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_alternate_between_buckets_of_one_part_open_each_frame_once() {
        let mut open = OpenFrames::default();
        let mut opened = 0;
        let mut get = |rank: u32| {
            let first = rank / 10 * 10;
            let (frame, start) = open
                .get(0, rank, || {
                    opened += 1;
                    Ok((first..first + 10, first))
                })
                .unwrap();
            assert_eq!((*frame, start), (first, first));
        };
        for step in 0..10 {
            for bucket in 0..OPEN_FRAMES as u32 {
                get(bucket * 10 + step);
            }
        }
        assert_eq!(opened, OPEN_FRAMES);
    }

    #[test]
    fn the_frame_that_was_not_used_for_longest_is_closed() {
        let mut open = OpenFrames::default();
        for part in 0..=OPEN_FRAMES as u32 {
            open.get(part, 0, || Ok((0..1, part))).unwrap();
            // Used all the time.
            open.get(0, 0, || Ok((0..1, 0))).unwrap();
        }
        assert_eq!(open.0.len(), OPEN_FRAMES);
        let parts: Vec<u32> = open.0.iter().map(|(part, ..)| *part).collect();
        assert!(parts.contains(&0) && !parts.contains(&1), "{parts:?}");
    }
}
