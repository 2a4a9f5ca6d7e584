//! In which fields of an event the texts stand that a search of events' bytes looks for.

use std::sync::Arc;

use memchr::memmem::Finder;

use super::bytes::Inside;
use super::deriver::Deriver;
use super::layout::{Origin, origin};
use super::rowreader::{Cell, RowReader};
use crate::model::column::Column;
use crate::store::Result;
use crate::store::filter::{Filter, Test};

/// Fields, a bit for each of [`NAMES`].
pub(crate) type Fields = u16;

/// The fields, in the order in which they are told.
const NAMES: [&str; 10] = [
    "uri",
    "user",
    "user agent",
    "addresses",
    "name",
    "message",
    "annotations",
    "user attributes",
    "request body",
    "response body",
];

/// The columns that are stored, and the fields that they are in.
const STORED: [(Column, Fields); 10] = [
    (Column::RequestUri, 1 << 0),
    (Column::User, 1 << 1),
    (Column::ImpersonatedUser, 1 << 1),
    (Column::UserUid, 1 << 1),
    (Column::UserGroups, 1 << 1),
    (Column::UserAgent, 1 << 2),
    (Column::SourceIps, 1 << 3),
    (Column::Name, 1 << 4),
    (Column::Namespace, 1 << 4),
    (Column::Message, 1 << 5),
];

/// Those that are only in the bytes.
const INSIDE: [(Column, Fields); 4] = [
    (Column::Annotations, 1 << 6),
    (Column::UserExtra, 1 << 7),
    (Column::RequestObject, 1 << 8),
    (Column::ResponseObject, 1 << 9),
];

/// Strings of each column of which it is kept whether they hold a text.
const KEPT: usize = 256;

/// Whether any of the texts is in some bytes.
pub(crate) fn any_in(texts: &[Finder<'_>], bytes: &[u8]) -> bool {
    texts.iter().any(|text| text.find(bytes).is_some())
}

/// Which of the fields that are only in an event's exact bytes hold any of the texts.
pub(crate) fn inside(raw: &[u8], texts: &[Finder<'_>]) -> Fields {
    let inside = Inside::of(raw);
    let with_text = INSIDE.iter().filter(|(column, _)| {
        let text = inside.text(*column, raw);
        text.is_some_and(|text| any_in(texts, text.as_bytes()))
    });
    with_text.fold(0, |fields, (_, field)| fields | field)
}

/// The fields' names, a JSON array.
fn names(fields: Fields) -> String {
    let there = NAMES
        .iter()
        .enumerate()
        .filter(|(at, _)| fields >> at & 1 == 1);
    let there: Vec<_> = there.map(|(_, name)| format!("\"{name}\"")).collect();
    format!("[{}]", there.join(","))
}

/// The texts that a filter looks for in events' bytes.
pub(crate) struct Matcher {
    finders: Vec<Finder<'static>>,
    /// Per stored column strings looked into lately: the part's number, the string's id, and whether it
    /// holds a text.
    known: Vec<(u32, u32, bool)>,
    /// The fields that were named last, and their names.
    named: (Fields, String),
}

impl Matcher {
    /// The texts of a filter; `None` if it looks for none.
    pub(crate) fn new(filter: &Filter) -> Option<Matcher> {
        let searches = filter.terms.iter().filter(|term| !term.negate);
        let texts = searches.filter_map(|term| match &term.test {
            Test::Contains { any } => Some(any),
            _ => None,
        });
        let finder = |text: &Arc<[u8]>| Finder::new(&**text).into_owned();
        let finders: Vec<_> = texts.flatten().map(finder).collect();
        (!finders.is_empty()).then(|| Matcher {
            finders,
            known: vec![(0, 0, false); KEPT * STORED.len()],
            named: (0, names(0)),
        })
    }

    /// Which of the fields that are only in an event's exact bytes hold a text.
    pub(crate) fn inside(&self, raw: &[u8]) -> Fields {
        inside(raw, &self.finders)
    }

    /// Which of the stored fields of a row do. Parts are told apart by their number, from 1.
    pub(crate) fn stored(
        &mut self,
        reader: &mut RowReader,
        part: u32,
        row: u32,
        deriver: &Deriver,
    ) -> Result<Fields> {
        let mut fields = 0;
        for (at, &(column, field)) in STORED.iter().enumerate() {
            if fields & field != 0 {
                continue;
            }
            let id = match origin(column) {
                Origin::Text(text) => Some(reader.id(text, row)?),
                _ => None,
            };
            let known = id.map(|id| at * KEPT + id as usize % KEPT);
            let holds = match (id, known.map(|at| self.known[at])) {
                (Some(0), _) => false,
                (Some(id), Some((of, string, holds))) if (of, string) == (part, id) => holds,
                _ => match reader.cell(column, row, deriver)? {
                    Cell::Text(text) => any_in(&self.finders, text.as_bytes()),
                    _ => false,
                },
            };
            if let (Some(id), Some(at)) = (id, known) {
                self.known[at] = (part, id, holds);
            }
            if holds {
                fields |= field;
            }
        }
        Ok(fields)
    }

    /// The fields' names, a JSON array.
    pub(crate) fn names(&mut self, fields: Fields) -> &str {
        if self.named.0 != fields {
            self.named = (fields, names(fields));
        }
        &self.named.1
    }
}
