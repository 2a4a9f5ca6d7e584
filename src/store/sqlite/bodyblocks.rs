//! The bodies of a new segment: bucket by bucket, clustered and compressed, or taken over.

use std::num::NonZeroU32;

use super::block::Frame;
use super::bodies::{self, BodyAt, Division, Users};
use super::codec::{damaged, put_varint};
use super::layout::{IntColumn, TextColumn};
use super::lean;
use super::ngrams::{Groups, Ngrams};
use super::order::{Columns, Order};
use super::part::Part;
use super::sealed::{Lengths, Piece, Sealed};
use super::segfile::{NumberChunks, SegmentFile};
use crate::limits;
use crate::store::{Result, StoreError};

/// Writes all bodies and where each row's body stands; how many blocks there are, which of them have
/// an index of n-grams, and how long the events are, which is for the caller to write. The text
/// columns are in the file already.
pub(crate) fn put_bodies(
    file: &mut SegmentFile,
    parts: &[Part],
    order: &Order,
    users: &Users,
    level: i32,
    pause: &dyn Fn() -> Result<()>,
) -> Result<(u32, Option<Groups>, Lengths)> {
    let division = Division::new(parts, order, level);
    let mut blocks = BodyBlocks::new(level)?;
    let mut taken: Vec<(u32, usize)> = (0..parts.len())
        .filter_map(|part| Some((division.taken[part]?, part)))
        .collect();
    taken.sort_unstable();
    for (_, part) in taken {
        if let Part::Sealed(sealed) = &parts[part] {
            blocks.take_over(file, sealed, pause)?;
        }
    }
    // Of the rows that are clustered anew, in order of rows.
    let mut new_ranks: Vec<u32> = Vec::with_capacity(order.len() - division.taken_rows);
    let mut bucket = Bucket::default();
    let mut places = Columns::ints(parts, IntColumn::Rank);
    let mut lengths = Columns::ints(parts, IntColumn::RawBytes);
    for (row, at) in order.iter().enumerate() {
        if division.taken[at.part as usize].is_some() {
            continue;
        }
        // A sealed file keeps lengths in the order of bodies: there the body itself tells sooner.
        let event_bytes = match parts[at.part as usize] {
            Part::Block(..) => NonZeroU32::new(lengths.get(at)? as u32),
            Part::Sealed(_) => None,
        };
        bucket.rows.push(row as u32);
        bucket.bodies.push(BodyAt {
            part: at.part,
            rank: places.get(at)? as u32,
            user: 0,
            event_bytes,
        });
        if bucket.rows.len() == division.bucket_rows {
            let first_rank = (division.taken_rows + new_ranks.len()) as u32;
            let held = order.bytes() + new_ranks.capacity() * 4 + blocks.event_lengths.bytes();
            file.holds(held + users.bytes() + bucket.rows.len() * 60);
            let ranks = bucket.put(file, parts, (order.len(), users), &mut blocks, pause)?;
            new_ranks.extend(ranks.into_iter().map(|rank| first_rank + rank));
        }
    }
    let first_rank = (division.taken_rows + new_ranks.len()) as u32;
    let ranks = bucket.put(file, parts, (order.len(), users), &mut blocks, pause)?;
    new_ranks.extend(ranks.into_iter().map(|rank| first_rank + rank));
    file.piece("bodies", Piece::BodyIndex, 0, 0, &blocks.index)?;

    let mut new_ranks = new_ranks.into_iter();
    let mut chunks = NumberChunks::new("numbers", IntColumn::Rank as u8);
    for at in order.iter() {
        let rank = match division.taken[at.part as usize] {
            Some(first) => i64::from(first) + places.get(at)?,
            None => i64::from(new_ranks.next().expect("every other row was in a bucket")),
        };
        chunks.push(file, rank)?;
    }
    chunks.finish(file)?;
    let groups = blocks.ngrams.finish(file, blocks.count)?;
    Ok((blocks.count, Some(groups), blocks.event_lengths))
}

/// Rows that are clustered among themselves.
#[derive(Default)]
struct Bucket {
    /// Row numbers of the new segment, ascending, and where their bodies are.
    rows: Vec<u32>,
    bodies: Vec<BodyAt>,
}

impl Bucket {
    /// Writes the bodies; the place of each row's body in the bucket, in order of rows. Empties it.
    fn put(
        &mut self,
        file: &mut SegmentFile,
        parts: &[Part],
        (segment_rows, users): (usize, &Users),
        blocks: &mut BodyBlocks,
        pause: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<u32>> {
        let (ranked, of_rows) = bodies::cluster_order(file, &self.rows, segment_rows, users)?;
        let mut ranks = vec![0u32; ranked.len()];
        for (rank, &index) in ranked.iter().enumerate() {
            ranks[index as usize] = rank as u32;
        }
        let clustered: Vec<BodyAt> = ranked
            .iter()
            .map(|&index| BodyAt {
                user: of_rows[index as usize],
                ..self.bodies[index as usize]
            })
            .collect();
        drop((ranked, of_rows));
        self.rows.clear();
        self.bodies.clear();
        bodies::read(parts, &clustered, &mut |at, body| {
            if blocks.push(file, body, users.name(at.user), at.event_bytes)? {
                pause()?;
            }
            Ok(())
        })?;
        blocks.flush(file)?;
        Ok(ranks)
    }
}

/// Bytes kept free before the bodies of a block for their lengths.
const LENGTHS_ROOM: usize = 16 << 10;

/// Fills blocks of bodies and compresses them.
struct BodyBlocks {
    compressor: zstd::bulk::Compressor<'static>,
    index: Vec<u8>,
    count: u32,
    events: u32,
    lengths: Vec<u8>,
    /// Room for the lengths, then the bodies of the open block.
    bodies: Vec<u8>,
    /// Where the last body of `bodies` begins.
    last: usize,
    event_lengths: Lengths,
    ngrams: Ngrams,
}

impl BodyBlocks {
    fn new(level: i32) -> Result<BodyBlocks> {
        let compressor = zstd::bulk::Compressor::new(level)
            .map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
        Ok(BodyBlocks {
            compressor,
            index: Vec::new(),
            count: 0,
            events: 0,
            lengths: Vec::new(),
            bodies: vec![0; LENGTHS_ROOM],
            last: LENGTHS_ROOM,
            event_lengths: Lengths::default(),
            ngrams: Ngrams::new(level)?,
        })
    }

