//! Which rows a scan has to look at, from lists of rows.

use super::idset::IdSet;
use super::layout::TextColumn;
use super::part::Part;
use super::predicate::Predicate;
use super::rowset::RowSet;
use super::sealed::Sealed;
use crate::limits::CHUNK_ROWS;
use crate::store::Result;

/// Lists are used when one of them leaves out at least this share of the rows.
const SHARE: u64 = 8;

/// Lists of at most this share of the rows are not worth a bit for every row.
const FEW_SHARE: u64 = 64;

/// Strings whose lists are put together at most.
const STRINGS_MAX: u32 = 64;

/// What a scan is left with.
pub(crate) struct Candidates {
    /// Rows to look at, ascending; all when `None`.
    pub(crate) rows: Option<Vec<u32>>,
    /// What must be tested row by row, what leaves out most first.
    pub(crate) predicates: Vec<Predicate>,
    /// What the rows were chosen by and hold for sure.
    pub(crate) decided: Vec<Predicate>,
}

/// Rows that lists leave.
enum Chosen {
    /// Ascending.
    Few(Vec<u32>),
    Many(RowSet),
}

impl Chosen {
    fn clip(&mut self, low: u32, high: u32) {
        match self {
            Chosen::Few(rows) => rows.retain(|row| (low..high).contains(row)),
            Chosen::Many(set) => set.clip(low, high),
        }
    }

    fn len(&self) -> usize {
        match self {
            Chosen::Few(rows) => rows.len(),
            Chosen::Many(set) => set.len(),
        }
    }

    /// Keeps what is listed, or what is not.
    fn cut(&mut self, listed: &RowSet, exclude: bool) {
        match self {
            Chosen::Few(rows) => rows.retain(|&row| listed.holds(row) != exclude),
            Chosen::Many(set) if exclude => set.drop_all(listed),
            Chosen::Many(set) => set.keep(listed),
        }
    }

    fn rows(self) -> Vec<u32> {
        match self {
            Chosen::Few(rows) => rows,
            Chosen::Many(set) => set.rows(),
        }
    }
}

/// A predicate as lists of rows.
struct Lists {
    predicate: usize,
    column: TextColumn,
    ids: Vec<u32>,
    /// The rows are those that do not match.
    exclude: bool,
    /// Rows in the lists.
    count: u64,
    /// Rows that match.
    kept: u64,
    /// The lists say all that the predicate does.
    whole: bool,
}

impl Candidates {
    /// Rows in `low..high` from the lists that the predicates allow, if these leave out most rows.
    pub(crate) fn new(
        part: &Part,
        predicates: Vec<Predicate>,
        (low, high): (u32, u32),
    ) -> Result<Candidates> {
        let mut candidates = Candidates {
            rows: None,
            predicates,
            decided: Vec::new(),
        };
        if let Some(mut rows) = by_audit_id(part, &candidates.predicates)? {
            rows.retain(|row| (low..high).contains(row));
            candidates.rows = Some(rows);
            return Ok(candidates);
        }
        if let Part::Sealed(sealed) = part {
            candidates.choose(sealed, (low, high))?;
        }
        Ok(candidates)
    }

    fn choose(&mut self, sealed: &Sealed, (low, high): (u32, u32)) -> Result<()> {
        let mut lists = Vec::new();
        for (at, predicate) in self.predicates.iter().enumerate() {
            let found = match predicate {
                Predicate::Ids(column, set) => Lists::new(sealed, at, *column, set, true)?,
                Predicate::Pairs(pairs) if !pairs.negate => match &pairs.any[..] {
                    [[first, _]] => Lists::new(sealed, at, pairs.columns[0], first, false)?,
                    _ => None,
                },
                _ => None,
            };
            lists.extend(found);
        }
        lists.sort_by_key(|lists| lists.kept);
        let rows = u64::from(sealed.header.rows);
        let begun = lists
            .iter()
            .position(|lists| !lists.exclude && lists.count * SHARE <= rows);
        let mut decided = vec![false; self.predicates.len()];
        if let Some(begun) = begun {
            let first = lists.remove(begun);
            let mut chosen = first.chosen(sealed)?;
            chosen.clip(low, high);
            decided[first.predicate] = first.whole;
            let mut left = chosen.len();
            for lists in &lists {
                if left == 0 {
                    break;
                }
                let chunks = (high - low) as usize / CHUNK_ROWS + 1;
                if lists.cost(rows) < testing_cost(left, chunks) {
                    let listed = sealed.rows_with(lists.column, &lists.ids)?;
                    chosen.cut(&listed, lists.exclude);
                    decided[lists.predicate] = lists.whole;
                    left = chosen.len();
                }
            }
            self.rows = Some(chosen.rows());
        }
        // A number that is asked for is a rare one; what nothing is known of stands in the middle.
        let guess = |predicate: &Predicate| match predicate {
            Predicate::Number { negate: false, .. } => rows / 16,
            _ => rows / 2,
        };
        let mut kept: Vec<u64> = self.predicates.iter().map(guess).collect();
        for lists in &lists {
            kept[lists.predicate] = lists.kept;
        }
        let mut rest: Vec<_> = self.predicates.drain(..).zip(kept).enumerate().collect();
        rest.sort_by_key(|(_, (_, kept))| *kept);
        for (at, (predicate, _)) in rest {
            match decided[at] {
                true => self.decided.push(predicate),
                false => self.predicates.push(predicate),
            }
        }
        Ok(())
    }
}

