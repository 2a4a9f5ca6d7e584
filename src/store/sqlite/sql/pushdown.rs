//! From a plan and its values to a filter.

mod hours;
mod times;

use rusqlite::types::ValueRef;
use rusqlite::vtab::Filters;

use super::instant;
use super::ops::{Op, around, compared};
use super::patterns::{glob, like_prefix};
use super::plan::{Plan, Subject};
use crate::model::column::{Column, Kind};
use crate::store::filter::{Filter, Pattern, Test};
use crate::store::sqlite::measures::Amount;
use crate::store::{Result, StoreError};

/// The filter that a plan and its values make; `None` when no row can match.
pub(super) fn filter(plan: &Plan, arguments: &Filters<'_>) -> Result<Option<Filter>> {
    Ok(building(plan, arguments, false)?.map(|building| building.filter))
}

/// What to count for `event_counts`.
pub(super) struct Counting {
    pub(super) filter: Filter,
    /// Each request counts once.
    pub(super) per_request: bool,
    /// Groups are told apart by columns only whose values are read in the end.
    pub(super) summed: bool,
    /// Of how many microseconds watches are no longer short, where that is said.
    pub(super) short_us: Option<i64>,
    /// Between which numbers amounts of a group must be; others may be left out.
    pub(super) having: Vec<(Amount, (i64, i64))>,
}

/// The same for `event_counts`.
pub(super) fn counted(plan: &Plan, arguments: &Filters<'_>) -> Result<Option<Counting>> {
    let building = building(plan, arguments, true)?;
    Ok(building.map(|building| Counting {
        filter: building.filter,
        per_request: building.per_request,
        summed: building.summed,
        short_us: building.short_us,
        having: building.having,
    }))
}

/// The same for a pass.
pub(super) struct Passing {
    pub(super) filter: Filter,
    /// Words that the user must match, or in whose name they acted.
    pub(super) identity: Option<String>,
    /// By how many microseconds events may be ahead of the clock.
    pub(super) tolerance: i64,
}

/// What a pass looks at.
pub(super) fn passed(plan: &Plan, arguments: &Filters<'_>) -> Result<Option<Passing>> {
    let building = building(plan, arguments, false)?;
    Ok(building.map(|building| Passing {
        filter: building.filter,
        identity: building.identity,
        tolerance: building.tolerance.unwrap_or(0),
    }))
}

fn building(plan: &Plan, arguments: &Filters<'_>, counting: bool) -> Result<Option<Building>> {
    let mut building = Building {
        counting,
        ..Building::default()
    };
    for (at, (&(subject, op), value)) in plan.conditions.iter().zip(arguments.iter()).enumerate() {
        match subject {
            Subject::Event(column) if op == Op::In => building.is_in(column, arguments, at)?,
            Subject::Event(column) => building.condition(column, op, value)?,
            Subject::Amount(amount) => building.amount(amount, op, value),
            Subject::Ended => match building.truth("ended", value)? {
                Some(true) => building.filter.push(Test::Ended),
                Some(false) => building.filter.push_not(Test::Ended),
                None => {}
            },
            Subject::PerRequest => {
                building.per_request |= building.truth("per_request", value)? == Some(true);
            }
            Subject::Summed => {
                building.summed |= building.truth("summed", value)? == Some(true);
            }
            Subject::Identity => building.identity(value)?,
            Subject::Tolerance => {
                let micros = building.micros("tolerance_us", value)?;
                building.only(micros, |building| &mut building.tolerance);
            }
            Subject::ShortUs => {
                let micros = building.micros("short_us", value)?;
                building.only(micros, |building| &mut building.short_us);
            }
            Subject::Hour if op == Op::In => building.hour_in(arguments, at)?,
            Subject::Hour => building.hour(op, value)?,
        }
    }
    Ok((!building.empty).then_some(building))
}

