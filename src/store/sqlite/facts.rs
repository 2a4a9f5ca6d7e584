//! Facts: columns that are read from inside events' bytes when they come in. A file that was
//! written before there were such columns, or with an older version of them, has them derived from
//! its events' bytes when they are asked for, and kept in memory in the shape of stored ones.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::chunkcache::CachedChunk;
use super::codec::{damaged, encode_chunk};
use super::layout::{
    self, FIRST_TEXT_COLUMNS, IntColumn, PLAIN_TEXT_COLUMNS, TEXT_COLUMNS, TextColumn,
};
use super::lean::{self, Fields};
use super::part::Part;
use super::sealed::Sealed;
use crate::limits::CHUNK_ROWS;
use crate::model::event::Event;
use crate::model::normalise::normalise;
use crate::store::{Budget, Result, Work};

/// A fact's text; `None` also for columns that are no facts.
pub(crate) fn text<'e>(event: &'e Event<'_>, column: TextColumn) -> Option<Cow<'e, str>> {
    let number = |number: Option<i64>| number.map(|number| Cow::Owned(number.to_string()));
    let text = match column {
        TextColumn::Images => event.images.as_deref(),
        TextColumn::PodSecurity => event.pod_security.as_deref(),
        TextColumn::PodSecrets => event.pod_secrets.as_deref(),
        TextColumn::PodServiceAccount => event.pod_service_account.as_deref(),
        TextColumn::RoleRef => event.role_ref.as_deref(),
        TextColumn::Subjects => event.subjects.as_deref(),
        TextColumn::Owner => event.owner.as_deref(),
        TextColumn::CredentialId => event.credential_id.as_deref(),
        TextColumn::IssuedCredentialId => event.issued_credential_id.as_deref(),
        TextColumn::Exposure => event.exposure,
        TextColumn::Replicas => return number(event.replicas),
        TextColumn::ReplicasAnswered => return number(event.replicas_answered),
        TextColumn::ReplicasObserved => return number(event.replicas_observed),
        _ => None,
    };
    text.map(Cow::Borrowed)
}

/// An event's flags.
pub(crate) fn flags(event: &Event<'_>) -> i64 {
    [
        (event.dry_run, layout::FLAG_DRY_RUN),
        (event.truncated, layout::FLAG_TRUNCATED),
        (event.deprecated, layout::FLAG_DEPRECATED),
    ]
    .into_iter()
    .filter_map(|(is, flag)| is.then_some(flag))
    .sum()
}

/// The string with an id (from 1).
pub(crate) fn string(strings: &[Box<str>], id: u32) -> Result<&str> {
    let text = (id as usize)
        .checked_sub(1)
        .and_then(|index| strings.get(index));
    text.map(|text| &**text)
        .ok_or_else(|| damaged("a dictionary id is out of range"))
}

/// Facts of all rows of a part that it does not hold itself.
pub(crate) struct Derived {
    /// Text columns before this one are held.
    first: usize,
    columns: Vec<(Vec<Box<str>>, Vec<Arc<CachedChunk>>)>,
    flags: Vec<Arc<CachedChunk>>,
    raw_bytes: Vec<Arc<CachedChunk>>,
}

impl Derived {
    /// A chunk of a column; `None` if the column is none of these.
    pub(crate) fn chunk(&self, column: u8, chunk: u32) -> Option<&Arc<CachedChunk>> {
        let chunks = if column == IntColumn::Flags as u8 {
            &self.flags
        } else if column == IntColumn::RawBytes as u8 {
            &self.raw_bytes
        } else {
            let fact = (column as usize).checked_sub(self.first)?;
            &self.columns.get(fact)?.1
        };
        chunks.get(chunk as usize)
    }

    /// A column's strings; `None` if it is no fact.
    pub(crate) fn strings(&self, column: TextColumn) -> Option<&[Box<str>]> {
        let fact = (column as usize).checked_sub(self.first)?;
        self.columns.get(fact).map(|(strings, _)| &**strings)
    }

    /// Bytes of memory, about.
    pub(crate) fn memory(&self) -> usize {
        let chunks = |chunks: &[Arc<CachedChunk>]| -> usize {
            chunks.iter().map(|chunk| chunk.data.len() + 48).sum()
        };
        let columns = self.columns.iter().map(|(strings, ids)| {
            strings.iter().map(|text| text.len() + 32).sum::<usize>() + chunks(ids)
        });
        columns.sum::<usize>() + chunks(&self.flags) + chunks(&self.raw_bytes)
    }
}

/// Collects facts event by event, in any order of rows.
pub(crate) struct Deriving {
    columns: &'static [TextColumn],
    ids: Vec<FxHashMap<Box<str>, u32>>,
    /// Row and string id, of rows that have one.
    values: Vec<Vec<(u32, u32)>>,
    /// Row, flags, bytes.
    numbers: Vec<(u32, u8, u32)>,
    raw: Vec<u8>,
}

