//! How conditions compare: as SQLite offers them to a table, as a plan's text names them, and with numbers.

use rusqlite::types::ValueRef;
use rusqlite::vtab::{IndexConstraintOp, IndexInfo};

/// How a condition compares its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    In,
    Ne,
    Is,
    IsNot,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
    Glob,
    Match,
    IsNull,
    NotNull,
}

pub(super) const OPS: [(Op, &str); 14] = [
    (Op::Eq, "="),
    (Op::In, "in"),
    (Op::Ne, "<>"),
    (Op::Is, "is"),
    (Op::IsNot, "isnot"),
    (Op::Lt, "<"),
    (Op::Le, "<="),
    (Op::Gt, ">"),
    (Op::Ge, ">="),
    (Op::Like, "like"),
    (Op::Glob, "glob"),
    (Op::Match, "match"),
    (Op::IsNull, "isnull"),
    (Op::NotNull, "notnull"),
];

/// How the condition at a place compares; `None` where no table can tell.
pub(super) fn op(
    info: &IndexInfo,
    at: usize,
    op: &IndexConstraintOp,
) -> rusqlite::Result<Option<Op>> {
    Ok(Some(match op {
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ if info.is_in_constraint(at)? => Op::In,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ => Op::Eq,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_NE => Op::Ne,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_IS => Op::Is,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_ISNOT => Op::IsNot,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LT => Op::Lt,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LE => Op::Le,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GT => Op::Gt,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GE => Op::Ge,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LIKE => Op::Like,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GLOB => Op::Glob,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_MATCH => Op::Match,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_ISNULL => Op::IsNull,
        IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_ISNOTNULL => Op::NotNull,
        _ => return Ok(None),
    }))
}

/// The whole numbers next to a number, twice the same if it is one; floats saturate.
pub(super) fn around(value: ValueRef<'_>) -> Option<(i64, i64)> {
    match value {
        ValueRef::Integer(number) => Some((number, number)),
        ValueRef::Real(number) => Some((number.floor() as i64, number.ceil() as i64)),
        _ => None,
    }
}

/// The range of numbers that compare so with one between two whole numbers, if any do; `None` where
/// that is no range.
pub(super) fn compared(op: Op, (low, high): (i64, i64)) -> Option<Option<(i64, i64)>> {
    Some(match op {
        Op::Eq | Op::Is => (low == high).then_some((low, low)),
        // Floats saturate into integers.
        Op::Lt if high == i64::MAX => Some((i64::MIN, i64::MAX)),
        Op::Lt if high == i64::MIN => None,
        Op::Lt => Some((i64::MIN, high - 1)),
        Op::Le => Some((i64::MIN, low)),
        Op::Gt if low == i64::MIN => Some((i64::MIN, i64::MAX)),
        Op::Gt if low == i64::MAX => None,
        Op::Gt => Some((low + 1, i64::MAX)),
        Op::Ge => Some((high, i64::MAX)),
        _ => return None,
    })
}