#[derive(Default)]
struct Building {
    filter: Filter,
    empty: bool,
    /// Conditions are on `event_counts`.
    counting: bool,
    per_request: bool,
    summed: bool,
    tolerance: Option<i64>,
    identity: Option<String>,
    short_us: Option<i64>,
    having: Vec<(Amount, (i64, i64))>,
}

impl Building {
    fn condition(&mut self, column: Column, op: Op, value: ValueRef<'_>) -> Result<()> {
        let null = matches!(value, ValueRef::Null);
        match op {
            Op::Match => self.words(column, value)?,
            Op::IsNull => self.filter.push(Test::Absent { column }),
            Op::NotNull => self.filter.push_not(Test::Absent { column }),
            Op::Is if null => self.filter.push(Test::Absent { column }),
            Op::IsNot if null => self.filter.push_not(Test::Absent { column }),
            _ if null => self.empty = true,
            _ => match column.kind() {
                Kind::Time => self.time(column, op, value)?,
                Kind::Int | Kind::Bool => self.number(column, op, value)?,
                _ => self.text(column, op, value),
            },
        }
        Ok(())
    }

    /// What a column that is there for conditions only is compared with; NULL matches nothing.
    fn truth(&mut self, name: &str, value: ValueRef<'_>) -> Result<Option<bool>> {
        match value {
            ValueRef::Integer(number @ 0..=1) => Ok(Some(number == 1)),
            ValueRef::Null => {
                self.empty = true;
                Ok(None)
            }
            _ => Err(StoreError::BadRequest(format!(
                "{name} is compared with something else than 0 and 1; write {name} = 1"
            ))),
        }
    }

    /// As with [`Building::truth`].
    fn micros(&mut self, name: &str, value: ValueRef<'_>) -> Result<Option<i64>> {
        match value {
            ValueRef::Integer(micros) => Ok(Some(micros)),
            ValueRef::Null => {
                self.empty = true;
                Ok(None)
            }
            _ => Err(StoreError::BadRequest(format!(
                "{name} is compared with something else than whole microseconds; write \
                 {name} = 1000000"
            ))),
        }
    }

    /// Nothing is two numbers at once.
    fn only(&mut self, number: Option<i64>, known: impl FnOnce(&mut Building) -> &mut Option<i64>) {
        if let Some(number) = number {
            let known = known(self).replace(number);
            self.empty |= known.is_some_and(|known| known != number);
        }
    }

    /// Numbers are tested again by SQLite unless they cannot be read; then another type than a number,
    /// which SQLite may convert, is refused, and otherwise it narrows nothing.
    fn number(&mut self, column: Column, op: Op, value: ValueRef<'_>) -> Result<()> {
        let (low, high) = match around(value) {
            Some(around) => around,
            None if self.counting && column.is_counting_condition() => {
                let name = column.name();
                return Err(StoreError::BadRequest(format!(
                    "{name} is compared with something else than a number"
                )));
            }
            None => return Ok(()),
        };
        let any = match compared(op, (low, high)) {
            Some(any) => any,
            None if matches!(value, ValueRef::Integer(_)) => {
                let any = vec![(low, low)];
                self.exclude(Test::Number { column, any }, column, op);
                return Ok(());
            }
            None => return Ok(()),
        };
        self.empty |= any.is_none();
        let any = any.into_iter().collect();
        self.filter.push(Test::Number { column, any });
        Ok(())
    }

    /// What a group's amount is compared with, which SQLite tests again.
    fn amount(&mut self, amount: Amount, op: Op, value: ValueRef<'_>) {
        match around(value).and_then(|around| compared(op, around)) {
            Some(Some(range)) => self.having.push((amount, range)),
            Some(None) => self.empty = true,
            // What SQLite may convert.
            None => {}
        }
    }

