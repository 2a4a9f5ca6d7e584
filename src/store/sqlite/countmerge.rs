//! Adding a part's groups to the totals, by what their strings say.

use std::collections::HashMap;

use super::countkeys::{Source, Stored};
use super::countmemory::Held;
use super::deriver::Deriver;
use super::layout::{Origin, origin};
use super::part::Part;
use super::tally::Groups;
use super::totals::Totals;
use super::uricolumns::{UriColumns, of_uri};
use crate::model::json;
use crate::store::{CountQuery, Result};

/// Not yet looked up: no text has this id in the totals.
const UNKNOWN: u32 = u32::MAX;

/// A part's groups with the ids that their texts have in the totals, to be added there. All strings are
/// read before the first count: half a damaged part is no answer.
pub(crate) fn translate(
    totals: &mut Totals,
    part: &Part,
    query: &CountQuery,
    stored: &Stored,
    deriver: &Deriver,
    mut groups: Groups,
) -> Result<Groups> {
    stored.shared.fill(part, &stored.columns, &mut groups)?;
    let mut columns = Vec::with_capacity(stored.sources.len());
    let mut elements = None;
    for (at, source) in stored.sources.iter().enumerate() {
        let mut texts = Texts {
            totals,
            part,
            query,
            stored,
            deriver,
            at,
        };
        if query.by[at].is_list() {
            elements = Some((at, texts.elements(&groups.columns[source.first])?));
            columns.push(Vec::new());
        } else {
            columns.push(texts.ids(source, &groups)?);
        }
    }
    groups.columns = columns;
    if let Some((at, elements)) = elements {
        groups = each_element(&groups, at, &elements);
    }
    Ok(groups)
}

/// Every group once for each of its elements in the column at `at`.
fn each_element(groups: &Groups, at: usize, elements: &[Vec<u32>]) -> Groups {
    let rows = || (0..groups.len()).flat_map(|row| elements[row].iter().map(move |_| row));
    let column = |ids: &Vec<u32>| rows().map(|row| ids[row]).collect();
    let mut columns: Vec<Vec<u32>> = Vec::with_capacity(groups.columns.len());
    for (place, ids) in groups.columns.iter().enumerate() {
        columns.push(match place == at {
            true => elements.iter().flatten().copied().collect(),
            false => column(ids),
        });
    }
    let held = Held::default();
    let shares = |shares: &Vec<u64>| rows().map(|row| shares[row]).collect();
    Groups {
        shares: groups.shares.iter().map(shares).collect(),
        last_errors: match groups.last_errors.is_empty() {
            true => Vec::new(),
            false => rows().map(|row| groups.last_errors[row]).collect(),
        },
        buckets: rows().map(|row| groups.buckets[row]).collect(),
        counts: rows().map(|row| groups.counts[row]).collect(),
        columns,
        held,
        measured: match groups.measured.is_empty() {
            true => Vec::new(),
            false => rows().map(|row| groups.measured[row]).collect(),
        },
    }
}

/// The texts of one column that is counted by.
struct Texts<'a> {
    totals: &'a mut Totals,
    part: &'a Part,
    query: &'a CountQuery,
    stored: &'a Stored,
    deriver: &'a Deriver,
    at: usize,
}

impl Texts<'_> {
    /// The ids in the totals of what each group has in the column.
    fn ids(&mut self, source: &Source, groups: &Groups) -> Result<Vec<u32>> {
        if let Some(places) = source.uri {
            return self.of_uris(places, groups);
        }
        let own = &groups.columns[source.first];
        let mut ids = self.of_strings(source.first, own, |_| true)?;
        if let Some(otherwise) = source.otherwise {
            let absent = |row: usize| own[row] == 0;
            let others = self.of_strings(otherwise, &groups.columns[otherwise], absent)?;
            for (row, (id, other)) in ids.iter_mut().zip(others).enumerate() {
                if absent(row) {
                    *id = other;
                }
            }
        }
        Ok(ids)
    }

    /// The ids in the totals of what is read from request URIs, which these columns make.
    fn of_uris(&mut self, places: [usize; 7], groups: &Groups) -> Result<Vec<u32>> {
        let column = self.query.by[self.at];
        let mut known = HashMap::<[u32; 7], u32>::new();
        let mut found = Vec::with_capacity(groups.len());
        let (mut scratch, mut uri) = (String::new(), String::new());
        for row in 0..groups.len() {
            let ids = places.map(|place| groups.columns[place][row]);
            let [stored, object @ ..] = ids;
            let id = match known.get(&ids) {
                _ if stored == 0 => 0,
                Some(&id) => id,
                None => {
                    let key = self.stored.columns[places[0]];
                    let stored = key.text(self.part, stored, &mut scratch)?;
                    uri.clear();
                    UriColumns::restore_from(self.part, stored, object, &mut uri)?;
                    let id = self
                        .totals
                        .id(self.at, of_uri(column, &uri, None).as_deref());
                    self.totals.check()?;
                    known.insert(ids, id);
                    id
                }
            };
            found.push(id);
        }
        Ok(found)
    }

    /// The ids in the totals of strings, in those rows where they count.
    fn of_strings(
        &mut self,
        place: usize,
        ids: &[u32],
        counts: impl Fn(usize) -> bool,
    ) -> Result<Vec<u32>> {
        let key = self.stored.columns[place];
        let derivation = match origin(self.query.by[self.at]) {
            Origin::Derived(_, derivation) => Some(derivation),
            _ => None,
        };
        let mut known = vec![UNKNOWN; key.strings(self.part) as usize + 1];
        known[0] = 0;
        let mut found = Vec::with_capacity(ids.len());
        let mut scratch = String::new();
        for (row, &id) in ids.iter().enumerate() {
            if known[id as usize] == UNKNOWN && counts(row) {
                let text = key.text(self.part, id, &mut scratch)?;
                known[id as usize] = match derivation {
                    None => self.totals.id(self.at, Some(text)),
                    Some(derivation) => {
                        let derived = self.deriver.derive(derivation, text);
                        self.totals.id(self.at, derived.as_deref())
                    }
                };
                self.totals.check()?;
            }
            found.push(known[id as usize]);
        }
        Ok(found)
    }

    /// Per group the ids in the totals of the elements of its list, each once.
    fn elements(&mut self, ids: &[u32]) -> Result<Vec<Vec<u32>>> {
        let source = &self.stored.sources[self.at];
        let key = self.stored.columns[source.first];
        let mut all = Vec::with_capacity(ids.len());
        for &id in ids {
            if id == 0 {
                all.push(vec![0]);
                continue;
            }
            let mut elements = json::texts(key.string(self.part, id)?);
            elements.sort_unstable();
            elements.dedup();
            let element = |text: &_| self.totals.id(self.at, Some(AsRef::<str>::as_ref(text)));
            all.push(elements.iter().map(element).collect());
            self.totals.check()?;
        }
        Ok(all)
    }
}
