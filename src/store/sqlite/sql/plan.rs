//! Query plans: which conditions go down to the scan and in which order its rows come back.
//!
//! SQLite asks for a plan while it compiles a statement and hands the plan's text back with the
//! conditions' values when it runs it. The text is what `explain query plan` shows.
//!
//! Every condition is a superset of SQLite's own test, which runs again on each row unless it is
//! known to mean the same (`omit`). SQL's NULL semantics differ from a filter's: `<>` excludes
//! NULL, and so does the condition built from it.

use std::borrow::Cow;
use std::fmt::Write as _;

use rusqlite::ffi;
use rusqlite::types::ValueRef;
use rusqlite::vtab::{IndexFlags, IndexInfo};

use super::instant;
use super::ops::{OPS, Op, op};
use crate::model::column::{Column, Kind};
use crate::store::filter::Filter;
use crate::store::sqlite::measures::Amount;
use crate::store::sqlite::scan::ScanOrder;

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Event(Column),
    /// A number of a group of events.
    Amount(Amount),
    /// The begin of the hour UTC that an event's time lies in.
    Hour,
    /// Whether the event is the last of its request.
    Ended,
    /// Whether each request counts once.
    PerRequest,
    /// Whether columns that nobody reads in the end make no groups.
    Summed,
    /// By how many microseconds events may be ahead of the clock.
    Tolerance,
    /// Who asked, or in whose name.
    Identity,
    /// Of how many microseconds watches are no longer short.
    ShortUs,
}

impl Subject {
    /// The column of `events` whose kind and collation it has.
    fn column(self) -> Column {
        match self {
            Subject::Event(column) => column,
            Subject::Hour => Column::Time,
            Subject::Identity => Column::User,
            Subject::Ended
            | Subject::PerRequest
            | Subject::Summed
            | Subject::Tolerance
            | Subject::ShortUs => Column::Stage,
            Subject::Amount(_) => Column::RawBytes,
        }
    }

    fn name(self) -> Cow<'static, str> {
        let name = match self {
            Subject::Amount(amount) => return format!("{AMOUNT}{}", amount.name()).into(),
            Subject::Event(column) => column.name(),
            Subject::Hour => "hour",
            Subject::Ended => "ended",
            Subject::PerRequest => "per_request",
            Subject::Summed => "summed",
            Subject::Tolerance => "tolerance_us",
            Subject::Identity => "identity",
            Subject::ShortUs => "short_us",
        };
        name.into()
    }

    fn by_name(name: &str) -> Option<Subject> {
        if let Some(name) = name.strip_prefix(AMOUNT) {
            let amount = Amount::all().find(|amount| amount.name() == name);
            return amount.map(Subject::Amount);
        }
        match name {
            "hour" => Some(Subject::Hour),
            "ended" => Some(Subject::Ended),
            "per_request" => Some(Subject::PerRequest),
            "summed" => Some(Subject::Summed),
            "tolerance_us" => Some(Subject::Tolerance),
            "identity" => Some(Subject::Identity),
            "short_us" => Some(Subject::ShortUs),
            name => Column::by_name(name).map(Subject::Event),
        }
    }
}

/// What stands before the name of an amount, as events have `raw_bytes`, too.
const AMOUNT: &str = "group.";

/// A scan's conditions, in the order of their values, and its order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) conditions: Vec<(Subject, Op)>,
    pub(super) order: ScanOrder,
}

impl Plan {
    /// The text of the plan.
    fn to_text(&self) -> String {
        let mut text = match self.order {
            ScanOrder::Any => "any".to_owned(),
            ScanOrder::NewestFirst => "newest".to_owned(),
            ScanOrder::OldestFirst => "oldest".to_owned(),
            ScanOrder::ByReceivedTime => "received".to_owned(),
            ScanOrder::GroupedBy(column) => format!("grouped:{}", column.name()),
        };
        for (subject, op) in &self.conditions {
            let sign = OPS
                .iter()
                .find(|(known, _)| known == op)
                .map_or("", |(_, sign)| sign);
            let _ = write!(text, " {}:{sign}", subject.name());
        }
        text
    }

    /// Reads the text of a plan; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Plan> {
        let mut words = text.split(' ');
        let order = match words.next()? {
            "any" => ScanOrder::Any,
            "newest" => ScanOrder::NewestFirst,
            "oldest" => ScanOrder::OldestFirst,
            "received" => ScanOrder::ByReceivedTime,
            other => ScanOrder::GroupedBy(Column::by_name(other.strip_prefix("grouped:")?)?),
        };
        let condition = |word: &str| {
            let (subject, sign) = word.split_once(':')?;
            let op = OPS.iter().find(|(_, known)| *known == sign)?.0;
            Some((Subject::by_name(subject)?, op))
        };
        let conditions = words.map(condition).collect::<Option<_>>()?;
        Some(Plan { conditions, order })
    }
}