    fn text(&mut self, column: Column, op: Op, value: ValueRef<'_>) {
        let Some(text) = utf8(value) else { return };
        let pattern = match op {
            Op::Eq | Op::Is => Pattern::Is(text.to_owned()),
            Op::Lt => Pattern::Range(None, Some((text.to_owned(), false))),
            Op::Le => Pattern::Range(None, Some((text.to_owned(), true))),
            Op::Gt => Pattern::Range(Some((text.to_owned(), false)), None),
            Op::Ge => Pattern::Range(Some((text.to_owned(), true)), None),
            Op::Like => match like_prefix(text) {
                "" => return,
                prefix => Pattern::Prefix(prefix.to_owned()),
            },
            Op::Glob => match glob(text) {
                Some(pattern) => pattern,
                None => return,
            },
            _ => {
                let any = vec![Pattern::Is(text.to_owned())];
                return self.exclude(Test::Text { column, any }, column, op);
            }
        };
        self.filter.push(Test::Text {
            column,
            any: vec![pattern],
        });
    }

    fn words(&mut self, column: Column, value: ValueRef<'_>) -> Result<()> {
        let name = column.name();
        let Some(words) = words(name, value)? else {
            return Ok(());
        };
        self.filter
            .push_words(column, &words)
            .map_err(|error| StoreError::BadRequest(format!("{name} match {words:?}: {error}")))
    }

    fn identity(&mut self, value: ValueRef<'_>) -> Result<()> {
        let Some(words) = words("identity", value)? else {
            return Ok(());
        };
        match self.identity.replace(words) {
            None => Ok(()),
            Some(_) => Err(StoreError::BadRequest(
                "identity is matched twice; write one list".into(),
            )),
        }
    }

    /// `<>` excludes NULL as well, `is not` does not.
    fn exclude(&mut self, test: Test, column: Column, op: Op) {
        self.filter.push_not(test);
        if op == Op::Ne {
            self.filter.push_not(Test::Absent { column });
        }
    }

    fn is_in(&mut self, column: Column, arguments: &Filters<'_>, at: usize) -> Result<()> {
        use rusqlite::fallible_iterator::FallibleIterator as _;
        let failed = |error: rusqlite::Error| StoreError::Io(error.to_string());
        let mut values = arguments.in_values(at).map_err(failed)?;
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        while let Some(value) = values.next().map_err(failed)? {
            match (column.kind(), value) {
                (_, ValueRef::Null) => {}
                (Kind::Time, value) => {
                    numbers.extend(instant::from_value(value)?.map(|at| (at, at)));
                }
                // SQLite has converted the values to the column's type where that is possible: what is of
                // another type equals nothing in it.
                (Kind::Int | Kind::Bool, ValueRef::Integer(number)) => {
                    numbers.push((number, number));
                }
                (Kind::Text, value) => {
                    texts.extend(utf8(value).map(|text| Pattern::Is(text.to_owned())));
                }
                _ => {}
            }
        }
        if numbers.is_empty() && texts.is_empty() {
            self.empty = true;
        } else if column.kind() == Kind::Text {
            self.filter.push(Test::Text { column, any: texts });
        } else {
            if column == Column::Time {
                let first = numbers
                    .iter()
                    .map(|range| range.0)
                    .min()
                    .unwrap_or(i64::MIN);
                let last = numbers
                    .iter()
                    .map(|range| range.1)
                    .max()
                    .unwrap_or(i64::MAX);
                self.time_range((first, last));
            }
            self.filter.push(Test::Number {
                column,
                any: numbers,
            });
        }
        Ok(())
    }
}

/// What stands to the right of `match`; NULL is no condition.
fn words(name: &str, value: ValueRef<'_>) -> Result<Option<String>> {
    let no_text = || StoreError::BadRequest(format!("{name} match: the words are no text"));
    Ok(match value {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        value => Some(utf8(value).ok_or_else(no_text)?.to_owned()),
    })
}

fn utf8(value: ValueRef<'_>) -> Option<&str> {
    match value {
        ValueRef::Text(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}
