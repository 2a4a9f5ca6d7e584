//! The most frequent values of a column over all events, where it has a great many: from how often
//! each string of each part occurs, without making texts of any but the most frequent.
//!
//! Whatever is not among the first strings of any part has at most as many events as the next one
//! has in each part, added up. So once the last value that is asked for has more than that, nothing
//! else can come before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::groups;
use super::inorder::in_order;
use super::layout::{Origin, TextColumn, origin};
use super::part::Part;
use super::scan::{PartSource, Snapshot};
use crate::model::value::Value;
use crate::store::{Answer, Budget, CountQuery, Result, RowSink, StoreError, Work};

/// With fewer strings than this all of them are counted.
const STRINGS_MIN: usize = 20_000;

/// How many strings of each part are looked at first, beside one for each value asked for.
const FIRST_LOOK: usize = 64;

/// Answers a count of all events by one column; false when it is for the general way to do.
pub(crate) fn give(
    snapshot: &Arc<Snapshot>,
    query: &CountQuery,
    budget: &Budget,
    answer: &mut Answer,
    sink: RowSink<'_>,
) -> Result<bool> {
    let Some(column) = asked(query) else {
        return Ok(false);
    };
    let mut work = Work::default();
    let limit = query.limit as usize;
    let sources = match Sources::read(snapshot, column, limit, budget, &mut work) {
        Ok(Some(sources)) => sources,
        // Which segment is left out is for the general way to say.
        Ok(None) | Err(StoreError::Damaged(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    // Where few values have most of the events the first look tells; each string that one finds is looked
    // up in every part, which is most of the work.
    let more = FIRST_LOOK + 4 * limit;
    for look in [FIRST_LOOK + limit, more, 16 * more] {
        budget.check()?;
        let Some(values) = sources.most_frequent(limit, look)? else {
            continue;
        };
        answer.stats.add(work);
        answer.truncated = true;
        for (text, count) in values {
            let text = text.map_or(Value::Null, Value::text);
            if sink(&[text, Value::Int(count as i64)]).is_break() {
                break;
            }
        }
        return Ok(true);
    }
    Ok(false)
}

/// The column, if a query is for the most frequent values of one among all events.
fn asked(query: &CountQuery) -> Option<TextColumn> {
    let all = query.filter.terms.is_empty()
        && query.filter.since.is_none()
        && query.filter.until.is_none()
        && query.step.is_none()
        && !query.last_stage_only
        && query.limit > 0;
    match query.by[..] {
        [column] if all && !column.is_list() => match origin(column) {
            Origin::Text(text) if text.fact().is_none() => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// How often the strings of a column occur.
struct Sources {
    column: TextColumn,
    absent: u64,
    /// Sealed segments, with the events of each string id; 0 is absent.
    parts: Vec<(Part, Vec<u32>)>,
    /// In all that is not sealed.
    unsealed: BTreeMap<String, u64>,
}

impl Sources {
    /// `None`, before anything is counted, where there are so few strings that all may be.
    fn read(
        snapshot: &Arc<Snapshot>,
        column: TextColumn,
        limit: usize,
        budget: &Budget,
        work: &mut Work,
    ) -> Result<Option<Sources>> {
        let mut sources = Sources {
            column,
            absent: 0,
            parts: Vec::new(),
            unsealed: BTreeMap::new(),
        };
        let (parts, pruned) = snapshot.parts(&Default::default());
        work.segments_pruned = pruned;
        let mut strings = Vec::with_capacity(parts.len());
        for part in &parts {
            // That it is opened says whoever counts it.
            if let PartSource::Sealed(_) = part.source {
                let part = part.open(&snapshot.shared, &mut Work::default())?;
                strings.push(part.strings(column) as usize + 1);
            }
        }
        let most = strings.iter().max().copied().unwrap_or(0);
        if strings.iter().sum::<usize>() < STRINGS_MIN || most <= limit + 1 {
            return Ok(None);
        }
        let count = |at: usize| {
            budget.check()?;
            let mut work = Work::default();
            let part = parts[at].open(&snapshot.shared, &mut work)?;
            let counts = match &part {
                Part::Sealed(sealed) if sealed.stores(column) => sealed.string_counts(column)?,
                part => {
                    let counts = groups::counts(part, column)?.into_iter();
                    counts.map(|(count, ..)| count as u32).collect()
                }
            };
            Ok((part, counts, work))
        };
        let take = |counted: Result<(Part, Vec<u32>, Work)>| {
            let (part, mut counts, done) = counted?;
            work.add(done);
            sources.absent += u64::from(std::mem::take(&mut counts[0]));
            match &part {
                Part::Sealed(_) => sources.parts.push((part, counts)),
                Part::Block(..) => {
                    for (id, count) in (0..).zip(counts).filter(|(_, count)| *count > 0) {
                        let text = part.string(column, id)?.to_owned();
                        *sources.unsealed.entry(text).or_default() += u64::from(count);
                    }
                }
            }
            Ok(())
        };
        in_order(parts.len(), parts.len() > 1, count, take)?;
        Ok(Some(sources))
    }

    /// The most frequent values, the absent one among them, if the `look` most frequent strings of
    /// every source tell.
    fn most_frequent(
        &self,
        limit: usize,
        look: usize,
    ) -> Result<Option<Vec<(Option<String>, u64)>>> {
        let mut candidates = BTreeSet::new();
        // What all others have at most.
        let mut others = 0;
        let first = |at: usize| {
            let (part, counts): &(Part, Vec<u32>) = &self.parts[at];
            let next = next_count(counts.clone(), look);
            let ids = (0..).zip(counts).filter(|(_, count)| **count > next);
            let texts = ids.map(|(id, _)| part.string(self.column, id).map(str::to_owned));
            Ok((next, texts.collect::<Result<Vec<String>>>()?))
        };
        let take = |firsts: Result<(u32, Vec<String>)>| {
            let (next, texts) = firsts?;
            others += u64::from(next);
            candidates.extend(texts);
            Ok(())
        };
        in_order(self.parts.len(), self.parts.len() > 1, first, take)?;
        let next = next_count(self.unsealed.values().copied().collect(), look);
        others += next;
        let frequent = self.unsealed.iter().filter(|(_, count)| **count > next);
        candidates.extend(frequent.map(|(text, _)| text.clone()));

        let mut values: Vec<(Option<String>, u64)> = Vec::with_capacity(candidates.len() + 1);
        values.extend((self.absent > 0).then_some((None, self.absent)));
        let candidates: Vec<String> = candidates.into_iter().collect();
        let mut totals: Vec<u64> = (candidates.iter())
            .map(|text| self.unsealed.get(text).copied().unwrap_or(0))
            .collect();
        let counts = |at: usize| {
            let (part, counts): &(Part, Vec<u32>) = &self.parts[at];
            let count = |text: &String| {
                let id = part.find(self.column, text)?;
                Ok(id.map_or(0, |id| counts[id as usize]))
            };
            candidates.iter().map(count).collect()
        };
        let take = |counts: Result<Vec<u32>>| {
            for (total, count) in totals.iter_mut().zip(counts?) {
                *total += u64::from(count);
            }
            Ok(())
        };
        in_order(self.parts.len(), self.parts.len() > 1, counts, take)?;
        values.extend(candidates.into_iter().map(Some).zip(totals));
        values.sort_by(|left, right| (right.1, &left.0).cmp(&(left.1, &right.0)));
        values.truncate(limit);
        let told = values.len() == limit && values.last().is_some_and(|(_, count)| *count > others);
        Ok(told.then_some(values))
    }
}

/// The count after the `look` greatest; 0 when there is none.
fn next_count<N: Ord + Copy + Default>(mut counts: Vec<N>, look: usize) -> N {
    if look >= counts.len() {
        return N::default();
    }
    *counts
        .select_nth_unstable_by(look, |left, right| right.cmp(left))
        .1
}
