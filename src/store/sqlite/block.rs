//! A block: up to 4,000 events of one batch, encoded once on the receiving thread.
//!
//! The same bytes are committed to the active segment, kept in memory for queries until the
//! segment is sealed, and read again after a restart. Rows stand in order of (time, arrival).

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;

use super::codec::{ChunkRef, Reader, chunk_bytes, damaged, encode_chunk, put_varint};
use super::layout::{self, IntColumn, TEXT_COLUMNS, TextColumn};
use super::lean;
use super::uri;
use crate::limits;
use crate::model::event::{Event, TimeQuality};
use crate::store::Result;

/// Bodies are compressed in this many groups, so that sealing, which orders bodies by resource and
/// verb, need not decompress everything for each part of its output.
pub(crate) const BODY_CLASSES: usize = 8;

const FORMAT_VERSION: u8 = 2;

/// An encoded block, not yet committed.
pub(crate) struct EncodedBlock {
    /// Columns and dictionaries, see [`Block::parse`].
    pub(crate) data: Vec<u8>,
    /// The same, zstd.
    pub(crate) packed: Vec<u8>,
    /// The identity of each row's content, in row order.
    pub(crate) keys: Vec<[u8; 16]>,
    /// The zstd frames of the body classes, one after the other.
    pub(crate) bodies: Vec<u8>,
}

/// Strings of one column, numbered from 1 in order of first appearance.
#[derive(Default)]
struct Interner {
    table: HashTable<u32>,
    bytes: Vec<u8>,
    ends: Vec<u32>,
    last: u32,
    ids: Vec<i64>,
}

impl Interner {
    fn get(&self, id: u32) -> &[u8] {
        let index = id as usize - 1;
        let start = if index == 0 {
            0
        } else {
            self.ends[index - 1] as usize
        };
        &self.bytes[start..self.ends[index] as usize]
    }

    fn push(&mut self, text: Option<&str>) {
        let Some(text) = text else {
            self.ids.push(0);
            return;
        };
        let text = text.as_bytes();
        // Neighbouring events mostly share their values.
        if self.last != 0 && self.get(self.last) == text {
            self.ids.push(i64::from(self.last));
            return;
        }
        let hash = hash(text);
        let found = self.table.find(hash, |&id| self.get(id) == text).copied();
        let id = found.unwrap_or_else(|| {
            self.bytes.extend_from_slice(text);
            self.ends.push(self.bytes.len() as u32);
            let id = self.ends.len() as u32;
            let (bytes, ends) = (&self.bytes, &self.ends);
            self.table.insert_unique(hash, id, |&id| {
                let index = id as usize - 1;
                let start = if index == 0 {
                    0
                } else {
                    ends[index - 1] as usize
                };
                self::hash(&bytes[start..ends[index] as usize])
            });
            id
        });
        self.last = id;
        self.ids.push(i64::from(id));
    }
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text);
    hasher.finish()
}

/// Collects rows for a block.
pub(crate) struct BlockBuilder {
    texts: Vec<Interner>,
    times: Vec<i64>,
    latencies: Vec<i64>,
    flags: Vec<i64>,
    audit_keys: Vec<[u8; 16]>,
    content_keys: Vec<[u8; 16]>,
    classes: Vec<u8>,
    bodies: [Vec<u8>; BODY_CLASSES],
    lengths: [Vec<u32>; BODY_CLASSES],
    raw_lengths: Vec<u32>,
    body_bytes: usize,
    /// Scratch space.
    uri: String,
}

