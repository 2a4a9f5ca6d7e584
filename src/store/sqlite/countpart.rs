//! Counting the events of one part: from rollups, from its summary, from row lists or by a scan,
//! whichever reads least. All give the same numbers; a part that lacks a rollup is scanned.

use std::ops::Range;
use std::sync::Arc;

use super::count::Wanted;
use super::countkeys::{Key, Stored};
use super::countmemory::{CountMemory, Held};
use super::facts;
use super::groups::counts;
use super::layout::{IntColumn, TextColumn};
use super::measures::Measures;
use super::part::Part;
use super::partscan::{Direction, PartScan};
use super::predicate::{self, Compiled, Predicate};
use super::rollup;
use super::rollupplan::{Asked, Plan, Span};
use super::scan::Snapshot;
use super::sealed::Sealed;
use super::shares::Errors;
use super::summaryplan::SummaryPlan;
use super::tally::{Amounts, Buckets, Groups, Tally};
use crate::store::filter::Filter;
use crate::store::{Budget, CountQuery, Result, StoreError, Work};

/// How parts are counted.
pub(crate) struct PartCount<'a> {
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) query: &'a CountQuery,
    pub(crate) stored: &'a Stored,
    pub(crate) measures: &'a Measures,
    pub(crate) budget: &'a Budget,
    /// How many cores there are for one part.
    pub(crate) cores: usize,
    /// What it may hold, where that is bounded.
    pub(crate) memory: Option<&'a Arc<CountMemory>>,
    /// The groups that matter, if others may be left out.
    pub(crate) wanted: Option<&'a Wanted>,
}

/// Chunks that are worth a core of their own; tests have few.
const SHARE_CHUNKS: usize = if cfg!(test) { 1 } else { 16 };

