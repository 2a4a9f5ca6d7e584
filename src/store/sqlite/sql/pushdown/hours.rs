//! Conditions on the begin of the hour that events lie in, as conditions on their time.

use rusqlite::types::ValueRef;
use rusqlite::vtab::Filters;

use super::Building;
use crate::model::column::Column;
use crate::store::filter::Test;
use crate::store::sqlite::rollup::HOUR;
use crate::store::sqlite::sql::instant;
use crate::store::sqlite::sql::ops::Op;
use crate::store::sqlite::tally::begin;
use crate::store::{Result, StoreError};

impl Building {
    /// A condition on the begin of the hour, as one on the time.
    pub(super) fn hour(&mut self, op: Op, value: ValueRef<'_>) -> Result<()> {
        let null = matches!(value, ValueRef::Null);
        match op {
            // Every event has a time.
            Op::NotNull => return Ok(()),
            Op::IsNot if null => return Ok(()),
            Op::IsNull => self.empty = true,
            _ if null => self.empty = true,
            _ => {}
        }
        let Some(at) = instant::from_value(value)? else {
            self.empty = true;
            return Ok(());
        };
        let this = begin(at, HOUR);
        let next = this.saturating_add(HOUR);
        let from = if this == at { this } else { next };
        match op {
            Op::Lt => self.time_range((i64::MIN, from.saturating_sub(1))),
            Op::Le => self.time_range((i64::MIN, next.saturating_sub(1))),
            Op::Gt => self.time_range((next, i64::MAX)),
            Op::Ge => self.time_range((from, i64::MAX)),
            Op::Eq | Op::Is if this == at => self.time_range((this, next.saturating_sub(1))),
            Op::Eq | Op::Is => self.empty = true,
            _ if this == at => self.filter.push_not(Test::Number {
                column: Column::Time,
                any: vec![(this, next.saturating_sub(1))],
            }),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn hour_in(&mut self, arguments: &Filters<'_>, at: usize) -> Result<()> {
        use rusqlite::fallible_iterator::FallibleIterator as _;
        let failed = |error: rusqlite::Error| StoreError::Io(error.to_string());
        let mut values = arguments.in_values(at).map_err(failed)?;
        let mut any = Vec::new();
        while let Some(value) = values.next().map_err(failed)? {
            let at = instant::from_value(value)?;
            let whole = at.filter(|&at| begin(at, HOUR) == at);
            any.extend(whole.map(|at| (at, at.saturating_add(HOUR - 1))));
        }
        match any.iter().map(|range| range.0).min() {
            None => self.empty = true,
            Some(first) => {
                let last = any.iter().map(|range| range.1).max();
                self.time_range((first, last.unwrap_or(i64::MAX)));
                self.filter.push(Test::Number {
                    column: Column::Time,
                    any,
                });
            }
        }
        Ok(())
    }
}