impl BlockBuilder {
    pub(crate) fn new() -> BlockBuilder {
        BlockBuilder {
            texts: (0..TEXT_COLUMNS).map(|_| Interner::default()).collect(),
            times: Vec::new(),
            latencies: Vec::new(),
            flags: Vec::new(),
            audit_keys: Vec::new(),
            content_keys: Vec::new(),
            classes: Vec::new(),
            bodies: Default::default(),
            lengths: Default::default(),
            raw_lengths: Vec::new(),
            body_bytes: 0,
            uri: String::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether the block should be closed before it takes more.
    pub(crate) fn is_full(&self) -> bool {
        self.times.len() >= limits::CHUNK_ROWS || self.body_bytes >= limits::BLOCK_BYTES
    }

    /// Adds an event. `now` stands in for the time of an event that carries none.
    pub(crate) fn push(
        &mut self,
        cluster: &str,
        source: &str,
        event: &Event<'_>,
        raw: &[u8],
        content: [u8; 16],
        now: i64,
    ) {
        let time = event.time.unwrap_or(now);
        let (audit_key, odd_id) = layout::audit_key(&event.audit_id);
        let code = event.code.map(|code| code.to_string());
        let quality = match event.time_quality {
            TimeQuality::Stage => None,
            TimeQuality::Received => Some("received"),
            TimeQuality::Stored => Some("stored"),
        };
        let object = uri::Object {
            api_group: event.api_group.as_deref(),
            api_version: event.api_version.as_deref(),
            resource: event.resource.as_deref(),
            subresource: event.subresource.as_deref(),
            namespace: event.namespace.as_deref(),
            name: event.name.as_deref(),
        };
        let mut stored_uri = std::mem::take(&mut self.uri);
        if let Some(uri) = event.request_uri.as_deref() {
            uri::shorten(uri, &object, &mut stored_uri);
        }
        for &column in TextColumn::ALL {
            let text = match column {
                TextColumn::Cluster => Some(cluster),
                TextColumn::Source => Some(source),
                TextColumn::Stage => Some(&*event.stage),
                TextColumn::Level => Some(&*event.level),
                TextColumn::Verb => Some(&*event.verb),
                TextColumn::User => event.user.as_deref(),
                TextColumn::UserUid => event.user_uid.as_deref(),
                TextColumn::UserGroups => event.user_groups.as_deref(),
                TextColumn::ImpersonatedUser => event.impersonated_user.as_deref(),
                TextColumn::ImpersonatedGroups => event.impersonated_groups.as_deref(),
                TextColumn::SourceIps => event.source_ips.as_deref(),
                TextColumn::UserAgent => event.user_agent.as_deref(),
                TextColumn::RequestUri => event.request_uri.as_ref().map(|_| stored_uri.as_str()),
                TextColumn::ApiGroup => event.api_group.as_deref(),
                TextColumn::ApiVersion => event.api_version.as_deref(),
                TextColumn::Resource => event.resource.as_deref(),
                TextColumn::Subresource => event.subresource.as_deref(),
                TextColumn::Namespace => event.namespace.as_deref(),
                TextColumn::Name => event.name.as_deref(),
                TextColumn::Code => code.as_deref(),
                TextColumn::Reason => event.reason.as_deref(),
                TextColumn::Message => event.message.as_deref(),
                TextColumn::Outcome => Some(event.outcome.as_str()),
                TextColumn::Decision => event.decision.as_deref(),
                TextColumn::DecisionReason => event.decision_reason.as_deref(),
                TextColumn::FieldManager => event.field_manager.as_deref(),
                TextColumn::TimeQuality => quality,
                TextColumn::BodyQuality => event.body_quality,
                TextColumn::OddAuditId => odd_id.then_some(&*event.audit_id),
            };
            self.texts[column as usize].push(text);
        }
        self.uri = stored_uri;
        self.times.push(time);
        self.latencies
            .push(layout::encode_latency(time, event.received_time));
        let dry_run = if event.dry_run {
            layout::FLAG_DRY_RUN
        } else {
            0
        };
        let truncated = if event.truncated {
            layout::FLAG_TRUNCATED
        } else {
            0
        };
        self.flags.push(dry_run | truncated);
        self.audit_keys.push(audit_key);
        self.content_keys.push(content);

        let class = class_of(event.user.as_deref());
        let body = &mut self.bodies[class];
        let begin = body.len();
        if odd_id && event.spans.audit_id.is_some() {
            let mut spans = event.spans.clone();
            spans.audit_id = None;
            lean::strip(raw, &spans, body);
        } else {
            lean::strip(raw, &event.spans, body);
        }
        let length = body.len() - begin;
        self.lengths[class].push(length as u32);
        self.classes.push(class as u8);
        self.raw_lengths.push(raw.len() as u32);
        self.body_bytes += length;
    }

    /// Encodes what was collected. The builder is used up.
    pub(crate) fn finish(self) -> Result<EncodedBlock> {
        let rows = self.times.len();
        let mut order: Vec<u32> = (0..rows as u32).collect();
        order.sort_by_key(|&arrival| self.times[arrival as usize]);

        let mut data = vec![FORMAT_VERSION];
        put_varint(&mut data, rows as u64);
        let mut values = Vec::with_capacity(rows);
        for interner in &self.texts {
            put_varint(&mut data, interner.ends.len() as u64);
            let mut start = 0;
            for &end in &interner.ends {
                put_varint(&mut data, u64::from(end - start));
                start = end;
            }
            data.extend_from_slice(&interner.bytes);
            put_chunk(&mut data, &order, &mut values, |arrival| {
                interner.ids[arrival]
            });
        }
        put_chunk(&mut data, &order, &mut values, |arrival| {
            self.times[arrival]
        });
        put_chunk(&mut data, &order, &mut values, |arrival| {
            self.latencies[arrival]
        });
        put_chunk(&mut data, &order, &mut values, |arrival| arrival as i64);
        put_chunk(&mut data, &order, &mut values, |arrival| {
            self.flags[arrival]
        });

        let mut next_in_class = [0i64; BODY_CLASSES];
        let places: Vec<i64> = self
            .classes
            .iter()
            .map(|&class| {
                let index = &mut next_in_class[class as usize];
                let place = *index * BODY_CLASSES as i64 + i64::from(class);
                *index += 1;
                place
            })
            .collect();
        put_chunk(&mut data, &order, &mut values, |arrival| places[arrival]);
        put_chunk(&mut data, &order, &mut values, |arrival| {
            i64::from(self.raw_lengths[arrival])
        });
        for &arrival in &order {
            data.extend_from_slice(&self.audit_keys[arrival as usize]);
        }

        let mut bodies = Vec::new();
        let mut compressor = zstd::bulk::Compressor::new(limits::ACTIVE_ZSTD_LEVEL)
            .map_err(|error| damaged(&format!("zstd: {error}")))?;
        compressor
            .include_checksum(true)
            .map_err(|error| damaged(&format!("zstd: {error}")))?;
        let mut frame = Vec::new();
        for (lengths, body) in self.lengths.iter().zip(&self.bodies) {
            frame.clear();
            for &length in lengths {
                put_varint(&mut frame, u64::from(length));
            }
            let size = frame.len() + body.len();
            put_varint(&mut data, lengths.len() as u64);
            put_varint(&mut data, size as u64);
            if lengths.is_empty() {
                put_varint(&mut data, 0);
                continue;
            }
            frame.extend_from_slice(body);
            let compressed = compressor
                .compress(&frame)
                .map_err(|error| damaged(&format!("zstd: {error}")))?;
            put_varint(&mut data, compressed.len() as u64);
            bodies.extend_from_slice(&compressed);
        }
        let keys = order
            .iter()
            .map(|&arrival| self.content_keys[arrival as usize])
            .collect();
        let packed = compressor
            .compress(&data)
            .map_err(|error| damaged(&format!("zstd: {error}")))?;
        // It stays in memory until the segment is sealed.
        data.shrink_to_fit();
        Ok(EncodedBlock {
            data,
            packed,
            keys,
            bodies,
        })
    }
}

/// The class of a body: a function of the first column of the clustered order, so that events which
/// will stand together after sealing share a class.
pub(crate) fn class_of(user: Option<&str>) -> usize {
    (hash(user.unwrap_or_default().as_bytes()) >> 32) as usize % BODY_CLASSES
}

fn put_chunk(
    data: &mut Vec<u8>,
    order: &[u32],
    values: &mut Vec<i64>,
    value: impl Fn(usize) -> i64,
) {
    values.clear();
    values.extend(order.iter().map(|&arrival| value(arrival as usize)));
    let chunk = encode_chunk(values);
    data.extend_from_slice(&chunk.base.to_be_bytes());
    data.push(chunk.width);
    data.extend_from_slice(&chunk.data);
}

/// Where a chunk stands in the block's bytes.
#[derive(Debug, Clone, Copy)]
struct ChunkAt {
    base: i64,
    width: u8,
    start: usize,
}

/// Where one class of bodies stands in the block's compressed bodies.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameAt {
    pub(crate) events: usize,
    pub(crate) start: usize,
    pub(crate) compressed: usize,
    pub(crate) size: usize,
}

/// A committed block, readable in place.
pub(crate) struct Block {
    /// The id of the event that arrived first in it.
    pub(crate) first_id: i64,
    pub(crate) stored_time: i64,
    pub(crate) rows: usize,
    /// Rows that are duplicates of events stored before, by row number; sorted.
    pub(crate) dead: Vec<u32>,
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
    /// Bytes of the events that are not duplicates, as received.
    pub(crate) raw_bytes: u64,
    /// Events that are not duplicates and whose bodies the apiserver cut off.
    pub(crate) truncated: u64,
    data: Vec<u8>,
    texts: Vec<ChunkAt>,
    strings: Vec<Vec<u32>>,
    ints: [ChunkAt; 6],
    audit: usize,
    pub(crate) frames: [FrameAt; BODY_CLASSES],
}

impl Block {
    /// Bounds of the ids of the rows, inclusive.
    pub(crate) fn ids_between(&self) -> (i64, i64) {
        (self.first_id, self.first_id + self.rows as i64 - 1)
    }

