//! Writing the bodies of a sealed segment: clustered anew, or taken over in the blocks they are in.

use super::bodies::{self, BUCKET_ROWS, BodySource, ClusterKey, cluster_order};
use super::build::{RowAt, Writer, put_ints};
use super::codec::put_varint;
use super::layout::IntColumn;
use super::part::Part;
use super::sealed::{Piece, Sealed};
use crate::limits;
use crate::store::{Result, StoreError};

/// Writes all bodies, bucket by bucket, and where each row's body stands; how many blocks there are.
pub(crate) fn put_bodies(
    writer: &mut Writer,
    parts: &[Part],
    order: &[RowAt],
    keys: &[ClusterKey],
    level: i32,
) -> Result<u32> {
    let source = BodySource::new(parts, order)?;
    let mut ranks = vec![0i64; order.len()];
    let mut blocks = BodyWriter::new(writer, level)?;
    if let [Part::Sealed(sealed)] = parts
        && order.len() < parts[0].rows()
    {
        put_remaining(&mut blocks, sealed, &source, order, keys, &mut ranks)?;
        let (index, count) = (blocks.index, blocks.count);
        writer.piece("bodies", Piece::BodyIndex, 0, 0, &index)?;
        put_ints(writer, "numbers", IntColumn::Rank, &ranks)?;
        return Ok(count);
    }
    for bucket in bodies::buckets(parts, order) {
        let first_rank = bucket.rows.start as i64;
        if let Some(part) = bucket.copied_from {
            let Part::Sealed(sealed) = &parts[part] else {
                continue;
            };
            for row in bucket.rows {
                ranks[row] = first_rank + i64::from(source.place(order[row]));
            }
            blocks.copy(sealed)?;
            continue;
        }
        let ranked = cluster_order(bucket.rows, keys);
        for (rank, &row) in ranked.iter().enumerate() {
            ranks[row as usize] = first_rank + rank as i64;
        }
        source.read(&ranked, &mut |body| blocks.push(body))?;
        blocks.flush()?;
    }
    let (index, count) = (blocks.index, blocks.count);
    writer.piece("bodies", Piece::BodyIndex, 0, 0, &index)?;
    put_ints(writer, "numbers", IntColumn::Rank, &ranks)?;
    Ok(count)
}

/// Writes the bodies of a segment that lost rows: blocks that lost none are taken over as they are,
/// so that pruning costs what it removes and its surroundings, not the segment.
fn put_remaining(
    blocks: &mut BodyWriter<'_>,
    sealed: &Sealed,
    source: &BodySource<'_>,
    order: &[RowAt],
    keys: &[ClusterKey],
    ranks: &mut [i64],
) -> Result<()> {
    let index = sealed.body_index()?;
    let mut block_of = Vec::with_capacity(order.len());
    let mut left = vec![0; index.len()];
    for &at in order {
        let number = sealed.body_block(source.place(at))?;
        left[number] += 1;
        block_of.push(number);
    }
    let is_whole: Vec<bool> = left
        .iter()
        .zip(index.iter())
        .map(|(left, at)| *left == at.events)
        .collect();
    let rest: Vec<usize> = (0..order.len())
        .filter(|&row| !is_whole[block_of[row]])
        .collect();
    let mut next_rank = 0;
    for rows in rest.chunks(BUCKET_ROWS) {
        let ranked = cluster_order(rows.iter().copied(), keys);
        for &row in &ranked {
            ranks[row as usize] = next_rank;
            next_rank += 1;
        }
        source.read(&ranked, &mut |body| blocks.push(body))?;
        blocks.flush()?;
    }
    let mut firsts = vec![0; index.len()];
    for number in (0..index.len()).filter(|&number| is_whole[number]) {
        firsts[number] = next_rank;
        next_rank += i64::from(index[number].events);
        blocks.copy_block(sealed, number)?;
    }
    for (row, &number) in block_of
        .iter()
        .enumerate()
        .filter(|(_, number)| is_whole[**number])
    {
        let within = source.place(order[row]) - index[number].first_rank;
        ranks[row] = firsts[number] + i64::from(within);
    }
    Ok(())
}

/// Fills blocks of bodies and compresses them.
struct BodyWriter<'w> {
    writer: &'w mut Writer,
    compressor: zstd::bulk::Compressor<'static>,
    index: Vec<u8>,
    count: u32,
    events: u32,
    lengths: Vec<u8>,
    bodies: Vec<u8>,
}

impl<'w> BodyWriter<'w> {
    fn new(writer: &'w mut Writer, level: i32) -> Result<BodyWriter<'w>> {
        let compressor = zstd::bulk::Compressor::new(level)
            .map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
        Ok(BodyWriter {
            writer,
            compressor,
            index: Vec::new(),
            count: 0,
            events: 0,
            lengths: Vec::new(),
            bodies: Vec::new(),
        })
    }

    fn push(&mut self, body: &[u8]) -> Result<()> {
        if self.events > 0 && self.bodies.len() + body.len() > limits::BODY_BLOCK_BYTES {
            self.flush()?;
        }
        put_varint(&mut self.lengths, body.len() as u64);
        self.bodies.extend_from_slice(body);
        self.events += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.events == 0 {
            return Ok(());
        }
        self.lengths.extend_from_slice(&self.bodies);
        let compressed = self
            .compressor
            .compress(&self.lengths)
            .map_err(|error| StoreError::Io(format!("zstd: {error}")))?;
        let (events, size) = (self.events, self.lengths.len() as u32);
        self.put(events, size, &compressed)?;
        self.events = 0;
        self.lengths.clear();
        self.bodies.clear();
        Ok(())
    }

    /// Takes over all blocks of a segment.
    fn copy(&mut self, sealed: &Sealed) -> Result<()> {
        (0..sealed.body_index()?.len()).try_for_each(|number| self.copy_block(sealed, number))
    }

    fn copy_block(&mut self, sealed: &Sealed, number: usize) -> Result<()> {
        let at = &sealed.body_index()?[number];
        let (events, size) = (at.events, at.size);
        self.put(events, size, &sealed.compressed_frame(number)?)
    }

    fn put(&mut self, events: u32, size: u32, compressed: &[u8]) -> Result<()> {
        put_varint(&mut self.index, u64::from(events));
        put_varint(&mut self.index, u64::from(size));
        self.writer
            .piece("bodies", Piece::Body, 0, self.count, compressed)?;
        self.count += 1;
        Ok(())
    }
}
