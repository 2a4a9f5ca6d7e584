//! Counting events by columns and time, part by part.

mod needed;

use std::sync::Arc;

use super::countkeys::{Stored, refuse_nonsense};
use super::countmemory::{CountMemory, Held};
use super::countmerge;
use super::countpart::PartCount;
use super::countrequests::Requests;
use super::frequent;
use super::inorder::in_order;
use super::listing::LastStages;
use super::measures::Measures;
use super::part::Part;
use super::scan::{Cell, PartAt, PartSource, ScanOrder, Snapshot, advised};
use super::tally::{Groups, begin};
use super::totals::Totals;
use crate::model::column::Column;
use crate::store::{Answer, Budget, CountQuery, Result, RowSink, StoreError, Work};
use needed::Needed;
pub(crate) use needed::Wanted;

/// Counts events.
pub(crate) fn count(
    snapshot: &Arc<Snapshot>,
    query: &CountQuery,
    budget: &Budget,
    sink: RowSink<'_>,
) -> Result<Answer> {
    refuse_nonsense(query)?;
    let mut answer = Answer {
        coverage: snapshot.coverage(query.filter.since, query.filter.until),
        ..Answer::default()
    };
    if !frequent::give(snapshot, query, budget, &mut answer, sink)? {
        let mut counted = groups(snapshot, query, &Measures::default(), budget, None)?;
        answer.coverage.damaged.append(&mut counted.damaged);
        answer.stats = counted.work;
        counted.totals.give(query, &mut answer, sink);
    }
    answer.stats.elapsed_us = budget.elapsed().as_micros() as u64;
    Ok(answer)
}

/// Groups with their counts, and what it took.
pub(crate) struct Counted {
    pub(crate) totals: Totals,
    pub(crate) work: Work,
    /// Damaged segments that were left out.
    pub(crate) damaged: Vec<String>,
}

/// Counts events by any number of columns; only those that are stored can be measured. `memory` is what
/// that may take.
pub(crate) fn groups(
    snapshot: &Arc<Snapshot>,
    query: &CountQuery,
    measures: &Measures,
    budget: &Budget,
    memory: Option<&Arc<CountMemory>>,
) -> Result<Counted> {
    let mut counting = Counting {
        snapshot,
        query,
        measures,
        budget,
        memory,
        totals: Totals::new(query.by.len(), query.step.is_some()).within(Held::of(memory)),
        work: Work::default(),
        damaged: Vec::new(),
    };
    match Stored::new(query, measures) {
        Some(stored) if query.per_request => counting.requests(&stored)?,
        Some(stored) => counting.parts(&stored)?,
        None => counting.rows()?,
    }
    Ok(Counted {
        totals: counting.totals,
        work: counting.work,
        damaged: counting.damaged,
    })
}

struct Counting<'a> {
    snapshot: &'a Arc<Snapshot>,
    query: &'a CountQuery,
    measures: &'a Measures,
    budget: &'a Budget,
    memory: Option<&'a Arc<CountMemory>>,
    totals: Totals,
    work: Work,
    damaged: Vec<String>,
}

