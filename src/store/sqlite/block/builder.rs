//! Encoding a block from events.

use hashbrown::HashTable;

use super::{BODY_CLASSES, EncodedBlock, FORMAT_VERSION, class_of, hash};
use crate::limits;
use crate::model::event::{Event, TimeQuality};
use crate::store::Result;
use crate::store::sqlite::codec::{damaged, encode_chunk, put_varint};
use crate::store::sqlite::facts;
use crate::store::sqlite::layout::{self, FIRST_TEXT_COLUMNS, TEXT_COLUMNS, TextColumn};
use crate::store::sqlite::{lean, uri};

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

/// Collects rows for a block.
pub(crate) struct BlockBuilder {
    texts: Vec<Interner>,
    times: Vec<i64>,
    latencies: Vec<i64>,
    flags: Vec<i64>,
    audit_keys: Vec<[u8; 16]>,
    content_keys: Vec<[u8; 16]>,
    classes: Vec<u8>,
    /// Lean bodies in order of arrival, and where each ends.
    bodies: Vec<u8>,
    ends: Vec<usize>,
    raw_lengths: Vec<u32>,
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
            bodies: Vec::new(),
            ends: Vec::new(),
            raw_lengths: Vec::new(),
            uri: String::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether the block should be closed before it takes more.
    pub(crate) fn is_full(&self) -> bool {
        self.times.len() >= limits::CHUNK_ROWS || self.bodies.len() >= limits::BLOCK_BYTES
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
            let fact;
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
                _ => {
                    fact = facts::text(event, column);
                    fact.as_deref()
                }
            };
            self.texts[column as usize].push(text);
        }
        self.uri = stored_uri;
        self.times.push(time);
        self.latencies
            .push(layout::encode_latency(time, event.received_time));
        self.flags.push(facts::flags(event));
        self.audit_keys.push(audit_key);
        self.content_keys.push(content);

        let class = class_of(event.user.as_deref());
        let body = &mut self.bodies;
        if odd_id && event.spans.audit_id.is_some() {
            let mut spans = event.spans.clone();
            spans.audit_id = None;
            lean::strip(raw, &spans, body);
        } else {
            lean::strip(raw, &event.spans, body);
        }
        self.ends.push(body.len());
        self.classes.push(class as u8);
        self.raw_lengths.push(raw.len() as u32);
    }

    /// The lean body of the event that arrived so many after the first.
    fn body(&self, arrival: usize) -> &[u8] {
        let begin = arrival.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bodies[begin..self.ends[arrival]]
    }

    /// Encodes what was collected. The builder is used up.
    pub(crate) fn finish(self) -> Result<EncodedBlock> {
        let rows = self.times.len();
        let mut order: Vec<u32> = (0..rows as u32).collect();
        order.sort_by_key(|&arrival| self.times[arrival as usize]);

        let mut data = vec![FORMAT_VERSION];
        put_varint(&mut data, rows as u64);
        let mut values = Vec::with_capacity(rows);
        let (first, later) = self.texts.split_at(FIRST_TEXT_COLUMNS);
        for interner in first {
            put_strings(&mut data, interner);
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
        for class in 0..BODY_CLASSES as u8 {
            frame.clear();
            let of_class = || {
                let arrivals = self.classes.iter().enumerate();
                let of_class = arrivals.filter(|(_, is)| **is == class);
                of_class.map(|(arrival, _)| self.body(arrival))
            };
            let mut events = 0;
            for body in of_class() {
                put_varint(&mut frame, body.len() as u64);
                events += 1;
            }
            frame.reserve(of_class().map(<[u8]>::len).sum());
            of_class().for_each(|body| frame.extend_from_slice(body));
            put_varint(&mut data, events);
            put_varint(&mut data, frame.len() as u64);
            if events == 0 {
                put_varint(&mut data, 0);
                continue;
            }
            let compressed = compressor
                .compress(&frame)
                .map_err(|error| damaged(&format!("zstd: {error}")))?;
            put_varint(&mut data, compressed.len() as u64);
            bodies.extend_from_slice(&compressed);
        }
        for interner in later {
            put_strings(&mut data, interner);
            put_chunk(&mut data, &order, &mut values, |arrival| {
                interner.ids[arrival]
            });
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

fn put_strings(data: &mut Vec<u8>, interner: &Interner) {
    put_varint(data, interner.ends.len() as u64);
    let mut start = 0;
    for &end in &interner.ends {
        put_varint(data, u64::from(end - start));
        start = end;
    }
    data.extend_from_slice(&interner.bytes);
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