impl Deriving {
    /// Facts for a part that holds so many text columns itself: the others and, if it holds none of
    /// them, those that are numbers.
    pub(crate) fn new(held: usize) -> Deriving {
        let columns = &TextColumn::ALL[held..];
        Deriving {
            columns,
            ids: columns.iter().map(|_| FxHashMap::default()).collect(),
            values: columns.iter().map(|_| Vec::new()).collect(),
            numbers: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Adds an event by its lean body.
    pub(crate) fn event(&mut self, row: u32, lean: &[u8], fields: &Fields) {
        self.raw.clear();
        lean::restore(lean, fields, &mut self.raw);
        let length = self.raw.len() as u32;
        // What is stored was an event when it came in; its cluster does not matter here.
        let Ok((event, _)) = normalise("", &self.raw) else {
            self.numbers.push((row, 0, length));
            return;
        };
        self.numbers.push((row, flags(&event) as u8, length));
        for (fact, &column) in self.columns.iter().enumerate() {
            let Some(text) = text(&event, column) else {
                continue;
            };
            let ids = &mut self.ids[fact];
            let id = match ids.get(&*text) {
                Some(&id) => id,
                None => {
                    let id = ids.len() as u32 + 1;
                    ids.insert(text.into(), id);
                    id
                }
            };
            self.values[fact].push((row, id));
        }
    }

    /// The facts of a part of so many rows.
    pub(crate) fn finish(mut self, rows: usize) -> Derived {
        self.numbers.sort_unstable();
        let first = TEXT_COLUMNS - self.columns.len();
        let (mut flags, mut raw_bytes) = (Vec::new(), Vec::new());
        if first == PLAIN_TEXT_COLUMNS {
            let numbers = self.numbers.iter();
            flags = chunks(
                rows,
                numbers
                    .clone()
                    .map(|&(row, flags, _)| (row, u32::from(flags))),
            );
            raw_bytes = chunks(rows, numbers.map(|&(row, _, bytes)| (row, bytes)));
        }
        let columns = self
            .ids
            .into_iter()
            .zip(self.values)
            .map(|(ids, mut values)| {
                values.sort_unstable();
                let mut strings: Vec<(Box<str>, u32)> = ids.into_iter().collect();
                strings.sort_unstable_by_key(|(_, id)| *id);
                let strings = strings.into_iter().map(|(text, _)| text).collect();
                (strings, chunks(rows, values.into_iter()))
            });
        Derived {
            first,
            columns: columns.collect(),
            flags,
            raw_bytes,
        }
    }
}

/// Chunks of a column of which some rows have a value, in order; the others are 0.
fn chunks(rows: usize, values: impl Iterator<Item = (u32, u32)>) -> Vec<Arc<CachedChunk>> {
    let mut values = values.peekable();
    let mut chunks = Vec::with_capacity(rows.div_ceil(CHUNK_ROWS));
    let mut start = 0;
    while start < rows {
        let end = rows.min(start + CHUNK_ROWS);
        let mut chunk = vec![0; end - start];
        while let Some((row, value)) = values.next_if(|&(row, _)| (row as usize) < end) {
            chunk[row as usize - start] = i64::from(value);
        }
        let chunk = encode_chunk(&chunk);
        chunks.push(Arc::new(CachedChunk {
            base: chunk.base,
            width: chunk.width,
            data: chunk.data.into(),
        }));
        start = end;
    }
    chunks
}

/// Sees to it that a part's facts can be read from columns.
pub(crate) fn ensure(part: &Part, budget: &Budget, work: &mut Work) -> Result<()> {
    let Part::Sealed(sealed) = part else {
        return Ok(());
    };
    if sealed.has_all_facts() {
        return Ok(());
    }
    let derived = derive(part, sealed, budget, work)?;
    sealed.keep_facts(derived);
    Ok(())
}

/// Which rows are of writes: only those have facts in the columns that came later.
fn writes(part: &Part) -> Result<Vec<bool>> {
    let mut verbs = Vec::new();
    for verb in ["create", "update", "patch"] {
        verbs.extend(part.find(TextColumn::Verb, verb)?);
    }
    let mut writes = Vec::with_capacity(part.rows());
    let mut ids = Vec::new();
    for chunk in 0..part.chunks() {
        part.ids(TextColumn::Verb, chunk, &mut ids)?;
        writes.extend(ids.iter().map(|id| verbs.contains(id)));
    }
    Ok(writes)
}

fn derive(part: &Part, sealed: &Sealed, budget: &Budget, work: &mut Work) -> Result<Derived> {
    let mut ranks = Vec::new();
    let mut rows = vec![u32::MAX; part.rows()];
    let mut row = 0;
    for chunk in 0..part.chunks() {
        part.ints(IntColumn::Rank, chunk, &mut ranks)?;
        for &rank in &ranks {
            let slot = rows.get_mut(rank as usize);
            *slot.ok_or_else(|| damaged("a rank is out of range"))? = row;
            row += 1;
        }
    }
    let mut deriving = Deriving::new(sealed.stored_texts());
    let of_writes = sealed.stored_texts() >= FIRST_TEXT_COLUMNS;
    let writes = of_writes.then(|| writes(part)).transpose()?;
    let mut rank = 0;
    for number in 0..part.frames() {
        budget.check()?;
        let frame = sealed.frame(number)?;
        work.blocks_read += 1;
        for index in 0..frame.len() {
            let row = rows.get(rank).copied().filter(|&row| row != u32::MAX);
            let row = row.ok_or_else(|| damaged("a body belongs to no row"))?;
            if writes.as_ref().is_none_or(|writes| writes[row as usize]) {
                deriving.event(row, frame.body(index)?, &part.fields(row, true)?);
            }
            rank += 1;
        }
    }
    Ok(deriving.finish(part.rows()))
}
