//! Which events may hold a text across what their lean bodies leave out: told from the columns that
//! hold it, so that only those events are restored.
//!
//! What is left out stands between quotes and has none in it. So of a text that reaches into it, what
//! lies in there is one of the text's pieces between quotes: the first piece at its end, the last one
//! at its beginning, any other as the whole, and a text without quotes anywhere.

use std::ops::RangeInclusive;

use super::layout::{IntColumn, decode_latency};
use super::part::Part;
use crate::limits;
use crate::model::time;
use crate::store::{Budget, Result};

const TIME_SHAPE: &[u8; time::TEXT_BYTES] = b"0000-00-00T00:00:00.000000Z";
const ID_SHAPE: &[u8; 36] = b"00000000-0000-0000-0000-000000000000";

/// What texts can have in common with values that are put back.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    ids: Vec<IdPiece>,
    times: Vec<TimePiece>,
}

/// Digits of an audit id, as a number of 128 bits.
#[derive(Debug)]
struct IdPiece {
    mask: u128,
    digits: u128,
}

/// A part of a time's text.
#[derive(Debug)]
struct TimePiece {
    at: usize,
    text: Vec<u8>,
}

impl Reach {
    /// Of texts of which one is looked for.
    pub(crate) fn new<'n>(texts: impl Iterator<Item = &'n [u8]>) -> Reach {
        let mut reach = Reach::default();
        for text in texts {
            let pieces: Vec<&[u8]> = text.split(|&byte| byte == b'"').collect();
            for (number, &piece) in pieces.iter().enumerate() {
                if piece.is_empty() {
                    continue;
                }
                let (first, last) = (number == 0, number == pieces.len() - 1);
                let places = |size: usize| places(piece.len(), size, first, last);
                reach.ids.extend(
                    places(ID_SHAPE.len())
                        .into_iter()
                        .flatten()
                        .filter_map(|at| IdPiece::new(piece, at)),
                );
                reach.times.extend(
                    places(TIME_SHAPE.len())
                        .into_iter()
                        .flatten()
                        .filter_map(|at| TimePiece::new(piece, at)),
                );
            }
        }
        reach
    }

    /// The rows in a range whose values the texts may reach into, ascending.
    pub(crate) fn rows(
        &self,
        part: &Part,
        (low, high): (u32, u32),
        budget: &Budget,
    ) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        if (self.ids.is_empty() && self.times.is_empty()) || low >= high {
            return Ok(found);
        }
        if let Part::Sealed(sealed) = part
            && self.times.is_empty()
            && self.ids.iter().all(IdPiece::is_beginning)
        {
            for id in &self.ids {
                let (low, high) = (id.digits, id.digits | !id.mask);
                found.extend(sealed.audit_rows_between(&low.to_be_bytes(), &high.to_be_bytes())?);
            }
            found.retain(|row| (low..high).contains(row));
            found.sort_unstable();
            found.dedup();
            return Ok(found);
        }
        let (mut keys, mut times, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
        for chunk in part.chunk_of(low).0..=part.chunk_of(high - 1).0 {
            budget.check()?;
            if !self.ids.is_empty() {
                part.audit_keys(chunk, &mut keys)?;
            }
            if !self.times.is_empty() {
                part.ints(IntColumn::Time, chunk, &mut times)?;
                part.ints(IntColumn::Latency, chunk, &mut latencies)?;
            }
            let first = chunk * limits::CHUNK_ROWS as u32;
            let rows = first.max(low)..high.min(first + part.chunk_rows(chunk) as u32);
            found.extend(rows.filter(|row| {
                let at = (row - first) as usize;
                keys.get(at).is_some_and(|key| self.touch_id(key))
                    || (times.get(at).zip(latencies.get(at)))
                        .is_some_and(|(&time, &latency)| self.touch_times(time, latency))
            }));
        }
        Ok(found)
    }

    fn touch_id(&self, key: &[u8; 16]) -> bool {
        let digits = u128::from_be_bytes(*key);
        self.ids.iter().any(|id| digits & id.mask == id.digits)
    }

    /// `latency` as stored.
    fn touch_times(&self, time: i64, latency: i64) -> bool {
        let mut text = [0; time::TEXT_BYTES];
        let mut touch = |time| {
            time::write(time, &mut text);
            let pieces = &mut self.times.iter();
            pieces.any(|piece| text[piece.at..].starts_with(&piece.text))
        };
        touch(time)
            || decode_latency(latency).is_some_and(|latency| touch(time.wrapping_sub(latency)))
    }
}

/// Where a piece of so many bytes can stand in a value of `size`.
fn places(piece: usize, size: usize, first: bool, last: bool) -> Option<RangeInclusive<usize>> {
    let left = size.checked_sub(piece)?;
    match (first, last) {
        (true, true) => Some(0..=left),
        (true, false) => Some(left..=left),
        (false, true) => Some(0..=0),
        (false, false) => (left == 0).then_some(0..=0),
    }
}

impl IdPiece {
    /// `None` when no audit id has `piece` there.
    fn new(piece: &[u8], at: usize) -> Option<IdPiece> {
        let (mut mask, mut digits) = (0, 0);
        for (place, &shape) in ID_SHAPE.iter().enumerate() {
            let byte = place.checked_sub(at).and_then(|index| piece.get(index));
            if shape == b'-' {
                if byte.is_some_and(|&byte| byte != b'-') {
                    return None;
                }
                continue;
            }
            let digit = match byte {
                None => None,
                Some(&byte @ b'0'..=b'9') => Some(byte - b'0'),
                Some(&byte @ b'a'..=b'f') => Some(byte - b'a' + 10),
                Some(_) => return None,
            };
            mask = mask << 4 | digit.map_or(0, |_| 0xf);
            digits = digits << 4 | u128::from(digit.unwrap_or(0));
        }
        Some(IdPiece { mask, digits })
    }

    /// Whether it has at least the first eight digits, so that the index of audit ids leads to it.
    fn is_beginning(&self) -> bool {
        self.mask.leading_ones() >= 32
    }
}

impl TimePiece {
    /// `None` when no time has `piece` there.
    fn new(piece: &[u8], at: usize) -> Option<TimePiece> {
        let fits = TIME_SHAPE[at..].iter().zip(piece).all(|(&shape, byte)| {
            if shape == b'0' {
                byte.is_ascii_digit()
            } else {
                *byte == shape
            }
        });
        fits.then(|| TimePiece {
            at,
            text: piece.to_vec(),
        })
    }
}

#[cfg(test)]
impl Reach {
    /// Whether the texts may reach into an event's values; `latency` as stored.
    pub(crate) fn touches(&self, key: &[u8; 16], time: i64, latency: i64) -> bool {
        self.touch_id(key) || self.touch_times(time, latency)
    }
}