/// What a table says about itself for planning.
pub(super) struct Planned<'a> {
    /// What conditions on a column of the table (-1 is the row's id) are about, if they may go down.
    pub(super) subject: &'a dyn Fn(i32) -> Option<Subject>,
    /// The event column behind a column of the table by which rows can be ordered.
    pub(super) ordered: &'a dyn Fn(i32) -> Option<Column>,
    /// The order in which rows come unless another one is chosen; `None` if any can be had.
    pub(super) only_order: Option<ScanOrder>,
    /// What stands before the plan's text, where it must not be that of another table.
    pub(super) prefix: &'a str,
    /// Columns of times may be without their collation.
    pub(super) plain_times: bool,
    /// Events in the snapshot.
    pub(super) events: u64,
}

/// Columns with few distinct values, by which a scan can group cheaply.
const GROUPED: &[Column] = &[
    Column::TimeQuality,
    Column::Cluster,
    Column::Source,
    Column::Stage,
    Column::Level,
    Column::Verb,
    Column::User,
    Column::UserUid,
    Column::ImpersonatedUser,
    Column::UserAgent,
    Column::ApiGroup,
    Column::ApiVersion,
    Column::Resource,
    Column::Subresource,
    Column::Namespace,
    Column::Name,
    Column::Reason,
    Column::Outcome,
    Column::Decision,
    Column::DecisionReason,
    Column::FieldManager,
    Column::BodyQuality,
];

/// Chooses a plan and tells SQLite what it costs. Gives the columns of the table with conditions that
/// the scan decides alone.
pub(super) fn choose(info: &mut IndexInfo, table: &Planned<'_>) -> rusqlite::Result<Vec<i32>> {
    let offered: Vec<_> = info
        .constraints()
        .map(|offered| (offered.column(), offered.operator(), offered.is_usable()))
        .collect();
    let mut plan = Plan {
        conditions: Vec::new(),
        order: ScanOrder::Any,
    };
    let (mut rows, mut visited) = (table.events.max(1) as f64, table.events.max(1) as f64);
    let mut unique = false;
    let mut decided = Vec::new();
    for (at, (place, operator, usable)) in offered.into_iter().enumerate() {
        let Some(subject) = (table.subject)(place) else {
            continue;
        };
        let column = subject.column();
        let Some(op) = op(info, at, &operator)? else {
            continue;
        };
        if !usable {
            // Only the scan knows what words mean: ask for a plan in which they are known.
            if op == Op::Match {
                return Err(rusqlite::Error::SqliteFailure(
                    ffi::Error::new(ffi::SQLITE_CONSTRAINT),
                    None,
                ));
            }
            continue;
        }
        let exact = match subject {
            Subject::Ended
            | Subject::PerRequest
            | Subject::Summed
            | Subject::Tolerance
            | Subject::ShortUs => matches!(op, Op::Eq | Op::Is).then_some(true),
            Subject::Identity => (op == Op::Match).then_some(true),
            Subject::Amount(_) => {
                matches!(op, Op::Eq | Op::Lt | Op::Le | Op::Gt | Op::Ge).then_some(false)
            }
            _ => takes(info, at, column, op, table.plain_times)?,
        };
        let Some(exact) = exact else { continue };
        if op == Op::In && !info.set_in_constraint(at, true)? {
            continue;
        }
        plan.conditions.push((subject, op));
        let mut usage = info.constraint_usage(at);
        usage.set_argv_index(plan.conditions.len() as i32);
        usage.set_omit(exact);
        decided.extend(exact.then_some(place));
        if matches!(subject, Subject::Amount(_)) {
            continue;
        }
        let (kept, read) = selectivity(column, op);
        rows = (rows * kept).max(1.0);
        visited = (visited * read).max(1.0);
        unique |= column == Column::Id && op == Op::Eq;
    }
    if let Some(order) = order(info, table) {
        plan.order = order;
        info.set_order_by_consumed(true);
    } else if let Some(order) = table.only_order {
        plan.order = order;
    }
    info.set_estimated_rows(rows as i64);
    info.set_estimated_cost(20.0 + visited);
    if unique && table.only_order.is_none() {
        info.set_idx_flags(IndexFlags::SQLITE_INDEX_SCAN_UNIQUE);
    }
    info.set_idx_str(&format!("{}{}", table.prefix, plan.to_text()));
    Ok(decided)
}

