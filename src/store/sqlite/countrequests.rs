//! Counting each request once, by the last of those of its events that match: what is asked of calls
//! whose stages are all recorded (sessions, watches), and says what came of each. Several at the last
//! place each count ([`super::stages`]).
//!
//! Events are of one request as in the table `requests`: they agree in cluster, audit id, user, URI and
//! received time, and have all of these. Within a part string ids say so; texts are read only where
//! ids differ, or events lie in different parts.
//!
//! A sealed segment lists the events of earlier stages whose requests do not end in it ([`super::unended`]).
//! Where the filter and the range leave no such event without the end that the segment has for it, the
//! ends are counted like any other events, and nothing else is read but what is listed: that is held
//! against other parts, in which its end is looked for by audit id.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

use rustc_hash::FxHasher;

use super::countkeys::Stored;
use super::countmemory::Held;
use super::countpart::PartCount;
use super::facts;
use super::layout::{IntColumn, TextColumn, decode_latency};
use super::part::Part;
use super::partscan::{Direction, PartScan};
use super::stages;
use super::tally::{Groups, Measured, begin};
use super::unended;
use super::uricolumns::UriColumns;
use crate::limits::COUNT_GROUPS_MAX;
use crate::model::column::Column;
use crate::store::filter::{Pattern, Test};
use crate::store::{Budget, CountQuery, Result, StoreError, Work};

/// What an event has in common with the others of its request, but for its texts: audit id, whether
/// that is an odd one, and received time.
type Key = ([u8; 16], bool, i64);

/// Of an event: the ids of cluster, user and what its URI is made of.
type Ids = [u32; 9];

/// The matching events of one part, each as a group of its own.
pub(crate) struct Events {
    pub(crate) groups: Groups,
    requests: Vec<Option<(Key, Ids)>>,
    /// How far each has got.
    places: Vec<u8>,
}

/// Bytes of an event and of a request beside those of their groups, about.
const EVENT_BYTES: usize = size_of::<Option<(Key, Ids)>>() + 1;
const REQUEST_BYTES: usize = 2 * (size_of::<Key>() + 2 * size_of::<Vec<u32>>() + size_of::<Ids>());

/// Events after which the memory of requests is counted again.
const CHARGED_REQUESTS: usize = 1024;

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
        Ok(unended::holds_for_ends(filter, &ends))
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

/// Of a part of which something is counted already, so that it cannot be left out any more.
fn too_late(error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(text) => StoreError::Io(text),
        error => error,
    }
}

/// Requests of which events were seen, each a group.
pub(crate) struct Requests<'a> {
    query: &'a CountQuery,
    parts: Vec<Part>,
    /// Those of them of which ends are counted already.
    with_ends: Vec<usize>,
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
    pub(crate) fn new(query: &'a CountQuery, stored: &Stored, held: Held) -> Requests<'a> {
        let mut groups = Groups::new(query.by.len());
        groups.held = held;
        groups.shares = vec![Vec::new(); stored.shared.shares.len()];
        Requests {
            query,
            parts: Vec::new(),
            with_ends: Vec::new(),
            known: HashMap::default(),
            firsts: Vec::new(),
            places: Vec::new(),
            groups,
            others: HashMap::default(),
            passed: HashSet::default(),
        }
    }

    /// Adds a part's events, whose groups have the ids that texts have over all parts. `with_ends` says
    /// that those that end requests are counted apart.
    pub(crate) fn add(&mut self, part: Part, events: Events, with_ends: bool) -> Result<()> {
        let groups = events.groups;
        if with_ends {
            self.with_ends.push(self.parts.len());
        }
        self.parts.push(part);
        for (row, request) in events.requests.iter().enumerate() {
            if row % CHARGED_REQUESTS == 0 {
                let bytes = self.groups.bytes() + self.firsts.len() * REQUEST_BYTES;
                self.groups.held.set(bytes).map_err(too_late)?;
            }
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

    /// The number of a request of which the last part has an event, the next one if it is new.
    fn find(&mut self, key: &Key, ids: &Ids) -> Result<usize> {
        if let Some(number) = self.known_as(self.parts.len() - 1, key, ids)? {
            return Ok(number);
        }
        let next = self.firsts.len();
        self.known.entry(*key).or_default().push(next as u32);
        Ok(next)
    }

    /// The number of a request of which a part has an event.
    fn known_as(&self, this: usize, key: &Key, ids: &Ids) -> Result<Option<usize>> {
        let mut own = None;
        for &number in self.known.get(key).map_or(&[][..], Vec::as_slice) {
            let (part, others) = &self.firsts[number as usize];
            if *part == this && others == ids {
                return Ok(Some(number as usize));
            }
            if own.is_none() {
                own = Some(texts(&self.parts[this], ids).map_err(too_late)?);
            }
            if own == Some(texts(&self.parts[*part], others).map_err(too_late)?) {
                return Ok(Some(number as usize));
            }
        }
        Ok(None)
    }

    /// Looks for the ends of requests that were not seen yet, in parts whose ends are counted already:
    /// such requests count with these.
    pub(crate) fn find_ends(&mut self, counting: &PartCount<'_>, work: &mut Work) -> Result<()> {
        for at in std::mem::take(&mut self.with_ends) {
            let part = self.parts[at].clone();
            let rows = self.may_end(&part, counting.budget)?;
            let events = counting.of_ends(|counting| counting.events(&part, Some(&rows), work));
            for (key, ids) in events.map_err(too_late)?.requests.iter().flatten() {
                let Some(number) = self.known_as(at, key, ids)? else {
                    continue;
                };
                if self.places[number] < stages::END {
                    self.passed.insert(number);
                    self.passed
                        .extend(self.others.remove(&number).unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    /// The rows of a part with the audit ids of requests that were not seen to end, and were received
    /// when some were that end in it.
    fn may_end(&self, part: &Part, budget: &Budget) -> Result<Vec<u32>> {
        let received = match part {
            Part::Sealed(sealed) => sealed
                .header
                .unended
                .as_ref()
                .and_then(|known| known.received),
            Part::Block(..) => None,
        };
        let Some((first, last)) = received else {
            return Ok(Vec::new());
        };
        let goes_on = |number: &u32| self.places[*number as usize] < stages::END;
        let open = self.known.iter().filter(|((.., received), numbers)| {
            (first..=last).contains(received) && numbers.iter().any(goes_on)
        });
        let mut audit: Vec<[u8; 16]> = open.map(|((audit, ..), _)| *audit).collect();
        audit.sort_unstable();
        audit.dedup();
        let mut rows = Vec::new();
        for audit in &audit {
            budget.check()?;
            rows.extend(part.audit_rows(audit).map_err(too_late)?);
        }
        rows.sort_unstable();
        Ok(rows)
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
