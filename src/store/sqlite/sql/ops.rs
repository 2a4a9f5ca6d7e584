//! How conditions compare: as SQLite offers them to a table, and as a plan's text names them.

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
