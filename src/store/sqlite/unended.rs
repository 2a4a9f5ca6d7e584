//! Which events of a sealed segment may not be the last of their requests without the segment saying
//! so. Sealing lists the rows of earlier stages whose request does not end in the segment: of all others
//! the end is here, so that requests are counted by their ends, and only listed rows need be held
//! against other parts ([`super::countrequests`]).

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::layout::{IntColumn, TextColumn, decode_latency};
use super::postings::put_posting;
use super::sealed::{Header, Piece};
use super::segfile::SegmentFile;
use super::{stages, uri};
use crate::limits::CHUNK_ROWS;
use crate::model::column::Column;
use crate::store::Result;
use crate::store::filter::{Filter, Term, Test};

/// What the header says of these rows.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Unended {
    /// How many are listed.
    pub(crate) rows: u32,
    /// Whether every row of an earlier stage that is not listed stands before an end of its request.
    pub(crate) in_order: bool,
    /// Microseconds: when the first and the last of the requests were received that end here.
    pub(crate) received: Option<(i64, i64)>,
    /// Whether rows that are not listed agree with an end in [`COMMON_LATER`], too, unless they are of
    /// the first stage.
    #[serde(default)]
    pub(crate) later: bool,
}

/// Columns that a row which is not listed has in common with an end of its request; the URI with them,
/// so that the name is only told apart where the stored URI leaves it out.
const COMMON: [TextColumn; 10] = [
    TextColumn::Cluster,
    TextColumn::User,
    TextColumn::RequestUri,
    TextColumn::OddAuditId,
    TextColumn::Verb,
    TextColumn::ApiGroup,
    TextColumn::ApiVersion,
    TextColumn::Resource,
    TextColumn::Subresource,
    TextColumn::Namespace,
];

/// Columns that such a row has in common with an end beside these, unless it is of the first stage: at
/// that nobody has looked yet as whom the user asks, and whether they may.
const COMMON_LATER: [TextColumn; 4] = [
    TextColumn::UserGroups,
    TextColumn::ImpersonatedUser,
    TextColumn::Decision,
    TextColumn::DecisionReason,
];

/// Whether a filter that holds for an event holds for the end of its request, too, if that agrees with it
/// in [`COMMON`] and, if `later` says so, in [`COMMON_LATER`]. `ends` are the stages that requests end
/// with in the part.
pub(crate) fn holds_for_ends(filter: &Filter, ends: &[&str], later: bool) -> bool {
    use Column as C;
    let leaves_out_first = |term: &Term| match &term.test {
        Test::Text { column, any } if *column == C::Stage => {
            any.iter().any(|pattern| pattern.matches(stages::FIRST)) == term.negate
        }
        _ => false,
    };
    let later = later && filter.terms.iter().any(leaves_out_first);
    let common = |column: &Column| {
        let told_by = [C::Cluster, C::User, C::RequestUri, C::Path, C::ReceivedTime];
        let object = [
            C::Verb,
            C::ApiGroup,
            C::ApiVersion,
            C::Resource,
            C::Subresource,
            C::Namespace,
        ];
        let rights = [
            C::UserGroups,
            C::ImpersonatedUser,
            C::EffectiveUser,
            C::Decision,
            C::DecisionReason,
        ];
        told_by.contains(column) || object.contains(column) || later && rights.contains(column)
    };
    filter.terms.iter().all(|term| match &term.test {
        Test::Text { column, any } if *column == C::Stage => {
            let holds = |end: &&str| any.iter().any(|pattern| pattern.matches(end));
            ends.iter().all(|end| holds(end) != term.negate)
        }
        Test::Absent { column: C::Stage } => term.negate,
        Test::Text { column, .. } | Test::Number { column, .. } | Test::Absent { column } => {
            common(column)
        }
        Test::Users { .. } | Test::Resource { .. } => true,
        Test::Ended | Test::Contains { .. } => false,
    })
}

/// What is noted of strings while they are written.
#[derive(Default)]
pub(crate) struct Noted {
    /// Ids of the stages that requests end with.
    ends: Vec<u32>,
    /// The id of the stage that they begin with.
    first: Option<u32>,
    /// Ids of the stored URIs that leave out a name.
    named: Range<u32>,
}

impl Noted {
    pub(crate) fn note(&mut self, column: TextColumn, id: u32, text: &str) {
        match column {
            TextColumn::Stage if stages::place(Some(text)) == stages::END => self.ends.push(id),
            TextColumn::Stage if text == stages::FIRST => self.first = Some(id),
            // They stand together, because strings are in order.
            TextColumn::RequestUri if uri::leaves_out_name(text) => {
                if self.named.is_empty() {
                    self.named.start = id;
                }
                self.named.end = id + 1;
            }
            _ => {}
        }
    }
}

