//! What the tables of SQL are and what their columns mean, for documents, `.schema` and completion.
//! A test compares them with what a statement sees.

mod tables;

pub use tables::TABLES;

use crate::model::column::{Column, Kind};

/// A table of SQL.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    pub doc: &'static str,
    columns: &'static [(&'static str, Kind, &'static str)],
    /// What there is to know about asking it.
    pub note: &'static str,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableColumn {
    pub name: &'static str,
    pub kind: Kind,
    /// Empty where the name says it, or `events` does.
    pub doc: &'static str,
}

/// What conditions on `repeated_audit_ids` may be about.
const REPEATED: &[Column] = &[
    Column::Time,
    Column::Stage,
    Column::SourceIps,
    Column::Resource,
    Column::Namespace,
    Column::Name,
];

impl Table {
    /// The table of this name.
    pub fn by_name(name: &str) -> Option<&'static Table> {
        TABLES.iter().find(|table| table.name == name)
    }

    /// Columns that are there for conditions only, and not in [`Table::columns`].
    pub fn conditions(&self) -> impl Iterator<Item = &'static str> + use<> {
        let name = self.name;
        let conditions = Column::ALL.iter().filter(move |column| match name {
            "event_counts" => column.is_counting_condition(),
            "event_delays" | "reused_audit_ids" => **column == Column::Time,
            "repeated_audit_ids" => REPEATED.contains(*column),
            _ => false,
        });
        let more: &[_] = match name {
            "event_counts" => &["ended", "per_request", "summed"],
            "event_delays" => &["tolerance_us"],
            "repeated_audit_ids" => &["identity"],
            _ => &[],
        };
        conditions
            .map(|column| column.name())
            .chain(more.iter().copied())
    }

    /// The columns in their order; those of `events` are every [`Column`].
    pub fn columns(&self) -> Vec<TableColumn> {
        let own = self
            .columns
            .iter()
            .map(|&(name, kind, doc)| TableColumn { name, kind, doc });
        let of_events = Column::ALL.iter().filter(|column| match self.name {
            "events" | "image_history" | "scale_history" => true,
            "event_counts" => column.is_grouping(),
            _ => false,
        });
        let of_events = of_events.map(|column| TableColumn {
            name: column.name(),
            kind: column.kind(),
            doc: column.doc(),
        });
        own.chain(of_events).collect()
    }
}
