//! Counting each request once, by the last of those of its events that match: what is asked of calls
//! whose stages are all recorded (sessions, watches), and says what came of each. Several at the last
//! place each count, but for starts ([`super::stages`]).
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
use super::part::Part;
use super::partrequests::{Events, Ids, Key, texts};
use super::stages;
use super::tally::Groups;
use crate::limits::COUNT_GROUPS_MAX;
use crate::store::{Budget, CountQuery, Result, StoreError, Work};

/// Bytes of a request beside those of its group, about.
const REQUEST_BYTES: usize =
    2 * (size_of::<Key>() + 2 * size_of::<Vec<u32>>() + size_of::<Ids>() + size_of::<(i64, i64)>());

/// Events after which the memory of requests is counted again.
const CHARGED_REQUESTS: usize = 1024;

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
    /// Of the last event so far: its place, and when it was.
    places: Vec<u8>,
    moments: Vec<(i64, i64)>,
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
            moments: Vec::new(),
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
            let (place, moment) = (events.places[row], events.moments[row]);
            let next = self.firsts.len();
            let other = at < next && self.places[at] == place && place != stages::STARTED;
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
                self.moments.push(moment);
                self.groups.push(&groups, row);
            } else {
                self.groups.measured[at].add(&groups.measured[row]);
                if (place, moment) > (self.places[at], self.moments[at]) {
                    (self.places[at], self.moments[at]) = (place, moment);
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