    /// Reads the directory of an encoded block.
    pub(crate) fn parse(
        first_id: i64,
        stored_time: i64,
        dead: Vec<u32>,
        data: Vec<u8>,
    ) -> Result<Block> {
        let mut reader = Reader::new(&data);
        if reader.take(1)?[0] != FORMAT_VERSION {
            return Err(damaged("a block has an unknown format version"));
        }
        let rows = reader.size()?;
        if rows == 0 || rows > limits::CHUNK_ROWS {
            return Err(damaged("a block has an impossible number of rows"));
        }
        let mut texts = Vec::with_capacity(TEXT_COLUMNS);
        let mut strings = Vec::with_capacity(TEXT_COLUMNS);
        for _ in 0..TEXT_COLUMNS {
            let count = reader.size()?;
            let mut ends = Vec::with_capacity(count.min(rows) + 1);
            let mut total = 0u64;
            for _ in 0..count {
                total += reader.varint()?;
                ends.push(u32::try_from(total).map_err(|_| damaged("a dictionary is too large"))?);
            }
            let start = reader.position();
            reader.take(total as usize)?;
            let start = u32::try_from(start).map_err(|_| damaged("a block is too large"))?;
            ends.iter_mut().for_each(|end| *end += start);
            ends.insert(0, start);
            strings.push(ends);
            texts.push(chunk_at(&mut reader, rows)?);
        }
        let mut ints = [ChunkAt {
            base: 0,
            width: 0,
            start: 0,
        }; 6];
        for int in &mut ints {
            *int = chunk_at(&mut reader, rows)?;
        }
        let audit = reader.position();
        reader.take(rows * 16)?;
        let mut frames = [FrameAt::default(); BODY_CLASSES];
        let mut start = 0;
        for frame in &mut frames {
            let (events, size, compressed) = (reader.size()?, reader.size()?, reader.size()?);
            *frame = FrameAt {
                events,
                start,
                compressed,
                size,
            };
            start += compressed;
        }
        let mut block = Block {
            first_id,
            stored_time,
            rows,
            dead,
            oldest: 0,
            newest: 0,
            raw_bytes: 0,
            truncated: 0,
            data,
            texts,
            strings,
            ints,
            audit,
            frames,
        };
        block.oldest = block.chunk(block.ints[0]).get(0)?;
        block.newest = block.chunk(block.ints[0]).get(rows - 1)?;
        block.count_live()?;
        Ok(block)
    }

