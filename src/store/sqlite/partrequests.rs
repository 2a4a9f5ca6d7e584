//! What one part says of requests that count once: its matching events with what tells them to be of one
//! request, or only those that another part may have the end for ([`super::countrequests`]).

use super::countpart::PartCount;
use super::facts;
use super::layout::{IntColumn, TextColumn, decode_latency};
use super::measures::Measured;
use super::part::Part;
use super::partscan::{Direction, PartScan};
use super::stages;
use super::tally::{Groups, begin};
use super::unended;
use super::uricolumns::UriColumns;
use crate::model::column::Column;
use crate::store::filter::{Pattern, Test};
use crate::store::{Result, Work};

/// What an event has in common with the others of its request, but for its texts: audit id, whether
/// that is an odd one, and received time.
pub(crate) type Key = ([u8; 16], bool, i64);

/// Of an event: the ids of cluster, user and what its URI is made of.
pub(crate) type Ids = [u32; 9];

/// The matching events of one part, each as a group of its own.
pub(crate) struct Events {
    pub(crate) groups: Groups,
    pub(crate) requests: Vec<Option<(Key, Ids)>>,
    /// How far each has got.
    pub(crate) places: Vec<u8>,
    /// When each was, in microseconds, and its event's id: which of several starts is the last.
    pub(crate) moments: Vec<(i64, i64)>,
}

/// Bytes of an event beside those of its group, about.
const EVENT_BYTES: usize = size_of::<Option<(Key, Ids)>>() + size_of::<(i64, i64)>() + 1;

impl Events {
    /// Counts the memory that they take now.
    fn charge(&mut self) -> Result<()> {
        let bytes = self.groups.bytes() + self.requests.capacity() * EVENT_BYTES;
        self.groups.held.set(bytes)
    }
}

/// What a part says of requests.
pub(crate) struct Once {
    /// The groups of events that end requests, where these need not be held against others.
    pub(crate) ends: Option<Groups>,
    pub(crate) events: Events,
}

impl PartCount<'_> {
    /// The requests of which a part has events.
    pub(crate) fn requests(&self, part: &Part, work: &mut Work) -> Result<Once> {
        if !self.tells_ends(part)? {
            let events = self.events(part, None, work)?;
            return Ok(Once { ends: None, events });
        }
        let ends = self.of_ends(|counting| counting.count(part, work))?;
        let listed = match part {
            Part::Sealed(sealed) => sealed.unended()?,
            Part::Block(..) => Vec::new(),
        };
        let events = self.events(part, Some(&listed), work)?;
        let ends = Some(ends);
        Ok(Once { ends, events })
    }

    /// Whether the part lists all matching events of earlier stages that no matching end of a request
    /// follows in it. What is measured is that of all events of a request, so that all are read.
    fn tells_ends(&self, part: &Part) -> Result<bool> {
        let Part::Sealed(sealed) = part else {
            return Ok(false);
        };
        let filter = &self.query.filter;
        let Some(unended) = sealed.header.unended.as_ref() else {
            return Ok(false);
        };
        let in_range = filter.until.is_none_or(|until| until > part.newest())
            && (unended.in_order || filter.since.is_none_or(|since| since <= part.oldest()));
        if self.measures.any() || !in_range {
            return Ok(false);
        }
        let mut ends = Vec::new();
        for stage in stages::ENDS {
            ends.extend(part.find(TextColumn::Stage, stage)?.map(|_| stage));
        }
        Ok(unended::holds_for_ends(filter, &ends, unended.later))
    }

    /// Looks for ends of requests only.
    pub(crate) fn of_ends<T>(&self, count: impl FnOnce(&PartCount<'_>) -> T) -> T {
        let mut query = self.query.clone();
        let ends = stages::ENDS.map(|stage| Pattern::Is(stage.to_owned()));
        query.filter.push(Test::Text {
            column: Column::Stage,
            any: ends.into(),
        });
        count(&PartCount {
            query: &query,
            ..*self
        })
    }

    /// The matching events of a part, or those of some rows of it, ascending.
    pub(crate) fn events(
        &self,
        part: &Part,
        among: Option<&[u32]>,
        work: &mut Work,
    ) -> Result<Events> {
        let keys = &self.stored.columns;
        let mut events = Events {
            groups: self.new_groups(),
            requests: Vec::new(),
            places: Vec::new(),
            moments: Vec::new(),
        };
        if among.is_some_and(<[u32]>::is_empty) {
            return Ok(events);
        }
        if keys.iter().any(|key| key.is_fact()) || self.measures.raw_bytes {
            facts::ensure(part, self.budget, work)?;
        }
        let (filter, deriver) = (&self.query.filter, &self.snapshot.deriver);
        let order = Direction::Ascending;
        let scan = PartScan::new(part.clone(), filter, order, deriver, self.budget, work)?;
        let Some(mut scan) = scan else {
            return Ok(events);
        };
        if let Some(among) = among {
            scan.leave(among);
        }
        let places = places(part)?;
        let mut rows = Vec::new();
        let mut read = Chunk::default();
        while scan.next_rows(&mut rows, self.budget, work)? {
            events.charge()?;
            let Some(&first) = rows.first() else { continue };
            let (chunk, base) = part.chunk_of(first);
            read.load(part, chunk, self.measures.raw_bytes)?;
            rows.iter_mut().for_each(|row| *row -= base);
            for (key, column) in keys.iter().zip(&mut events.groups.columns) {
                key.ids(part, (chunk, &rows), &mut read.flags, &mut read.ids)?;
                column.extend(rows.iter().map(|&row| read.ids[row as usize]));
            }
            for &row in &rows {
                let row = row as usize;
                let (time, latency) = (read.times[row], decode_latency(read.latencies[row]));
                events.requests.push(read.request(row));
                events.places.push(places[read.stages[row] as usize]);
                events.moments.push((time, read.event_ids[row]));
                events.groups.counts.push(1);
                let bucket = self.query.step.map_or(0, |step| begin(time, step));
                events.groups.buckets.push(bucket);
                events.groups.measured.push(Measured {
                    first: time,
                    last: time,
                    raw_bytes: read.lengths.get(row).map_or(0, |&length| length as u64),
                    latency: latency.unwrap_or_default(),
                    timed: u64::from(latency.is_some()),
                });
            }
        }
        Ok(events)
    }
}

