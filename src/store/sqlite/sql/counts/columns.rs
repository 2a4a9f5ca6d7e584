//! The columns of `event_counts`.

use std::sync::LazyLock;

use crate::model::column::{Column, Kind};
use crate::store::StoreError;
use crate::store::sqlite::measures::Amount;
use crate::store::sqlite::shares::Share;
use crate::store::sqlite::sql::events::declaration;

/// Watches of fewer microseconds are short unless a statement says otherwise; others last for minutes.
pub(super) const SHORT_US: i64 = 60_000_000;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Hour,
    /// Events are told apart by it.
    Group(Column),
    Amount(Amount),
    FirstTime,
    LastTime,
    LastError,
    /// The users with the most of the events.
    TopUsers,
    /// Whether the event is the last of its request.
    Ended,
    /// Whether each request counts once.
    PerRequest,
    /// Whether columns that nobody reads in the end make no groups.
    Summed,
    /// Which watches are short.
    ShortUs,
    /// For conditions only, and left out of `select *`.
    Condition(Column),
}

/// The table's columns in their order.
pub(super) static COLUMNS: LazyLock<Vec<Shown>> = LazyLock::new(|| {
    let columns = || Column::ALL.iter().copied();
    let groups = columns().filter(|column| column.is_grouping());
    let conditions = columns().filter(|column| column.is_counting_condition());
    [Shown::Hour, Shown::Amount(Amount::Events)]
        .into_iter()
        .chain([Shown::FirstTime, Shown::LastTime])
        .chain([Amount::RawBytes, Amount::MeanLatency].map(Shown::Amount))
        .chain(Share::ENDINGS.map(|share| Shown::Amount(Amount::Share(share))))
        .chain([Shown::LastError])
        .chain(Share::WATCHING.map(|share| Shown::Amount(Amount::Share(share))))
        .chain([Amount::MeanWatch, Amount::Users].map(Shown::Amount))
        .chain([Shown::TopUsers])
        .chain(groups.map(Shown::Group))
        .chain([Shown::Ended, Shown::PerRequest, Shown::Summed])
        .chain([Shown::ShortUs])
        .chain(conditions.map(Shown::Condition))
        .collect()
});

/// A place among the table's columns.
pub(super) fn place_of(shown: Shown) -> usize {
    let at = COLUMNS.iter().position(|&known| known == shown);
    at.unwrap_or_default()
}

impl Shown {
    /// Whether it is there for conditions only, and left out of `select *`.
    pub(super) fn is_hidden(self) -> bool {
        matches!(
            self,
            Shown::Ended | Shown::PerRequest | Shown::Summed | Shown::ShortUs | Shown::Condition(_)
        )
    }

    /// Of a column that is there for conditions only.
    pub(super) fn no_value(self) -> StoreError {
        let name = self.name();
        let instead = match self {
            Shown::Condition(Column::Time) => "select hour".to_owned(),
            Shown::Ended | Shown::PerRequest | Shown::Summed => format!("write {name} = 1"),
            Shown::ShortUs => format!("write {name} = {SHORT_US}"),
            _ => format!("compare it with `{name} match :words`, or select from events"),
        };
        StoreError::BadRequest(format!(
            "event_counts has no value of {name}, which is there for conditions that are joined with \
             `and`; {instead}"
        ))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Shown::Hour => "hour",
            Shown::Amount(amount) => amount.name(),
            Shown::FirstTime => "first_time",
            Shown::LastTime => "last_time",
            Shown::LastError => "last_error",
            Shown::TopUsers => "top_users",
            Shown::Ended => "ended",
            Shown::PerRequest => "per_request",
            Shown::Summed => "summed",
            Shown::ShortUs => "short_us",
            Shown::Group(column) | Shown::Condition(column) => column.name(),
        }
    }
}

/// SQLite loses the collation of a hidden column when it takes the word out of its type.
pub(in crate::store::sqlite::sql) fn hidden(name: &str, kind: Kind) -> String {
    let declared = declaration(name, kind);
    let plain = declared.split(" COLLATE ").next().unwrap_or_default();
    format!("{plain} HIDDEN")
}