    fn chunk(&self, at: ChunkAt) -> ChunkRef<'_> {
        let end = at.start + chunk_bytes(self.rows, at.width);
        ChunkRef {
            base: at.base,
            width: at.width,
            data: &self.data[at.start..end],
        }
    }

    /// Events that are not duplicates.
    pub(crate) fn live(&self) -> usize {
        self.rows - self.dead.len()
    }

    /// Events before an instant that are not duplicates.
    pub(crate) fn live_before(&self, instant: i64) -> Result<u64> {
        let mut times = Vec::new();
        self.ints(IntColumn::Time, &mut times)?;
        let rows = times.partition_point(|&time| time < instant);
        let dead = self
            .dead
            .iter()
            .filter(|&&row| (row as usize) < rows)
            .count();
        Ok((rows - dead) as u64)
    }

    pub(crate) fn text_chunk(&self, column: TextColumn) -> ChunkRef<'_> {
        self.chunk(self.texts[column as usize])
    }

    fn int_index(column: IntColumn) -> usize {
        match column {
            IntColumn::Time => 0,
            IntColumn::Latency => 1,
            IntColumn::Id => 2,
            IntColumn::Flags => 3,
            IntColumn::Rank => 4,
            IntColumn::StoredTime => unreachable!("rows of a block share one stored time"),
        }
    }

    /// Numbers of a column. `Id` and `StoredTime` are given as in a segment; `Rank` is the place
    /// of the body: class plus [`BODY_CLASSES`] times the index within the class.
    pub(crate) fn ints(&self, column: IntColumn, out: &mut Vec<i64>) -> Result<()> {
        if column == IntColumn::StoredTime {
            out.clear();
            out.resize(self.rows, self.stored_time);
            return Ok(());
        }
        self.chunk(self.ints[Self::int_index(column)])
            .decode(self.rows, out)?;
        if column == IntColumn::Id {
            out.iter_mut().for_each(|arrival| *arrival += self.first_id);
        }
        Ok(())
    }

    /// One number of a column other than `StoredTime`, as [`Block::ints`] gives it.
    pub(crate) fn int(&self, column: IntColumn, row: usize) -> Result<i64> {
        let value = self.chunk(self.ints[Self::int_index(column)]).get(row)?;
        Ok(if column == IntColumn::Id {
            value + self.first_id
        } else {
            value
        })
    }

    /// Marks rows as duplicates.
    pub(crate) fn set_dead(&mut self, dead: Vec<u32>) -> Result<()> {
        self.dead = dead;
        self.count_live()
    }

    fn count_live(&mut self) -> Result<()> {
        let mut lengths = Vec::new();
        self.raw_lengths(&mut lengths)?;
        for &row in &self.dead {
            let length = lengths.get_mut(row as usize);
            *length.ok_or_else(|| damaged("a duplicate's row is out of range"))? = 0;
        }
        self.raw_bytes = lengths.iter().sum::<i64>() as u64;
        let mut flags = Vec::new();
        self.ints(IntColumn::Flags, &mut flags)?;
        for &row in &self.dead {
            flags[row as usize] = 0;
        }
        let is_cut = |flags: &&i64| **flags & layout::FLAG_TRUNCATED != 0;
        self.truncated = flags.iter().filter(is_cut).count() as u64;
        Ok(())
    }

    /// Bytes of each row's event as received.
    pub(crate) fn raw_lengths(&self, out: &mut Vec<i64>) -> Result<()> {
        self.chunk(self.ints[5]).decode(self.rows, out)
    }

    pub(crate) fn strings(&self, column: TextColumn) -> usize {
        self.strings[column as usize].len() - 1
    }

    /// The string with an id (from 1).
    pub(crate) fn string(&self, column: TextColumn, id: u32) -> Result<&str> {
        let ends = &self.strings[column as usize];
        let index = id as usize;
        if index == 0 || index >= ends.len() {
            return Err(damaged("a dictionary id is out of range"));
        }
        let bytes = &self.data[ends[index - 1] as usize..ends[index] as usize];
        std::str::from_utf8(bytes).map_err(|_| damaged("a dictionary string is not UTF-8"))
    }

    /// The stored bytes of a row's audit id.
    pub(crate) fn audit_key(&self, row: usize) -> [u8; 16] {
        let start = self.audit + row * 16;
        self.data[start..start + 16]
            .try_into()
            .expect("the slice has 16 bytes")
    }
}

