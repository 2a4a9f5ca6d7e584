//! Orders that need all matching rows first: grouped by a column's value, or by received time.
//! Also which values a column has at all.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::facts;
use super::inorder::in_order;
use super::layout::{IntColumn, Origin, TextColumn, decode_latency, origin};
use super::part::Part;
use super::scan::{ScanOrder, Seen, Snapshot};
use super::sealed::Span;
use crate::model::column::Column;
use crate::model::json::texts;
use crate::model::value::Value;
use crate::store::filter::Filter;
use crate::store::{Budget, Result, StoreError, Work};

/// Matching rows, collected and then given in order.
pub(crate) struct Groups {
    order: ScanOrder,
    /// Per stream: string id and row.
    by_value: Vec<Vec<(u32, u32)>>,
    /// Received time (or the least number), stream and row.
    by_time: Vec<(i64, u32, u32)>,
    /// Stretches of `by_value` in the order of their values.
    stretches: Vec<(usize, Range<usize>)>,
    stretch: usize,
    position: usize,
    ids: Vec<u32>,
    times: Vec<i64>,
    latencies: Vec<i64>,
}

/// Whether a column can be grouped by its stored strings.
pub(crate) fn groupable(column: Column) -> Option<TextColumn> {
    match origin(column) {
        Origin::Text(text) => Some(text),
        _ => None,
    }
}

impl Groups {
    pub(crate) fn new(order: ScanOrder) -> Groups {
        Groups {
            order,
            by_value: Vec::new(),
            by_time: Vec::new(),
            stretches: Vec::new(),
            stretch: 0,
            position: 0,
            ids: Vec::new(),
            times: Vec::new(),
            latencies: Vec::new(),
        }
    }

    /// Adds matching rows of one chunk of a stream's part.
    pub(crate) fn add(&mut self, stream: usize, part: &Part, rows: &[u32]) -> Result<()> {
        let Some(&any) = rows.first() else {
            return Ok(());
        };
        let (chunk, base) = part.chunk_of(any);
        match self.order {
            ScanOrder::GroupedBy(column) => {
                let text = groupable(column).ok_or_else(|| {
                    StoreError::BadRequest(format!("rows cannot be grouped by `{}`", column.name()))
                })?;
                if self.by_value.len() <= stream {
                    self.by_value.resize_with(stream + 1, Vec::new);
                }
                part.ids(text, chunk, &mut self.ids)?;
                let ids = &self.ids;
                self.by_value[stream]
                    .extend(rows.iter().map(|&row| (ids[(row - base) as usize], row)));
            }
            _ => {
                part.ints(IntColumn::Time, chunk, &mut self.times)?;
                part.ints(IntColumn::Latency, chunk, &mut self.latencies)?;
                let (times, latencies) = (&self.times, &self.latencies);
                self.by_time.extend(rows.iter().map(|&row| {
                    let at = (row - base) as usize;
                    let received = decode_latency(latencies[at])
                        .map_or(i64::MIN, |latency| times[at].wrapping_sub(latency));
                    (received, stream as u32, row)
                }));
            }
        }
        Ok(())
    }

    /// Brings what was added in order.
    pub(crate) fn finish(&mut self, parts: &[&Part]) -> Result<()> {
        let ScanOrder::GroupedBy(column) = self.order else {
            self.by_time.sort_unstable();
            return Ok(());
        };
        let Some(text) = groupable(column) else {
            return Ok(());
        };
        let mut stretches: BTreeMap<Option<String>, Vec<(usize, Range<usize>)>> = BTreeMap::new();
        for (stream, rows) in self.by_value.iter_mut().enumerate() {
            sort_by_id(rows, parts[stream].strings(text) as usize + 1);
            let mut start = 0;
            for stretch in rows.chunk_by(|left, right| left.0 == right.0) {
                let value = match stretch[0].0 {
                    0 => None,
                    id => Some(parts[stream].string(text, id)?.to_owned()),
                };
                stretches
                    .entry(value)
                    .or_default()
                    .push((stream, start..start + stretch.len()));
                start += stretch.len();
            }
        }
        self.stretches = stretches.into_values().flatten().collect();
        Ok(())
    }

    /// The next stream and row.
    pub(crate) fn next(&mut self) -> Option<(usize, u32)> {
        if !matches!(self.order, ScanOrder::GroupedBy(_)) {
            let &(_, stream, row) = self.by_time.get(self.position)?;
            self.position += 1;
            return Some((stream as usize, row));
        }
        loop {
            let (stream, range) = self.stretches.get(self.stretch)?;
            if self.position < range.len() {
                let row = self.by_value[*stream][range.start + self.position].1;
                self.position += 1;
                return Some((*stream, row));
            }
            self.stretch += 1;
            self.position = 0;
        }
    }
}

/// Brings rows in order of their string ids, each id's rows in the order they came: a counting
/// sort, for there are far fewer strings than rows.
fn sort_by_id(rows: &mut Vec<(u32, u32)>, ids: usize) {
    let mut next = vec![0usize; ids + 1];
    for &(id, _) in rows.iter() {
        next[id as usize + 1] += 1;
    }
    for index in 1..next.len() {
        next[index] += next[index - 1];
    }
    let mut sorted = vec![(0, 0); rows.len()];
    for &(id, row) in rows.iter() {
        sorted[next[id as usize]] = (id, row);
        next[id as usize] += 1;
    }
    *rows = sorted;
}