impl Lists {
    /// The lists of what is in the set, or, if the set holds rows without a string, of what is not;
    /// `None` when there are none or too many.
    fn new(
        sealed: &Sealed,
        predicate: usize,
        column: TextColumn,
        set: &IdSet,
        whole: bool,
    ) -> Result<Option<Lists>> {
        if !column.has_postings() || !sealed.stores(column) {
            return Ok(None);
        }
        let exclude = set.holds(0);
        let strings = sealed.strings(column);
        let many = match exclude {
            true => strings + 1 - set.count(),
            false => set.count(),
        };
        if many > STRINGS_MAX {
            return Ok(None);
        }
        let ids: Vec<u32> = match exclude {
            true => (1..=strings).filter(|&id| !set.holds(id)).collect(),
            false => set.ids().collect(),
        };
        let count = sealed.count_of_all(column, &ids)?;
        let rows = u64::from(sealed.header.rows);
        Ok(Some(Lists {
            predicate,
            column,
            exclude,
            count,
            kept: if exclude {
                rows.saturating_sub(count)
            } else {
                count
            },
            whole,
            ids,
        }))
    }

    fn chosen(&self, sealed: &Sealed) -> Result<Chosen> {
        Ok(
            match self.count * FEW_SHARE <= u64::from(sealed.header.rows) {
                true => Chosen::Few(sealed.few_rows_with(self.column, &self.ids)?),
                false => Chosen::Many(RowSet::clone(&*sealed.rows_with(self.column, &self.ids)?)),
            },
        )
    }

    /// What reading them takes, in nanoseconds, about: a long list is one of bits.
    fn cost(&self, rows: u64) -> u64 {
        let each = self.ids.len() as u64;
        10_000 * each + (2 * self.count).min(each * rows / 16)
    }
}

/// What testing so many rows takes, in nanoseconds, about: most of it is reading their chunks.
fn testing_cost(rows: usize, chunks: usize) -> u64 {
    rows.min(chunks) as u64 * 8_000 + rows as u64 * 3
}

/// The rows of an audit id that is asked for.
fn by_audit_id(part: &Part, predicates: &[Predicate]) -> Result<Option<Vec<u32>>> {
    for predicate in predicates {
        if let Predicate::AuditId {
            any,
            patterns,
            negate: false,
        } = predicate
            && patterns.is_empty()
        {
            let mut rows = Vec::new();
            for (key, _) in any {
                rows.extend(part.audit_rows(key)?);
            }
            rows.sort_unstable();
            rows.dedup();
            return Ok(Some(rows));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use crate::model::column::Column;
    use crate::model::normalise::normalise;
    use crate::store::filter::{Filter, Pattern, Test};
    use crate::store::{Budget, EventQuery, OpenOptions, open_write};

    #[test]
    fn only_rows_that_all_lists_allow_are_visited() {
        let dir = tempfile::tempdir().unwrap();
        let store = open_write(dir.path(), &OpenOptions::default()).unwrap();
        let mut batch = store.batch("c", "test");
        for n in 0..20_000 {
            let resource = if n % 20 == 0 { "nodes" } else { "pods" };
            let verb = if n % 40 == 0 { "patch" } else { "get" };
            let subresource = if n % 3 == 0 {
                r#","subresource":"status""#
            } else {
                ""
            };
            let line = format!(
                r#"{{"level":"Metadata","auditID":"a{n}","stage":"ResponseComplete","requestURI":"/x","verb":"{verb}","user":{{"username":"u"}},"objectRef":{{"resource":"{resource}"{subresource}}},"stageTimestamp":"2026-11-20T{:02}:{:02}:{:02}.000000Z"}}"#,
                n / 3600,
                n / 60 % 60,
                n % 60,
            );
            let (event, content) = normalise("c", line.as_bytes()).unwrap();
            batch.event(&event, line.as_bytes(), content);
        }
        batch.commit().unwrap();
        store.seal(true).unwrap();
        let is = |column, any: &[&str]| Test::Text {
            column,
            any: any.iter().map(|text| Pattern::Is((*text).into())).collect(),
        };
        let mut filter = Filter::default();
        filter.push(is(Column::Resource, &["nodes"]));
        filter.push(is(Column::Verb, &["patch", "update"]));
        filter.push(Test::Absent {
            column: Column::Subresource,
        });
        filter.push_not(is(Column::Verb, &["get"]));
        let query = EventQuery {
            filter,
            columns: vec![Column::Id],
            ..EventQuery::default()
        };
        let mut rows = 0;
        let answer = store.events(&query, &Budget::new(None), &mut |_| {
            rows += 1;
            ControlFlow::Continue(())
        });
        let expected = (0..20_000).filter(|n| n % 40 == 0 && n % 3 != 0).count();
        assert_eq!(rows, expected);
        assert_eq!(answer.unwrap().stats.rows_visited, expected as u64);
    }
}