fn chunk_at(reader: &mut Reader<'_>, rows: usize) -> Result<ChunkAt> {
    let base = reader.i64()?;
    let width = reader.take(1)?[0];
    if width > 16 {
        return Err(damaged("a column is too wide"));
    }
    let start = reader.position();
    reader.take(chunk_bytes(rows, width))?;
    Ok(ChunkAt { base, width, start })
}

/// The lean bodies of one frame, in order.
pub(crate) struct Frame {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frame {
    /// A frame without bodies.
    pub(crate) fn empty() -> Frame {
        Frame {
            bytes: Vec::new(),
            ends: vec![0],
        }
    }

    /// Decompresses `compressed`, `events` bodies in `size` bytes.
    pub(crate) fn unpack(compressed: &[u8], events: usize, size: usize) -> Result<Frame> {
        let bytes = zstd::bulk::decompress(compressed, size)
            .map_err(|error| damaged(&format!("bodies do not decompress: {error}")))?;
        let mut reader = Reader::new(&bytes);
        let mut ends = Vec::with_capacity(events + 1);
        let mut total = 0usize;
        for _ in 0..events {
            total = total
                .checked_add(reader.size()?)
                .ok_or_else(|| damaged("a body is too long"))?;
            ends.push(total);
        }
        let start = reader.position();
        if bytes.len() != size || total != size - start {
            return Err(damaged("bodies have the wrong size"));
        }
        ends.iter_mut().for_each(|end| *end += start);
        ends.insert(0, start);
        Ok(Frame { bytes, ends })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// All lean bodies as one slice.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.ends[0]..]
    }

    /// The index of the body that holds an offset of [`Frame::bytes`].
    pub(crate) fn index_at(&self, offset: usize) -> usize {
        self.ends
            .partition_point(|&end| end <= offset + self.ends[0])
            - 1
    }

    /// The offset in [`Frame::bytes`] behind a body.
    pub(crate) fn offset_after(&self, index: usize) -> usize {
        self.ends[index + 1] - self.ends[0]
    }

    pub(crate) fn body(&self, index: usize) -> Result<&[u8]> {
        let (Some(&start), Some(&end)) = (self.ends.get(index), self.ends.get(index + 1)) else {
            return Err(damaged("a body is missing from its block"));
        };
        Ok(&self.bytes[start..end])
    }
}