impl PartCount<'_> {
    /// The groups of a part, by its string ids. A group may come more than once.
    pub(crate) fn count(&self, part: &Part, work: &mut Work) -> Result<Groups> {
        let Part::Sealed(sealed) = part else {
            return self.count_anew(part, work);
        };
        let mut asked = self.asked(part);
        let wanted = self.wanted.map(|wanted| wanted.alone);
        if wanted == Some(true) {
            asked.push_str(" where wanted");
        }
        if let Some(groups) = sealed.counted_before(&asked) {
            return Ok(groups);
        }
        let groups = self.count_anew(part, work)?;
        // What other parts want may be something else another time.
        if wanted != Some(false) {
            sealed.keep_counted(asked, &groups);
        }
        Ok(groups)
    }

    /// What is asked of a part, in words: what leaves out nothing of it is not in them.
    fn asked(&self, part: &Part) -> String {
        let CountQuery { filter, step, .. } = self.query;
        let since = filter.since.filter(|&since| since > part.oldest());
        let until = filter.until.filter(|&until| until <= part.newest());
        let (columns, measures, terms) = (&self.stored.columns, self.measures, &filter.terms);
        format!("{columns:?} {measures:?} {step:?} {since:?} {until:?} {terms:?}")
    }

    fn count_anew(&self, part: &Part, work: &mut Work) -> Result<Groups> {
        let columns = &self.stored.columns;
        let (filter, measures) = (&self.query.filter, self.measures);
        if columns.iter().any(|column| column.is_fact()) || measures.raw_bytes {
            facts::ensure(part, self.budget, work)?;
        }
        let mut groups = self.new_groups();
        let unfiltered = filter.terms.is_empty()
            && filter.since.is_none_or(|since| since <= part.oldest())
            && filter.until.is_none_or(|until| until > part.newest())
            && self.query.step.is_none()
            && !measures.any();
        if unfiltered && columns.is_empty() {
            groups.buckets.push(0);
            groups.counts.push((part.rows() - part.dead().len()) as u64);
            return Ok(groups);
        }
        let mut buckets = self.buckets(part, &mut groups);
        let span = Span::new(filter, part, self.query.step);
        match (&columns[..], part, &span) {
            (_, Part::Sealed(sealed), Some(span))
                if self.added_up(part, sealed, span, work, &mut buckets)? => {}
            (&[Key::Text(column)], ..) if unfiltered => listed(part, column, &mut buckets)?,
            _ => self.scan(part, filter, work, &mut buckets)?,
        }
        buckets.finish();
        buckets.charge()?;
        groups.charge()?;
        Ok(groups)
    }

    /// No groups yet.
    pub(crate) fn new_groups(&self) -> Groups {
        Groups {
            held: Held::of(self.memory),
            ..Groups::new(self.stored.columns.len())
        }
    }

    /// Counts from what sealing has counted: a rollup or the summary, whichever is shorter; false if
    /// neither answers.
    fn added_up(
        &self,
        part: &Part,
        sealed: &Sealed,
        span: &Span,
        work: &mut Work,
        buckets: &mut Buckets<'_>,
    ) -> Result<bool> {
        let texts = self.stored.texts();
        let rollup = texts.and_then(|by| rollup::fitting(&by));
        let totals = rollup.map_or(0, |number| sealed.totals_entries(number));
        let summary_first = span.whole && totals > sealed.header.summary_rows as usize;
        Ok(
            (summary_first && self.by_summary(part, sealed, work, buckets)?)
                || self.by_rollup(part, sealed, span, work, buckets)?
                || (span.whole
                    && !summary_first
                    && self.by_summary(part, sealed, work, buckets)?),
        )
    }

    /// Counts from a rollup, and what the ends of the range cut off by a scan; false if no rollup
    /// answers.
    fn by_rollup(
        &self,
        part: &Part,
        sealed: &Sealed,
        span: &Span,
        work: &mut Work,
        buckets: &mut Buckets<'_>,
    ) -> Result<bool> {
        let texts = self.stored.texts();
        let Some(by) = texts.filter(|by| !self.measures.any() && rollup::fitting(by).is_some())
        else {
            return Ok(false);
        };
        let Some(plan) = self.rollup_plan(part, sealed, span, &by, work)? else {
            return Ok(false);
        };
        plan.add_up(sealed, span, self.budget, work, buckets)?;
        for edge in span.edges.iter().flatten() {
            buckets.finish();
            let filter = within(&self.query.filter, edge.clone());
            self.scan(part, &filter, work, buckets)?;
        }
        Ok(true)
    }

    /// How a rollup answers for a part, if one does.
    fn rollup_plan(
        &self,
        part: &Part,
        sealed: &Sealed,
        span: &Span,
        by: &[TextColumn],
        work: &mut Work,
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
            work,
        )?;
        Ok(scan.and_then(|scan| Plan::new(sealed, &scan.id_sets()?, scan.candidates(), &asked)))
    }

    /// Counts all of a part from its summary; false if that does not say it.
    fn by_summary(
        &self,
        part: &Part,
        sealed: &Sealed,
        work: &mut Work,
        buckets: &mut Buckets<'_>,
    ) -> Result<bool> {
        let (filter, deriver) = (&self.query.filter, &self.snapshot.deriver);
        let Compiled::All(predicates) = predicate::compile(filter, part, deriver)? else {
            return Ok(true);
        };
        let plan = SummaryPlan::new(sealed, predicates, &self.stored.columns, self.measures);
        let Some(mut plan) = plan else {
            return Ok(false);
        };
        plan.errors = self.stored.shared.errors(part, &self.stored.columns)?;
        if buckets.step.is_some() {
            buckets.enter(part.oldest());
        }
        plan.add_up(part, sealed, self.budget, work, buckets)?;
        Ok(true)
    }

    /// Counts the matching rows of a part, on several cores where one has much to do.
    fn scan(
        &self,
        part: &Part,
        filter: &Filter,
        work: &mut Work,
        buckets: &mut Buckets<'_>,
    ) -> Result<()> {
        let scan = |work: &mut Work| {
            let (deriver, budget) = (&self.snapshot.deriver, self.budget);
            let ascending = Direction::Ascending;
            PartScan::new(part.clone(), filter, ascending, deriver, budget, work)
        };
        let Some(mut first) = scan(work)? else {
            return Ok(());
        };
        let shares = self.cores.min(first.chunks_left() / SHARE_CHUNKS).max(1);
        let share = |at: usize| -> Result<(Groups, Work)> {
            let mut work = Work::default();
            let mut groups = self.new_groups();
            if let Some(mut scan) = scan(&mut Work::default())? {
                scan.take_share(at, shares);
                let mut buckets = self.buckets(part, &mut groups);
                self.add_rows(part, scan, &mut work, &mut buckets)?;
                buckets.finish();
                buckets.charge()?;
            }
            groups.charge()?;
            Ok((groups, work))
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..shares)
                .map(|at| scope.spawn(move || share(at)))
                .collect();
            first.take_share(0, shares);
            let own = self.add_rows(part, first, work, buckets);
            for other in others {
                let (groups, done) = other
                    .join()
                    .map_err(|_| StoreError::Io("a count failed inside; see the log".into()))??;
                work.add(done);
                buckets.take_over(groups);
            }
            own
        })
    }

    /// For a part's groups.
    fn buckets<'a>(&self, part: &Part, groups: &'a mut Groups) -> Buckets<'a> {
        let strings = self.stored.columns.iter().map(|key| key.strings(part));
        Buckets::new(self.query.step, Tally::new(strings, self.measures), groups)
    }

    /// Adds the rows of a scan.
    fn add_rows(
        &self,
        part: &Part,
        mut scan: PartScan,
        work: &mut Work,
        buckets: &mut Buckets<'_>,
    ) -> Result<()> {
        let (columns, measures) = (&self.stored.columns, self.measures);
        let (mut rows, mut flags, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut times, mut lengths, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
        let mut ids: Vec<Vec<u32>> = vec![Vec::new(); columns.len()];
        let errors = self.stored.shared.errors(part, columns)?;
        while scan.next_rows(&mut rows, self.budget, work)? {
            let Some(&first) = rows.first() else { continue };
            let (chunk, base) = part.chunk_of(first);
            rows.iter_mut().for_each(|row| *row -= base);
            if buckets.step.is_some() || measures.times || errors.is_some() {
                part.ints_at(IntColumn::Time, chunk, &rows, &mut times)?;
            }
            if measures.latency {
                part.ints_at(IntColumn::Latency, chunk, &rows, &mut latencies)?;
            }
            if measures.raw_bytes {
                part.ints_at(IntColumn::RawBytes, chunk, &rows, &mut lengths)?;
            }
            for (&column, ids) in columns.iter().zip(&mut ids) {
                column.ids(part, (chunk, &rows), &mut flags, ids)?;
            }
            let columns: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
            if let Some(wanted) = self.wanted {
                wanted.keep(&columns, &mut rows, &mut hashes);
            }
            let amounts = Amounts {
                events: None,
                times: measures.times.then_some((&times, &times)),
                raw_bytes: measures.raw_bytes.then_some(&lengths),
                latency: measures.latency.then_some(&latencies),
                errors: (errors.as_ref()).map(|(place, held)| Errors {
                    told: (*place, held),
                    last: &times,
                }),
            };
            let mut left = &rows[..];
            while let Some(&next) = left.first() {
                let mut count = left.len();
                if buckets.step.is_some() {
                    buckets.enter(times[next as usize]);
                    count = left.partition_point(|&row| times[row as usize] < buckets.end());
                }
                buckets.tally.add(&columns, &left[..count], &amounts);
                left = &left[count..];
            }
            buckets.charge()?;
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
fn listed(part: &Part, column: TextColumn, buckets: &mut Buckets<'_>) -> Result<()> {
    let counts = counts(part, column)?;
    let ids: Vec<u32> = (0..counts.len() as u32).collect();
    let events: Vec<u32> = counts.iter().map(|&(count, ..)| count as u32).collect();
    let there = |&id: &u32| events[id as usize] > 0;
    let rows: Vec<u32> = ids.iter().copied().filter(there).collect();
    let amounts = Amounts {
        events: Some(&events),
        ..Amounts::default()
    };
    buckets.tally.add(&[&ids], &rows, &amounts);
    Ok(())
}