/// Distinct values of a column with counts and the times they were seen first and last.
pub(crate) fn seen(snapshot: &Snapshot, column: Column, budget: &Budget) -> Result<Vec<Seen>> {
    let text = groupable(column).ok_or_else(|| {
        StoreError::BadRequest(format!("`{}` has no list of values", column.name()))
    })?;
    let (parts, _) = snapshot.parts(&Filter::default());
    let count = |at: usize| {
        budget.check()?;
        let mut work = Work::default();
        let part = parts[at].open(&snapshot.shared, &mut work)?;
        if text.fact().is_some() {
            facts::ensure(&part, budget, &mut work)?;
        }
        let spans = match &part {
            Part::Sealed(sealed) => sealed.seen(text, || spans(&part, text))?,
            Part::Block(..) => spans(&part, text)?,
        };
        Ok((part, spans))
    };
    let mut totals: BTreeMap<String, Span> = BTreeMap::new();
    let mut add = |value: &str, span: Span| match totals.get_mut(value) {
        Some((total, earliest, latest)) => {
            *total += span.0;
            *earliest = span.1.min(*earliest);
            *latest = span.2.max(*latest);
        }
        None => {
            totals.insert(value.to_owned(), span);
        }
    };
    let take = |counted: Result<(Part, Arc<[Span]>)>| {
        let (part, spans) = counted?;
        part.each_string(text, &mut |id, value| {
            let span = spans[id as usize];
            if span.0 == 0 {
                return ControlFlow::Continue(());
            }
            if column.is_list() {
                let mut elements = texts(value);
                elements.sort_unstable();
                elements.dedup();
                elements.iter().for_each(|element| add(element, span));
            } else {
                add(value, span);
            }
            ControlFlow::Continue(())
        })
    };
    in_order(parts.len(), parts.len() > 1, count, take)?;
    let to_seen = |(value, (count, first, last)): (String, Span)| Seen {
        value: Value::text(value),
        count,
        first,
        last,
    };
    Ok(totals.into_iter().map(to_seen).collect())
}

/// How often and when each string of a part was seen; index 0 stands for none.
fn spans(part: &Part, column: TextColumn) -> Result<Arc<[Span]>> {
    let counts = counts(part, column)?;
    let times = Times::of(part, &counts)?;
    let span = |&(count, first, last): &(u64, u32, u32)| match count {
        0 => (0, 0, 0),
        _ => (count, times.at(part, first), times.at(part, last)),
    };
    // What is absent is no value, and has no first row.
    let none = std::iter::once((0, 0, 0));
    Ok(none.chain(counts[1..].iter().map(span)).collect())
}

/// Times of some rows of a part: chunks that hold none of them are not read.
struct Times {
    chunks: Vec<Vec<i64>>,
}

impl Times {
    /// Those of the first and last row of each string.
    fn of(part: &Part, counts: &[(u64, u32, u32)]) -> Result<Times> {
        let mut wanted = vec![false; part.chunks() as usize];
        for &(_, first, last) in counts[1..].iter().filter(|(count, ..)| *count > 0) {
            for row in [first, last] {
                wanted[part.chunk_of(row).0 as usize] = true;
            }
        }
        let mut chunks = vec![Vec::new(); wanted.len()];
        for (chunk, times) in chunks.iter_mut().enumerate() {
            if wanted[chunk] {
                part.ints(IntColumn::Time, chunk as u32, times)?;
            }
        }
        Ok(Times { chunks })
    }

    fn at(&self, part: &Part, row: u32) -> i64 {
        let (chunk, base) = part.chunk_of(row);
        self.chunks[chunk as usize][(row - base) as usize]
    }
}

/// Per string id: how many rows hold it, the first and the last of them. Index 0 counts the absent.
pub(crate) fn counts(part: &Part, column: TextColumn) -> Result<Vec<(u64, u32, u32)>> {
    let mut counts = vec![(0u64, 0u32, 0u32); part.strings(column) as usize + 1];
    match part {
        Part::Sealed(sealed) if sealed.stores(column) => {
            let mut present = 0;
            sealed.postings(column, 1, false, &mut |id, posting| {
                if let Some(slot) = counts.get_mut(id as usize) {
                    *slot = (u64::from(posting.count), posting.first, posting.last);
                }
                present += u64::from(posting.count);
                true
            })?;
            counts[0].0 = u64::from(sealed.header.rows) - present;
        }
        _ => {
            let (mut ids, mut row) = (Vec::new(), 0);
            for chunk in 0..part.chunks() {
                part.ids(column, chunk, &mut ids)?;
                for &id in &ids {
                    if part.dead().binary_search(&row).is_err() {
                        let slot = &mut counts[id as usize];
                        if slot.0 == 0 {
                            slot.1 = row;
                        }
                        slot.0 += 1;
                        slot.2 = row;
                    }
                    row += 1;
                }
            }
        }
    }
    Ok(counts)
}
