//! Which stored columns a count goes by, and what their ids say.

use super::layout::{FLAG_DEPRECATED, IntColumn, Origin, TextColumn, decode_latency, origin};
use super::measures::Measures;
use super::part::Part;
use super::rowreader;
use super::shares::{Said, Shared};
use super::uricolumns::UriColumns;
use crate::limits::COUNT_COLUMNS_MAX;
use crate::store::{CountQuery, Result, StoreError};

/// What is stored of the columns that a query counts by.
pub(crate) struct Stored {
    /// Each once.
    pub(crate) columns: Vec<Key>,
    /// Per column of the query which of them says its value.
    pub(crate) sources: Vec<Source>,
    pub(crate) shared: Shared,
}

/// A stored column whose few values have ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Text(TextColumn),
    /// A bit of the flags: 1 when it is not set, 2 when it is.
    Flag(i64),
    /// Whether the latency is less than so many microseconds: 1 when it is not, 2 when it is.
    Within(i64),
}

/// What stands for a truth in place of a text.
pub(crate) const TRUE: &str = "1";
const FALSE: &str = "0";

/// Where a column's value comes from: places among the stored columns.
pub(crate) struct Source {
    pub(crate) first: usize,
    /// Where the first has no value.
    pub(crate) otherwise: Option<usize>,
    /// What the request URI is made of, where the value is a part of it.
    pub(crate) uri: Option<[usize; 7]>,
}

impl Stored {
    /// `None` when string ids alone do not tell the groups apart.
    pub(crate) fn new(query: &CountQuery, measures: &Measures) -> Option<Stored> {
        if query.last_stage_only {
            return None;
        }
        let mut stored = Stored {
            columns: Vec::new(),
            sources: Vec::new(),
            shared: Shared::default(),
        };
        for &column in &query.by {
            let uri = matches!(origin(column), Origin::Path)
                .then(|| UriColumns::ORDER.map(|column| stored.place(Key::Text(column))));
            let (first, otherwise) = match origin(column) {
                Origin::Path => (Key::Text(TextColumn::RequestUri), None),
                Origin::Text(text) | Origin::Number(text) | Origin::Derived(text, _) => {
                    (Key::Text(text), None)
                }
                Origin::EffectiveUser => (
                    Key::Text(TextColumn::ImpersonatedUser),
                    Some(Key::Text(TextColumn::User)),
                ),
                Origin::Flag(flag) => (Key::Flag(flag), None),
                _ => return None,
            };
            let source = Source {
                first: stored.place(first),
                otherwise: otherwise.map(|key| stored.place(key)),
                uri,
            };
            stored.sources.push(source);
        }
        for &share in &measures.shares {
            let told = share.told(|said| stored.place(said.key(measures.short_us)));
            stored.shared.shares.push(told);
        }
        if measures.last_error {
            stored.shared.last_error = Some(stored.place(Said::Error.key(measures.short_us)));
        }
        Some(stored)
    }

    fn place(&mut self, key: Key) -> usize {
        let known = self.columns.iter().position(|&known| known == key);
        known.unwrap_or_else(|| {
            self.columns.push(key);
            self.columns.len() - 1
        })
    }

    /// The text columns, if there are no others.
    pub(crate) fn texts(&self) -> Option<Vec<TextColumn>> {
        let text = |key: &Key| match key {
            Key::Text(column) => Some(*column),
            Key::Flag(_) | Key::Within(_) => None,
        };
        self.columns.iter().map(text).collect()
    }
}

impl Key {
    pub(crate) fn is_fact(self) -> bool {
        match self {
            Key::Text(column) => column.fact().is_some(),
            Key::Flag(flag) => flag == FLAG_DEPRECATED,
            Key::Within(_) => false,
        }
    }

    /// How many ids beside 0 it may have.
    pub(crate) fn strings(self, part: &Part) -> u32 {
        match self {
            Key::Text(column) => part.strings(column),
            Key::Flag(_) | Key::Within(_) => 2,
        }
    }

    pub(crate) fn string(self, part: &Part, id: u32) -> Result<&str> {
        match (self, id) {
            (Key::Text(column), id) => part.string(column, id),
            (_, 1) => Ok(FALSE),
            (_, _) => Ok(TRUE),
        }
    }

    /// A string that is read once: in `scratch` if the part is better off not keeping it.
    pub(crate) fn text<'r>(
        self,
        part: &'r Part,
        id: u32,
        scratch: &'r mut String,
    ) -> Result<&'r str> {
        match self {
            Key::Text(column) => rowreader::text(part, column, id, scratch),
            Key::Flag(_) | Key::Within(_) => self.string(part, id),
        }
    }

    /// The ids of some places of a chunk; elsewhere in `out` stands anything.
    pub(crate) fn ids(
        self,
        part: &Part,
        (chunk, places): (u32, &[u32]),
        ints: &mut Vec<i64>,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        match self {
            Key::Text(column) => return part.ids_at(column, chunk, places, out),
            Key::Flag(flag) => {
                part.ints_at(IntColumn::Flags, chunk, places, ints)?;
                each(places, ints, out, |flags| 1 + u32::from(flags & flag != 0));
            }
            Key::Within(micros) => {
                part.ints_at(IntColumn::Latency, chunk, places, ints)?;
                each(places, ints, out, |stored| {
                    decode_latency(stored).map_or(0, |latency| 1 + u32::from(latency < micros))
                });
            }
        }
        Ok(())
    }
}

/// The ids that numbers at some places stand for.
fn each(places: &[u32], ints: &[i64], out: &mut Vec<u32>, id: impl Fn(i64) -> u32) {
    out.resize(ints.len(), 0);
    for &place in places {
        out[place as usize] = id(ints[place as usize]);
    }
}

/// Refuses a count that nobody can read or hold.
pub(crate) fn refuse_nonsense(query: &CountQuery) -> Result<()> {
    if query.by.len() > COUNT_COLUMNS_MAX {
        return Err(StoreError::BadRequest(format!(
            "{} columns to count by are too many; {COUNT_COLUMNS_MAX} is the most",
            query.by.len()
        )));
    }
    // Every element of one list would meet every one of the other, and clients choose both.
    let lists = || query.by.iter().filter(|column| column.is_list());
    if lists().count() > 1 {
        let names: Vec<&str> = lists().map(|column| column.name()).collect();
        return Err(StoreError::BadRequest(format!(
            "{} hold lists, whose elements are counted one by one; count by one of them",
            names.join(" and ")
        )));
    }
    Ok(())
}
