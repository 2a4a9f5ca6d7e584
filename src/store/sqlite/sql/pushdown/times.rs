//! Conditions on times.

use rusqlite::types::ValueRef;

use super::{Building, instant};
use crate::model::column::Column;
use crate::store::Result;
use crate::store::filter::Test;
use crate::store::sqlite::sql::ops::Op;

impl Building {
    pub(super) fn time(&mut self, column: Column, op: Op, value: ValueRef<'_>) -> Result<()> {
        let Some(at) = instant::from_value(value)? else {
            self.empty = true;
            return Ok(());
        };
        let range = match op {
            Op::Eq | Op::Is => (at, at),
            Op::Lt => (i64::MIN, at.saturating_sub(1)),
            Op::Le => (i64::MIN, at),
            Op::Gt => (at.saturating_add(1), i64::MAX),
            Op::Ge => (at, i64::MAX),
            _ => {
                self.exclude(
                    Test::Number {
                        column,
                        any: vec![(at, at)],
                    },
                    column,
                    op,
                );
                return Ok(());
            }
        };
        if column == Column::Time {
            self.time_range(range);
        } else {
            self.filter.push(Test::Number {
                column,
                any: vec![range],
            });
        }
        Ok(())
    }

    /// Narrows the filter's own time range, which prunes whole segments.
    pub(super) fn time_range(&mut self, (first, last): (i64, i64)) {
        let filter = &mut self.filter;
        if first > i64::MIN {
            filter.since = Some(filter.since.map_or(first, |since| since.max(first)));
        }
        if let (true, Some(until)) = (last < i64::MAX, last.checked_add(1)) {
            filter.until = Some(filter.until.map_or(until, |known| known.min(until)));
        }
        if let (Some(since), Some(until)) = (filter.since, filter.until) {
            self.empty |= since >= until;
        }
    }
}