impl Counting<'_> {
    /// Counts row by row: each request once with `last_stage_only`, and columns of any kind.
    fn rows(&mut self) -> Result<()> {
        let CountQuery { filter, by, .. } = self.query;
        let (order, mut stages) = match self.query.last_stage_only {
            // Newest first, so that the last stage of most requests comes before the others.
            true => (
                ScanOrder::NewestFirst,
                Some(LastStages::new(
                    Arc::clone(self.snapshot),
                    self.budget.clone(),
                )),
            ),
            false => (ScanOrder::Any, None),
        };
        let skip_damaged = self.query.skip_damaged;
        let mut cursor = self
            .snapshot
            .cursor(filter, order, skip_damaged, self.budget.clone())?;
        while cursor.advance()? {
            if let Some(stages) = &mut stages
                && !stages.is_last(&mut cursor)?
            {
                continue;
            }
            let mut values = Vec::with_capacity(by.len());
            for (at, &column) in by.iter().enumerate() {
                values.push(match cursor.cell(column)? {
                    Cell::Null => self.values(at, None),
                    Cell::Int(value) => self.values(at, Some(&value.to_string())),
                    Cell::Time(value) => self.values(at, Some(&crate::model::time::to_text(value))),
                    Cell::Text(text) => self.values(at, Some(text)),
                    Cell::Bytes(bytes) => self.values(at, Some(&String::from_utf8_lossy(bytes))),
                });
            }
            let bucket = match (self.query.step, cursor.cell(Column::Time)?) {
                (Some(step), Cell::Time(time)) => begin(time, step),
                _ => 0,
            };
            let values: Vec<&[u32]> = values.iter().map(Values::ids).collect();
            each_combination(&values, |ids| self.totals.add(bucket, ids, 1, None));
            self.totals.check()?;
        }
        self.work = cursor.work();
        self.damaged.extend(cursor.damaged().iter().cloned());
        Ok(())
    }

    /// Counts part by part, by string ids.
    fn parts(&mut self, stored: &Stored) -> Result<()> {
        let needed = Needed::find(self, stored)?;
        let count = |counting: &PartCount<'_>, part: &Part, work: &mut Work| {
            let wanted = needed.as_ref().and_then(|needed| needed.wanted(part));
            let wanted = wanted.as_ref();
            PartCount {
                wanted,
                ..*counting
            }
            .count(part, work)
        };
        self.part_by_part(stored, count, |totals, translate, part, groups| {
            let groups = translate(totals, &part, groups)?;
            totals.add_all(&groups);
            totals.check()
        })
    }

    /// Counts each request once.
    fn requests(&mut self, stored: &Stored) -> Result<()> {
        let mut requests = Requests::new(self.query, stored, Held::of(self.memory));
        let once =
            |counting: &PartCount<'_>, part: &Part, work: &mut Work| counting.requests(part, work);
        self.part_by_part(stored, once, |totals, translate, part, mut once| {
            let ends = once
                .ends
                .map(|ends| translate(totals, &part, ends))
                .transpose()?;
            once.events.groups = translate(totals, &part, once.events.groups)?;
            requests.add(part, once.events, ends.is_some())?;
            if let Some(ends) = &ends {
                totals.add_all(ends);
            }
            totals.check()
        })?;
        let mut work = Work::default();
        requests.find_ends(&self.part_count(stored, 1), &mut work)?;
        self.work.add(work);
        let groups = requests.into_groups(self.measures.any());
        self.totals.add_all(&groups);
        self.totals.check()
    }

    fn part_count<'b>(&self, stored: &'b Stored, cores: usize) -> PartCount<'b>
    where
        Self: 'b,
    {
        PartCount {
            snapshot: self.snapshot,
            query: self.query,
            stored,
            measures: self.measures,
            budget: self.budget,
            cores,
            memory: self.memory,
            wanted: None,
        }
    }

    /// Counts each part with `count`, on all cores, and takes what it gives with `take`, in order.
    fn part_by_part<T: Send>(
        &mut self,
        stored: &Stored,
        count: impl Fn(&PartCount<'_>, &Part, &mut Work) -> Result<T> + Sync,
        mut take: impl FnMut(&mut Totals, &Translate<'_>, Part, T) -> Result<()> + Send,
    ) -> Result<()> {
        let (parts, pruned) = self.snapshot.parts(&self.query.filter);
        self.work.segments_pruned = pruned;
        let (snapshot, query) = (self.snapshot, self.query);
        let threads = worth_threads(&parts);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let counting = self.part_count(stored, if threads { 1 } else { cores });
        let count = |at: usize| {
            let mut work = Work::default();
            let counted = (counting.budget.check())
                .and_then(|()| parts[at].open(&snapshot.shared, &mut work))
                .and_then(|part| Ok((count(&counting, &part, &mut work)?, part)));
            (counted, work)
        };
        let translate = |totals: &mut Totals, part: &Part, groups: Groups| {
            countmerge::translate(totals, part, query, stored, &snapshot.deriver, groups)
        };
        let add = |(counted, work): (Result<(T, Part)>, Work)| {
            self.work.add(work);
            let taken = counted
                .and_then(|(counted, part)| take(&mut self.totals, &translate, part, counted));
            match taken {
                Err(StoreError::Damaged(text)) if query.skip_damaged => {
                    self.damaged.push(text);
                    Ok(())
                }
                taken => taken.map_err(advised),
            }
        };
        in_order(parts.len(), threads, count, add)
    }

    /// What a column's value counts as: itself, or each element of a list once.
    fn values(&mut self, at: usize, text: Option<&str>) -> Values {
        match text {
            Some(list) if self.query.by[at].is_list() => {
                let mut elements = crate::model::json::texts(list);
                elements.sort_unstable();
                elements.dedup();
                let ids = elements.iter();
                Values::Many(
                    ids.map(|text| self.totals.id(at, Some(text.as_ref())))
                        .collect(),
                )
            }
            text => Values::One([self.totals.id(at, text)]),
        }
    }
}

/// Gives a part's groups the ids of the totals.
type Translate<'a> = dyn Fn(&mut Totals, &Part, Groups) -> Result<Groups> + Sync + 'a;

/// Whether there is enough to count to divide it: more than one segment.
fn worth_threads(parts: &[PartAt]) -> bool {
    let sealed = |part: &&PartAt| matches!(part.source, PartSource::Sealed(_));
    parts.iter().filter(sealed).count() > 1
}

/// What one stored text counts as in a column: ids in the totals.
#[derive(Clone)]
enum Values {
    One([u32; 1]),
    Many(Box<[u32]>),
}

impl Values {
    fn ids(&self) -> &[u32] {
        match self {
            Values::One(id) => id,
            Values::Many(ids) => ids,
        }
    }
}

/// Every combination of one value per column.
fn each_combination(values: &[&[u32]], mut sink: impl FnMut(&[u32])) {
    let combinations = values.iter().map(|ids| ids.len()).product();
    let mut ids = vec![0; values.len()];
    for number in 0..combinations {
        let mut rest: usize = number;
        for (id, values) in ids.iter_mut().zip(values) {
            *id = values[rest % values.len()];
            rest /= values.len();
        }
        sink(&ids);
    }
}
