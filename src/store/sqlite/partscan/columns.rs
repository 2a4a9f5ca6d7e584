//! Testing the rows of a chunk by one condition after the other.

use crate::limits;
use crate::store::Result;
use crate::store::sqlite::layout::{Origin, TextColumn, origin, uuid_text};
use crate::store::sqlite::part::{Lookup, Part};
use crate::store::sqlite::predicate::{self, Predicate};
use crate::store::sqlite::stringsets;
use crate::store::sqlite::uricolumns::{UriColumns, of_uri};

/// Rows of a chunk below which single values are looked up instead of decoding the whole chunk.
const LOOKED_UP_ROWS: usize = 64;

/// Room for the values of a chunk, to be used again for the next one.
#[derive(Default)]
pub(super) struct Room {
    /// Of the rows in their chunk.
    places: Vec<u32>,
    ids: Vec<u32>,
    other_ids: Vec<u32>,
    ints: Vec<i64>,
    other_ints: Vec<i64>,
}

/// Whether a predicate is tested by numbers alone.
pub(super) fn is_quick(predicate: &Predicate) -> bool {
    use Predicate::{Ids, Number, Pairs};
    matches!(predicate, Ids(..) | Pairs(_) | Number { .. })
}

/// Keeps the rows of a chunk that a predicate holds for, unless it is about their bytes.
pub(super) fn apply(
    predicate: &Predicate,
    part: &Part,
    chunk: u32,
    out: &mut Vec<u32>,
    room: &mut Room,
) -> Result<()> {
    let first = chunk * limits::CHUNK_ROWS as u32;
    let at = |row: u32| (row - first) as usize;
    room.places.clear();
    room.places.extend(out.iter().map(|row| row - first));
    let places = &room.places;
    match predicate {
        Predicate::Ids(column, set) if out.len() < LOOKED_UP_ROWS => {
            let mut failure = None;
            let mut ids = Lookup::new(part, out.len());
            out.retain(|&row| match ids.id(*column, row) {
                Ok(id) => set.holds(id),
                Err(error) => {
                    failure = Some(error);
                    false
                }
            });
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Predicate::Ids(column, set) => {
            part.ids_at(*column, chunk, places, &mut room.ids)?;
            let ids = &room.ids;
            keep(out, |row| set.holds(ids[at(row)]));
        }
        Predicate::Pairs(pairs) => {
            let [first, second] = pairs.columns;
            part.ids_at(first, chunk, places, &mut room.ids)?;
            part.ids_at(second, chunk, places, &mut room.other_ids)?;
            let (ids, others) = (&room.ids, &room.other_ids);
            keep(out, |row| pairs.hold(ids[at(row)], others[at(row)]));
        }
        Predicate::Number {
            column,
            any,
            absent,
            negate,
        } => {
            let (source, second) = predicate::number_sources(*column);
            part.ints_at(source, chunk, places, &mut room.ints)?;
            let ints = &room.ints;
            if let Origin::Flag(bit) = origin(*column) {
                let [clear, set] = [0, 1].map(|flag| predicate::in_any(flag, any) != *negate);
                keep(
                    out,
                    |row| if ints[at(row)] & bit == 0 { clear } else { set },
                );
                return Ok(());
            }
            if let Some(second) = second {
                part.ints_at(second, chunk, places, &mut room.other_ints)?;
            }
            let others = second.map_or(ints, |_| &room.other_ints);
            keep(out, |row| {
                let holds = match predicate::number(*column, ints[at(row)], others[at(row)]) {
                    None => *absent,
                    Some(value) => predicate::in_any(value, any),
                };
                holds != *negate
            });
        }
        Predicate::AuditId {
            any,
            patterns,
            negate,
        } => {
            let mut keys = Vec::new();
            part.audit_keys(chunk, &mut keys)?;
            part.ids(TextColumn::OddAuditId, chunk, &mut room.ids)?;
            let mut failure = None;
            let ids = &room.ids;
            out.retain(|&row| {
                let (key, odd) = (&keys[at(row)], ids[at(row)]);
                let exact = any
                    .iter()
                    .any(|(want, want_odd)| key == want && want_odd.unwrap_or(0) == odd);
                let holds = exact
                    || (!patterns.is_empty() && {
                        let text = audit_text(part, key, odd);
                        text.map_err(|error| failure = Some(error))
                            .is_ok_and(|text| patterns.iter().any(|pattern| pattern.matches(&text)))
                    });
                holds != *negate
            });
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Predicate::Uri {
            column,
            any,
            absent,
            negate,
        } => {
            let mut uris = UriColumns::default();
            uris.load(part, chunk)?;
            let mut failure = None;
            let mut uri = String::new();
            out.retain(|&row| {
                let holds = match uris.restore(part, at(row), &mut uri) {
                    Ok(there) => {
                        let subresource = uris.subresource(part, at(row));
                        let text = subresource.map(|subresource| {
                            there.then(|| of_uri(*column, &uri, subresource)).flatten()
                        });
                        match text {
                            Ok(Some(text)) => stringsets::text_matches(*column, &text, any),
                            Ok(None) => *absent,
                            Err(error) => {
                                failure = Some(error);
                                false
                            }
                        }
                    }
                    Err(error) => {
                        failure = Some(error);
                        false
                    }
                };
                holds != *negate
            });
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Predicate::Bytes(_) => {}
    }
    Ok(())
}

/// Keeps the rows that hold. Nothing here depends on the answer but where the next row goes: most
/// scans keep few rows or nearly all, and `retain` takes several times as long.
#[inline]
pub(crate) fn keep(rows: &mut Vec<u32>, holds: impl Fn(u32) -> bool) {
    let mut kept = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        rows[kept] = row;
        kept += usize::from(holds(row));
    }
    rows.truncate(kept);
}

/// The text of an audit id from what is stored.
fn audit_text(part: &Part, key: &[u8; 16], odd: u32) -> Result<String> {
    if odd != 0 {
        return Ok(part.string(TextColumn::OddAuditId, odd)?.to_owned());
    }
    let text = uuid_text(key);
    Ok(str::from_utf8(&text).expect("digits and dashes").to_owned())
}