/// Whether a condition goes down, and then whether the scan decides it exactly.
fn takes(
    info: &IndexInfo,
    at: usize,
    column: Column,
    op: Op,
    plain_times: bool,
) -> rusqlite::Result<Option<bool>> {
    if op == Op::Match {
        return Ok(Filter::takes_words(column).then_some(true));
    }
    let is_null = matches!(op, Op::IsNull | Op::NotNull);
    if is_null && column.is_list() {
        return Ok(Some(true));
    }
    // `sha256` is computed and `source_ips` matches any address: SQLite tests those.
    if matches!(column.kind(), Kind::Json | Kind::Bytes) || column == Column::Sha256 {
        return Ok(None);
    }
    if is_null {
        return Ok(Some(true));
    }
    let collation = info.collation(at)?;
    let binary = collation.eq_ignore_ascii_case("binary");
    // A value of another type is converted by affinities that the table is not told.
    let text = || matches!(info.rhs_value(at), Ok(Some(ValueRef::Text(text))) if std::str::from_utf8(text).is_ok());
    let whole = || matches!(info.rhs_value(at), Ok(Some(ValueRef::Integer(_))));
    Ok(match (column.kind(), op) {
        (Kind::Time | Kind::Int | Kind::Bool, Op::Like | Op::Glob) => None,
        // What a comparison with a time means is ours to say.
        (Kind::Time, _) => {
            let plain = plain_times && binary;
            (plain || collation.eq_ignore_ascii_case(instant::COLLATION)).then_some(true)
        }
        // Such a column cannot be read to be tested again.
        (Kind::Int, _) if plain_times && column.is_counting_condition() => {
            matches!(op, Op::Eq | Op::Lt | Op::Le | Op::Gt | Op::Ge).then_some(true)
        }
        // The values of a list come as SQLite compares them.
        (Kind::Int | Kind::Bool, Op::In) => Some(true),
        (Kind::Int | Kind::Bool, _) => Some(whole()),
        (_, Op::Like | Op::Glob) => Some(false),
        (_, Op::In) => binary.then_some(true),
        _ => binary.then(text),
    })
}

/// Guesses the share of rows that a condition keeps, and the share that the scan must look at.
fn selectivity(column: Column, op: Op) -> (f64, f64) {
    let few = matches!(op, Op::Eq | Op::In | Op::Is);
    let several = if op == Op::In { 4.0 } else { 1.0 };
    // Often NULL, which is no condition.
    if op == Op::Match {
        return (0.5, 0.5);
    }
    match column {
        Column::Id | Column::AuditId if few => (1e-9 * several, 1e-9 * several),
        Column::Time if few => (1e-6, 1e-6),
        Column::Id if op != Op::Ne => (0.1, 0.1),
        Column::Time if matches!(op, Op::Lt | Op::Le | Op::Gt | Op::Ge) => (0.25, 0.25),
        Column::User
        | Column::EffectiveUser
        | Column::Name
        | Column::Namespace
        | Column::SourceIp
            if few =>
        {
            (0.02 * several, 0.1 * several)
        }
        _ if few => (0.1 * several, 0.5),
        _ if matches!(op, Op::NotNull | Op::Ne | Op::IsNot) => (0.9, 1.0),
        _ => (0.3, 0.9),
    }
}

/// The scan order that satisfies the query's `order by`, `group by` or `distinct`.
fn order(info: &IndexInfo, table: &Planned<'_>) -> Option<ScanOrder> {
    let terms: Vec<(Column, bool)> = info
        .order_bys()
        .map(|term| (table.ordered)(term.column()).map(|column| (column, term.is_order_by_desc())))
        .collect::<Option<_>>()?;
    // SQLite offers a term only with its column's own collation.
    let order = match terms[..] {
        [(Column::Time, true)] | [(Column::Time, true), (Column::Id, true), ..] => {
            ScanOrder::NewestFirst
        }
        [(Column::Time, false)] | [(Column::Time, false), (Column::Id, false), ..] => {
            ScanOrder::OldestFirst
        }
        [(Column::ReceivedTime, false)]
        | [(Column::ReceivedTime, false), (Column::Time, false)]
        | [
            (Column::ReceivedTime, false),
            (Column::Time, false),
            (Column::Id, false),
            ..,
        ] => ScanOrder::ByReceivedTime,
        // Even where SQLite says that equal values need only stand together, a descending term
        // is a promise that it relies on (`group by verb order by verb desc`).
        [(column, false)] if GROUPED.contains(&column) => ScanOrder::GroupedBy(column),
        _ => return None,
    };
    table
        .only_order
        .is_none_or(|only| only == order)
        .then_some(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plans_text_reads_back() {
        let conditions: Vec<_> = OPS
            .iter()
            .zip(Column::ALL)
            .map(|((op, _), column)| (Subject::Event(*column), *op))
            .chain([(Subject::Hour, Op::Ge)])
            .chain(Amount::all().map(|amount| (Subject::Amount(amount), Op::Gt)))
            .collect();
        for order in [
            ScanOrder::Any,
            ScanOrder::NewestFirst,
            ScanOrder::OldestFirst,
            ScanOrder::ByReceivedTime,
            ScanOrder::GroupedBy(Column::Verb),
        ] {
            let plan = Plan {
                conditions: conditions.clone(),
                order,
            };
            assert_eq!(Plan::parse(&plan.to_text()), Some(plan));
        }
        assert_eq!(Plan::parse("any verb:~"), None);
        assert_eq!(Plan::parse(""), None);
    }
}