    /// Adds a body; true when a block was full and written before.
    fn push(
        &mut self,
        file: &mut SegmentFile,
        body: &[u8],
        user: &str,
        event_bytes: Option<NonZeroU32>,
    ) -> Result<bool> {
        let held = self.bodies.len() - LENGTHS_ROOM;
        let full = self.events > 0 && held + body.len() > limits::BODY_BLOCK_BYTES;
        if full {
            self.flush(file)?;
        }
        let event_bytes =
            event_bytes.map_or_else(|| lean::restored_length(body) as u32, NonZeroU32::get);
        self.event_lengths.push(event_bytes)?;
        self.ngrams.add(body, user, &self.bodies[self.last..]);
        put_varint(&mut self.lengths, body.len() as u64);
        self.last = self.bodies.len();
        self.bodies.extend_from_slice(body);
        self.events += 1;
        Ok(full)
    }

    fn flush(&mut self, file: &mut SegmentFile) -> Result<()> {
        if self.events == 0 {
            return Ok(());
        }
        // The lengths stand before the bodies without moving these, unless events are tiny.
        let begin = LENGTHS_ROOM.saturating_sub(self.lengths.len());
        self.bodies
            .splice(begin..LENGTHS_ROOM, self.lengths.drain(..));
        let frame = &self.bodies[begin..];
        let compressed = self
            .compressor
            .compress(frame)
            .map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
        let (events, size) = (self.events, frame.len() as u32);
        self.put(file, events, size, &compressed)?;
        self.ngrams.end_block(file, self.count - 1)?;
        self.events = 0;
        self.bodies.truncate(LENGTHS_ROOM);
        self.last = LENGTHS_ROOM;
        Ok(())
    }

    /// Takes over all blocks of a segment.
    fn take_over(
        &mut self,
        file: &mut SegmentFile,
        sealed: &Sealed,
        pause: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let first = self.count;
        let (indexed, measured) = (
            sealed.header.ngrams_but_users.as_ref(),
            sealed.stores_facts(),
        );
        let users = match indexed {
            Some(_) => Vec::new(),
            None => users_by_rank(sealed)?,
        };
        for (number, at) in sealed.body_index()?.iter().enumerate() {
            pause()?;
            let compressed = sealed.compressed_frame(number)?;
            self.put(file, at.events, at.size, &compressed)?;
            if indexed.is_some() && measured {
                continue;
            }
            let frame = Frame::unpack(&compressed, at.events as usize, at.size as usize)?;
            let mut before: &[u8] = &[];
            for index in 0..frame.len() {
                let body = frame.body(index)?;
                if !measured {
                    self.event_lengths
                        .push(lean::restored_length(body) as u32)?;
                }
                if indexed.is_none() {
                    let user = match users[at.first_rank as usize + index] {
                        0 => "",
                        id => sealed.string(TextColumn::User, id)?,
                    };
                    self.ngrams.add(body, user, before);
                }
                before = body;
            }
            if indexed.is_none() {
                self.ngrams.end_block(file, self.count - 1)?;
            }
        }
        if let Some(groups) = indexed {
            self.ngrams.take_over(file, sealed, groups, first)?;
        }
        if measured {
            sealed.each_lengths(&mut |lengths| {
                lengths
                    .iter()
                    .try_for_each(|&length| self.event_lengths.push(length))
            })?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        file: &mut SegmentFile,
        events: u32,
        size: u32,
        compressed: &[u8],
    ) -> Result<()> {
        put_varint(&mut self.index, u64::from(events));
        put_varint(&mut self.index, u64::from(size));
        file.piece("bodies", Piece::Body, 0, self.count, compressed)?;
        self.count += 1;
        Ok(())
    }
}

/// The string ids of users, in the order of bodies.
fn users_by_rank(sealed: &Sealed) -> Result<Vec<u32>> {
    let mut users = vec![0; sealed.header.rows as usize];
    let (mut ids, mut ranks) = (Vec::new(), Vec::new());
    for chunk in 0..sealed.chunks() {
        sealed.ids(TextColumn::User, chunk, &mut ids)?;
        sealed.ints(IntColumn::Rank, chunk, &mut ranks)?;
        for (&id, &rank) in ids.iter().zip(&ranks) {
            let user = users.get_mut(rank as usize);
            *user.ok_or_else(|| damaged("a body's place is out of range"))? = id;
        }
    }
    Ok(users)
}