/// Lists the rows and notes in the header what is known of them.
pub(crate) fn put_unended(
    file: &mut SegmentFile,
    header: &mut Header,
    noted: &Noted,
    pause: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let (mut listed, mut earlier) = (Vec::new(), Vec::new());
    let mut received: Option<(i64, i64)> = None;
    let seed = RandomState::new().hash_one(0);
    let rows = header.rows as usize;
    let counts = (0..rows.div_ceil(CHUNK_ROWS)).map(|at| (rows - at * CHUNK_ROWS).min(CHUNK_ROWS));
    let mut read = Columns::default();
    for (chunk, count) in (0..).zip(counts.clone()) {
        pause()?;
        read.stages_and_times(file, chunk, count)?;
        let is_end = |row: usize| noted.ends.contains(&read.stages[row]);
        for at in (0..count).filter(|&row| is_end(row)) {
            if let Some(at) = read.received(at) {
                let (first, last) = received.unwrap_or((at, at));
                received = Some((first.min(at), last.max(at)));
            }
        }
        if (0..count).all(is_end) {
            continue;
        }
        read.common(file, chunk, count)?;
        for at in (0..count).filter(|&row| !noted.ends.contains(&read.stages[row])) {
            let row = chunk * CHUNK_ROWS as u32 + at as u32;
            let later = noted.first != Some(read.stages[at]);
            match read.identity(at, later, &noted.named, seed) {
                Some(identity) => earlier.push((identity, row)),
                None => listed.push(row),
            }
        }
    }
    earlier.sort_unstable();
    let mut ended = vec![false; earlier.len()];
    let mut ended_after = vec![false; earlier.len()];
    file.holds(earlier.capacity() * size_of::<([u8; 16], u32)>() + ended.len() * 2);
    for (chunk, count) in (0..).zip(counts.filter(|_| !earlier.is_empty())) {
        pause()?;
        read.stages_and_times(file, chunk, count)?;
        if !(0..count).any(|row| noted.ends.contains(&read.stages[row])) {
            continue;
        }
        read.common(file, chunk, count)?;
        for at in (0..count).filter(|&row| noted.ends.contains(&read.stages[row])) {
            let row = chunk * CHUNK_ROWS as u32 + at as u32;
            for later in [false, true] {
                let Some(identity) = read.identity(at, later, &noted.named, seed) else {
                    continue;
                };
                let first = earlier.partition_point(|(known, _)| *known < identity);
                let same = earlier[first..].iter().zip(first..);
                for ((_, before), at) in same.take_while(|((known, _), _)| *known == identity) {
                    ended[at] = true;
                    ended_after[at] |= *before < row;
                }
            }
        }
    }
    let in_order = ended == ended_after;
    let open = earlier.iter().zip(&ended).filter(|(_, ended)| !**ended);
    listed.extend(open.map(|((_, row), _)| *row));
    listed.sort_unstable();
    if !listed.is_empty() {
        let mut bytes = Vec::new();
        put_posting(&mut bytes, &listed);
        file.piece("row lists", Piece::Unended, 0, 0, &bytes)?;
    }
    header.unended = Some(Unended {
        rows: listed.len() as u32,
        in_order,
        received,
        later: true,
    });
    Ok(())
}

/// What is read of a chunk.
#[derive(Default)]
struct Columns {
    stages: Vec<u32>,
    times: Vec<i64>,
    latencies: Vec<i64>,
    audit: Vec<[u8; 16]>,
    names: Vec<u32>,
    common: [Vec<u32>; COMMON.len()],
    common_later: [Vec<u32>; COMMON_LATER.len()],
}

impl Columns {
    fn stages_and_times(&mut self, file: &SegmentFile, chunk: u32, rows: usize) -> Result<()> {
        file.ids(TextColumn::Stage, chunk, rows, &mut self.stages)?;
        file.ints(IntColumn::Time, chunk, rows, &mut self.times)?;
        file.ints(IntColumn::Latency, chunk, rows, &mut self.latencies)
    }

    fn common(&mut self, file: &SegmentFile, chunk: u32, rows: usize) -> Result<()> {
        file.audit_keys(chunk, &mut self.audit)?;
        file.ids(TextColumn::Name, chunk, rows, &mut self.names)?;
        let first = COMMON.into_iter().zip(&mut self.common);
        for (column, ids) in first.chain(COMMON_LATER.into_iter().zip(&mut self.common_later)) {
            file.ids(column, chunk, rows, ids)?;
        }
        Ok(())
    }

    fn received(&self, row: usize) -> Option<i64> {
        let latency = decode_latency(self.latencies[row])?;
        Some(self.times[row].wrapping_sub(latency))
    }

    /// What tells its request from others, with or without [`COMMON_LATER`]; `None` if it lacks some
    /// of that.
    fn identity(&self, row: usize, later: bool, named: &Range<u32>, seed: u64) -> Option<[u8; 16]> {
        let ids = self.common.each_ref().map(|ids| ids[row]);
        let [cluster, user, stored, ..] = ids;
        if cluster == 0 || user == 0 || stored == 0 {
            return None;
        }
        let name = if named.contains(&stored) {
            self.names[row]
        } else {
            0
        };
        let later = later.then_some(&self.common_later);
        let later = later.into_iter().flatten().map(|ids| ids[row]);
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(&self.audit[row]);
        bytes.extend_from_slice(&self.received(row)?.to_le_bytes());
        for id in ids.into_iter().chain([name]).chain(later) {
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        Some(xxh3_128_with_seed(&bytes, seed).to_le_bytes())
    }
}
