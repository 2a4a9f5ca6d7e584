//! Counting events by columns and time: from rollups, from row lists or by a scan, whichever reads
//! least. All three give the same numbers; a part that lacks a rollup is scanned.

use std::ops::Range;
use std::sync::Arc;

use super::countkeys::{Key, Stored, refuse_nonsense};
use super::facts;
use super::groups::counts;
use super::layout::{IntColumn, Origin, TextColumn, origin};
use super::listing::LastStages;
use super::part::Part;
use super::partscan::{Direction, PartScan};
use super::predicate::{self, Compiled, Predicate};
use super::rollup;
use super::rollupplan::{Asked, Plan, Span};
use super::scan::{Cell, ScanOrder, Snapshot, advised};
use super::sealed::Sealed;
use super::tally::{Buckets, Groups, Measured, Measures, Tally, Values, begin, each_combination};
use super::totals::Totals;
use crate::model::column::Column;
use crate::store::filter::Filter;
use crate::store::{Answer, Budget, CountQuery, Result, RowSink, StoreError, Work};

/// Counts events.
pub(crate) fn count(
    snapshot: &Arc<Snapshot>,
    query: &CountQuery,
    budget: &Budget,
    sink: RowSink<'_>,
) -> Result<Answer> {
    refuse_nonsense(query)?;
    let mut counted = groups(snapshot, query, Measures::default(), budget)?;
    let mut answer = Answer {
        coverage: snapshot.coverage(query.filter.since, query.filter.until),
        ..Answer::default()
    };
    answer.coverage.damaged.append(&mut counted.damaged);
    answer.stats = counted.work;
    counted.totals.give(query, &mut answer, sink);
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

/// Counts events by any number of columns; only those that are stored can be measured.
pub(crate) fn groups(
    snapshot: &Arc<Snapshot>,
    query: &CountQuery,
    measures: Measures,
    budget: &Budget,
) -> Result<Counted> {
    let mut counting = Counting {
        snapshot,
        query,
        measures,
        budget,
        totals: Totals::new(query.by.len(), query.step.is_some()),
        work: Work::default(),
        damaged: Vec::new(),
    };
    match Stored::new(query) {
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
    measures: Measures,
    budget: &'a Budget,
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
        let (parts, pruned) = self.snapshot.parts(&self.query.filter);
        self.work.segments_pruned = pruned;
        for at in parts {
            self.budget.check()?;
            let opened = at.open(&self.snapshot.shared, &mut self.work);
            let counted = opened.and_then(|part| {
                let mut groups = Groups::default();
                self.part(&part, stored, &mut groups)?;
                self.add(&part, stored, &groups)
            });
            match counted {
                Ok(()) => {}
                Err(StoreError::Damaged(text)) if self.query.skip_damaged => {
                    self.damaged.push(text);
                }
                Err(error) => return Err(advised(error)),
            }
        }
        Ok(())
    }

    /// Adds a part's groups to the totals, by what their strings say.
    fn add(&mut self, part: &Part, stored: &Stored, groups: &Groups) -> Result<()> {
        // Per column that is counted by, and per id in its place and the other one, what the string
        // counts as, once known.
        let none = |place: usize| vec![None; stored.columns[place].strings(part) as usize + 1];
        let mut known: Vec<[Vec<Option<Values>>; 2]> = stored
            .sources
            .iter()
            .map(|source| {
                [
                    none(source.first),
                    source.otherwise.map_or(Vec::new(), none),
                ]
            })
            .collect();
        // All strings before the first count: half a damaged part is no answer.
        for (_, ids, ..) in groups.iter() {
            for (at, source) in stored.sources.iter().enumerate() {
                let (which, place) = source.of(ids);
                let slot = &mut known[at][which][ids[place] as usize];
                if slot.is_none() {
                    let text = match ids[place] {
                        0 => None,
                        id => Some(stored.columns[place].string(part, id)?),
                    };
                    let derived = match origin(self.query.by[at]) {
                        Origin::Derived(_, derivation) => {
                            text.map(|text| self.snapshot.deriver.derive(derivation, text))
                        }
                        _ => None,
                    };
                    *slot = Some(match &derived {
                        Some(derived) => self.values(at, derived.as_deref()),
                        None => self.values(at, text),
                    });
                }
            }
        }
        let mut values: Vec<&[u32]> = Vec::with_capacity(stored.sources.len());
        let mut one = Vec::with_capacity(stored.sources.len());
        for (bucket, ids, count, measured) in groups.iter() {
            values.clear();
            for (known, source) in known.iter().zip(&stored.sources) {
                let (which, place) = source.of(ids);
                let slot = known[which][ids[place] as usize].as_ref();
                values.push(slot.map_or(&[], Values::ids));
            }
            if values.iter().all(|ids| ids.len() == 1) {
                one.clear();
                one.extend(values.iter().map(|ids| ids[0]));
                self.totals.add(bucket, &one, count, measured);
            } else {
                each_combination(&values, |ids| self.totals.add(bucket, ids, count, measured));
            }
            self.totals.check()?;
        }
        Ok(())
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

    /// Counts one part, by what costs least.
    fn part(&mut self, part: &Part, stored: &Stored, groups: &mut Groups) -> Result<()> {
        let columns = &stored.columns;
        let measures = self.measures;
        if columns.iter().any(|column| column.is_fact()) || measures.raw_bytes {
            facts::ensure(part, self.budget, &mut self.work)?;
        }
        let filter = &self.query.filter;
        let unfiltered = filter.terms.is_empty()
            && filter.since.is_none_or(|since| since <= part.oldest())
            && filter.until.is_none_or(|until| until > part.newest())
            && self.query.step.is_none()
            && !measures.any();
        if unfiltered && columns.is_empty() {
            let rows = part.rows() - part.dead().len();
            groups.push(0, &[], rows as u64, None);
            return Ok(());
        }
        let tally = Tally::new(
            columns.iter().map(|column| column.strings(part)),
            measures.any(),
        );
        let mut buckets = Buckets::new(self.query.step, tally, groups);
        let span = Span::new(filter, part, self.query.step);
        let texts = stored
            .texts()
            .filter(|columns| !measures.any() && rollup::fitting(columns).is_some());
        let planned = match (part, span, texts) {
            (Part::Sealed(sealed), Some(span), Some(columns)) => {
                let plan = self.plan(part, sealed, &span, &columns)?;
                plan.map(|plan| (sealed, span, plan))
            }
            _ => None,
        };
        let Some((sealed, span, plan)) = planned else {
            match columns[..] {
                [Key::Text(column)] if unfiltered => listed(part, column, &mut buckets.tally)?,
                _ => self.scan(part, filter, columns, &mut buckets)?,
            }
            buckets.finish();
            return Ok(());
        };
        plan.add_up(sealed, &span, self.budget, &mut self.work, &mut buckets)?;
        buckets.finish();
        for edge in span.edges.into_iter().flatten() {
            self.scan(part, &within(filter, edge), columns, &mut buckets)?;
            buckets.finish();
        }
        Ok(())
    }

    /// How a rollup answers for a part, if one does.
    fn plan(
        &mut self,
        part: &Part,
        sealed: &Sealed,
        span: &Span,
        by: &[TextColumn],
    ) -> Result<Option<Plan>> {
        let filter = &self.query.filter;
        let deriver = &self.snapshot.deriver;
        let asked = Asked { span, by };
        if span.whole {
            // Totals are so short that no scan is cheaper.
            let Compiled::All(predicates) = predicate::compile(filter, part, deriver)? else {
                return Ok(None);
            };
            let sets: Option<Vec<_>> = predicates.iter().map(Predicate::id_set).collect();
            return Ok(sets.and_then(|sets| Plan::new(sealed, &sets, None, &asked)));
        }
        let within = within(filter, span.hours.clone());
        let scan = PartScan::new(
            part.clone(),
            &within,
            Direction::Ascending,
            deriver,
            self.budget,
            &mut self.work,
        )?;
        Ok(scan.and_then(|scan| Plan::new(sealed, &scan.id_sets()?, scan.candidates(), &asked)))
    }

    /// Counts the matching rows of a part.
    fn scan(
        &mut self,
        part: &Part,
        filter: &Filter,
        columns: &[Key],
        buckets: &mut Buckets<'_>,
    ) -> Result<()> {
        let deriver = &self.snapshot.deriver;
        let scan = PartScan::new(
            part.clone(),
            filter,
            Direction::Ascending,
            deriver,
            self.budget,
            &mut self.work,
        )?;
        let Some(mut scan) = scan else { return Ok(()) };
        let mut rows = Vec::new();
        let measures = self.measures;
        let (mut times, mut lengths) = (Vec::new(), Vec::new());
        let mut flags = Vec::new();
        let mut ids: Vec<Vec<u32>> = vec![Vec::new(); columns.len()];
        let mut group = vec![0; columns.len()];
        while scan.next_rows(&mut rows, self.budget, &mut self.work)? {
            let Some(&first) = rows.first() else { continue };
            let (chunk, base) = part.chunk_of(first);
            if buckets.step.is_some() || measures.times {
                part.ints(IntColumn::Time, chunk, &mut times)?;
            }
            if measures.raw_bytes {
                part.ints(IntColumn::RawBytes, chunk, &mut lengths)?;
            }
            for (&column, ids) in columns.iter().zip(&mut ids) {
                column.ids(part, chunk, &mut flags, ids)?;
            }
            for &row in &rows {
                let at = (row - base) as usize;
                if buckets.step.is_some() {
                    buckets.enter(times[at]);
                }
                for (slot, ids) in group.iter_mut().zip(&ids) {
                    *slot = ids[at];
                }
                if measures.any() {
                    let mut measured = Measured::NOTHING;
                    if measures.times {
                        (measured.first, measured.last) = (times[at], times[at]);
                    }
                    if measures.raw_bytes {
                        measured.raw_bytes = lengths[at] as u64;
                    }
                    buckets.tally.measure(&group, &measured);
                } else {
                    buckets.tally.add(&group, 1);
                }
            }
        }
        Ok(())
    }
}

/// The same terms within another range.
fn within(filter: &Filter, range: Range<i64>) -> Filter {
    Filter {
        since: Some(range.start),
        until: Some(range.end),
        terms: filter.terms.clone(),
    }
}

/// Counts the rows of each string from the lists of rows.
fn listed(part: &Part, column: TextColumn, tally: &mut Tally) -> Result<()> {
    for (id, (count, ..)) in (0..).zip(counts(part, column)?) {
        if count > 0 {
            tally.add(&[id], count);
        }
    }
    Ok(())
}
