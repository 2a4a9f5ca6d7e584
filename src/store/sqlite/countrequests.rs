//! Counting each request once, by the last of those of its events that match: what is asked of calls
//! whose stages are all recorded (sessions, watches), and says what came of each. Several at the last
//! place each count ([`super::stages`]).
//!
//! Events are of one request as in the table `requests`: they agree in cluster, audit id, user, URI and
//! received time, and have all of these. Within a part string ids say so; texts are read only where
//! ids differ, or events lie in different parts.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

use rustc_hash::FxHasher;

use super::countkeys::Stored;
use super::countpart::PartCount;
use super::facts;
use super::layout::{IntColumn, TextColumn, decode_latency};
use super::part::Part;
use super::partscan::{Direction, PartScan};
use super::stages;
use super::tally::{Groups, Measured, begin};
use super::uricolumns::UriColumns;
use crate::limits::COUNT_GROUPS_MAX;
use crate::store::{CountQuery, Result, StoreError, Work};

/// What an event has in common with the others of its request, but for its texts: audit id, whether
/// that is an odd one, and received time.
type Key = ([u8; 16], bool, i64);

/// Of an event: the ids of cluster, user and what its URI is made of.
type Ids = [u32; 9];

/// The matching events of one part, each as a group of its own.
pub(crate) struct Events {
    groups: Groups,
    requests: Vec<Option<(Key, Ids)>>,
    /// How far each has got.
    places: Vec<u8>,
}

impl PartCount<'_> {
    /// The matching events of a part.
    pub(crate) fn events(&self, part: &Part, work: &mut Work) -> Result<Events> {
        let keys = &self.stored.columns;
        if keys.iter().any(|key| key.is_fact()) || self.measures.raw_bytes {
            facts::ensure(part, self.budget, work)?;
        }
        let mut events = Events {
            groups: Groups::new(keys.len()),
            requests: Vec::new(),
            places: Vec::new(),
        };
        let (filter, deriver) = (&self.query.filter, &self.snapshot.deriver);
        let order = Direction::Ascending;
        let scan = PartScan::new(part.clone(), filter, order, deriver, self.budget, work)?;
        let Some(mut scan) = scan else {
            return Ok(events);
        };
        let places = places(part)?;
        let mut rows = Vec::new();
        let mut read = Chunk::default();
        while scan.next_rows(&mut rows, self.budget, work)? {
            let Some(&first) = rows.first() else { continue };
            let (chunk, base) = part.chunk_of(first);
            read.load(part, chunk, self.measures.raw_bytes)?;
            rows.iter_mut().for_each(|row| *row -= base);
            for (key, column) in keys.iter().zip(&mut events.groups.columns) {
                key.ids(part, chunk, &mut read.flags, &mut read.ids)?;
                column.extend(rows.iter().map(|&row| read.ids[row as usize]));
            }
            for &row in &rows {
                let row = row as usize;
                let (time, latency) = (read.times[row], decode_latency(read.latencies[row]));
                events.requests.push(read.request(row));
                events.places.push(places[read.stages[row] as usize]);
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
fn texts(part: &Part, ids: &Ids) -> Result<[String; 3]> {
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

/// Requests of which events were seen, each a group.
pub(crate) struct Requests<'a> {
    query: &'a CountQuery,
    parts: Vec<Part>,
    /// By what tells most requests apart, their numbers.
    known: HashMap<Key, Vec<u32>, BuildHasherDefault<FxHasher>>,
    /// By number: the part of the first event and its ids.
    firsts: Vec<(usize, Ids)>,
    places: Vec<u8>,
    groups: Groups,
    /// By request: those that stand for others of its events at the same place, rarely any.
    others: HashMap<usize, Vec<usize>, BuildHasherDefault<FxHasher>>,
    /// Those of which a later event was seen.
    passed: HashSet<usize, BuildHasherDefault<FxHasher>>,
}

impl<'a> Requests<'a> {
    pub(crate) fn new(query: &'a CountQuery, stored: &Stored) -> Requests<'a> {
        let mut groups = Groups::new(query.by.len());
        groups.shares = vec![Vec::new(); stored.shared.shares.len()];
        Requests {
            query,
            parts: Vec::new(),
            known: HashMap::default(),
            firsts: Vec::new(),
            places: Vec::new(),
            groups,
            others: HashMap::default(),
            passed: HashSet::default(),
        }
    }

    /// Adds a part's events. `translate` gives groups with the ids of texts over all parts.
    pub(crate) fn add(
        &mut self,
        part: Part,
        events: Events,
        translate: impl FnOnce(&Part, Groups) -> Result<Groups>,
    ) -> Result<()> {
        let groups = translate(&part, events.groups)?;
        self.parts.push(part);
        for (row, request) in events.requests.iter().enumerate() {
            let at = match request {
                Some((key, ids)) => self.find(key, ids)?,
                None => self.firsts.len(),
            };
            let place = events.places[row];
            let next = self.firsts.len();
            let other = at < next && self.places[at] == place;
            if other {
                self.others.entry(at).or_default().push(next);
            }
            if other || at == next {
                if next == COUNT_GROUPS_MAX {
                    return Err(StoreError::LimitReached(format!(
                        "more than {COUNT_GROUPS_MAX} requests are too many to count each once; narrow the filter"
                    )));
                }
                let ids = request.map_or([0; 9], |(_, ids)| ids);
                self.firsts.push((self.parts.len() - 1, ids));
                self.places.push(place);
                self.groups.push(&groups, row);
            } else {
                self.groups.measured[at].add(&groups.measured[row]);
                if place > self.places[at] {
                    self.places[at] = place;
                    self.groups.put(at, &groups, row);
                    for other in self.others.remove(&at).unwrap_or_default() {
                        let measured = self.groups.measured[other];
                        self.groups.measured[at].add(&measured);
                        self.passed.insert(other);
                    }
                }
            }
        }
        Ok(())
    }

    /// The number of a request, the next one if it is new.
    fn find(&mut self, key: &Key, ids: &Ids) -> Result<usize> {
        let next = self.firsts.len();
        let this = self.parts.len() - 1;
        let known = self.known.entry(*key).or_default();
        let mut own = None;
        for &number in &*known {
            let (part, others) = &self.firsts[number as usize];
            if *part == this && others == ids {
                return Ok(number as usize);
            }
            // Some of the part is counted by now, so that it cannot be left out any more.
            let failed = |error: StoreError| StoreError::Io(error.to_string());
            if own.is_none() {
                own = Some(texts(&self.parts[this], ids).map_err(failed)?);
            }
            if own == Some(texts(&self.parts[*part], others).map_err(failed)?) {
                return Ok(number as usize);
            }
        }
        known.push(next as u32);
        Ok(next)
    }

    /// A group per request.
    pub(crate) fn into_groups(mut self, measured: bool) -> Groups {
        if !measured {
            self.groups.measured.clear();
        }
        debug_assert_eq!(self.groups.columns.len(), self.query.by.len());
        if self.passed.is_empty() {
            return self.groups;
        }
        let mut left = Groups::new(self.query.by.len());
        left.shares = vec![Vec::new(); self.groups.shares.len()];
        let last = |row: &usize| !self.passed.contains(row);
        for row in (0..self.groups.len()).filter(last) {
            left.push(&self.groups, row);
        }
        left
    }
}