/// The place of each stage, by its string's id.
fn places(part: &Part) -> Result<Vec<u8>> {
    let place = |id| Ok(stages::place(Some(part.string(TextColumn::Stage, id)?)));
    let ids = 1..=part.strings(TextColumn::Stage);
    std::iter::once(Ok(stages::place(None)))
        .chain(ids.map(place))
        .collect()
}

/// What is read of a chunk.
#[derive(Default)]
struct Chunk {
    uris: UriColumns,
    clusters: Vec<u32>,
    users: Vec<u32>,
    odd: Vec<u32>,
    stages: Vec<u32>,
    audit: Vec<[u8; 16]>,
    times: Vec<i64>,
    event_ids: Vec<i64>,
    latencies: Vec<i64>,
    lengths: Vec<i64>,
    /// For the columns that are counted by.
    ids: Vec<u32>,
    flags: Vec<i64>,
}

impl Chunk {
    fn load(&mut self, part: &Part, chunk: u32, lengths: bool) -> Result<()> {
        self.uris.load(part, chunk)?;
        part.ids(TextColumn::Cluster, chunk, &mut self.clusters)?;
        part.ids(TextColumn::User, chunk, &mut self.users)?;
        part.ids(TextColumn::OddAuditId, chunk, &mut self.odd)?;
        part.ids(TextColumn::Stage, chunk, &mut self.stages)?;
        part.audit_keys(chunk, &mut self.audit)?;
        part.ints(IntColumn::Time, chunk, &mut self.times)?;
        part.ints(IntColumn::Id, chunk, &mut self.event_ids)?;
        part.ints(IntColumn::Latency, chunk, &mut self.latencies)?;
        if lengths {
            part.ints(IntColumn::RawBytes, chunk, &mut self.lengths)?;
        }
        Ok(())
    }

    /// What a row has in common with the others of its request; `None` when it lacks some of it.
    fn request(&self, row: usize) -> Option<(Key, Ids)> {
        let received = self.times[row].wrapping_sub(decode_latency(self.latencies[row])?);
        let [stored, object @ ..] = self.uris.ids(row);
        let (cluster, user) = (self.clusters[row], self.users[row]);
        if cluster == 0 || user == 0 || stored == 0 {
            return None;
        }
        let [group, version, resource, subresource, namespace, name] = object;
        let key = (self.audit[row], self.odd[row] != 0, received);
        let ids = [
            cluster,
            user,
            stored,
            group,
            version,
            resource,
            subresource,
            namespace,
            name,
        ];
        Some((key, ids))
    }
}

/// The texts that ids stand for.
pub(crate) fn texts(part: &Part, ids: &Ids) -> Result<[String; 3]> {
    let [cluster, user, stored, object @ ..] = *ids;
    let stored = part.string(TextColumn::RequestUri, stored)?;
    let mut uri = String::new();
    UriColumns::restore_from(part, stored, object, &mut uri)?;
    let text = |column, id| part.string(column, id).map(str::to_owned);
    Ok([
        text(TextColumn::Cluster, cluster)?,
        text(TextColumn::User, user)?,
        uri,
    ])
}
