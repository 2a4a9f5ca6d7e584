//! Listings of any length as text: rows are found in order on one thread and written on all cores.
//!
//! Slices of rows go to the workers in turn, and their texts are taken from them in the same turn,
//! so the order stays, and no more than a few slices are under way however slow the reader is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, available_parallelism};

use super::encode::{Encode, Slice};
use super::listing::Listing;
use super::scan::Snapshot;
use super::sql::give_back;
use crate::store::{
    Answer, Budget, EventQuery, Pool, Result, RowEncoder, StoreError, Text, TextSink,
};

/// Rows that are written together: their text takes about as long as handing them over is cheap.
const SLICE_ROWS: usize = 128;

/// Slices under way per worker: one that it writes and one that waits.
const SLICES_WAITING: usize = 2;

/// More workers than this find rows no faster.
const WORKERS_MAX: usize = 8;

/// After so many slices what was freed meanwhile goes back to the system: the allocator keeps it for
/// each thread that had it, and the next listing runs on other ones.
const SLICES_MANY: usize = 1024;

/// Bytes of rows that are written where they were found.
const TEXT_BYTES: usize = 64 << 10;

/// Lists events as text.
pub(crate) fn export(
    snapshot: &Arc<Snapshot>,
    query: &EventQuery,
    budget: &Budget,
    encoder: &dyn RowEncoder,
    sink: TextSink<'_>,
) -> Result<Answer> {
    let mut finder = Finder::new(Listing::new(snapshot, query, budget)?, query, encoder);
    let workers = available_parallelism().map_or(1, usize::from);
    let workers = workers.min(WORKERS_MAX);
    let mut handed_out = 0;
    let written = std::thread::scope(|scope| {
        let mut crew: Vec<Worker> = Vec::with_capacity(workers);
        let mut turns: VecDeque<Turn> = VecDeque::new();
        loop {
            let found = finder.find()?;
            let ended = found.is_none();
            match found {
                Some(Found::Rows(slice)) => {
                    let number = handed_out % workers;
                    handed_out += 1;
                    if number == crew.len() {
                        let encode = Encode::new(
                            &query.columns,
                            encoder,
                            &snapshot.deriver,
                            finder.pool.clone(),
                        );
                        crew.push(Worker::start(scope, encode));
                    }
                    turns.push_back(Turn::Worker(number, slice.len()));
                    crew[number].give(slice)?;
                }
                Some(Found::Text(text, rows)) => turns.push_back(Turn::Text(text, rows)),
                None => {}
            }
            while ended || turns.len() >= workers * SLICES_WAITING {
                let (text, rows) = match turns.pop_front() {
                    Some(Turn::Worker(number, rows)) => (crew[number].take()?, rows),
                    Some(Turn::Text(text, rows)) => (text, rows),
                    None => return Ok(()),
                };
                budget.check()?;
                if sink(text, rows as u64).is_break() {
                    return Ok(());
                }
            }
        }
    });
    let answer = finder.listing.end();
    if handed_out > SLICES_MANY {
        give_back();
    }
    written.map(|()| answer)
}

/// Whose text is next, and of how many rows.
enum Turn {
    Worker(usize, usize),
    Text(Text, usize),
}

/// A thread that writes slices; it ends when it is dropped.
struct Worker {
    slices: SyncSender<Slice>,
    texts: Receiver<Result<Text>>,
}

impl Worker {
    fn start<'scope>(scope: &'scope Scope<'scope, '_>, mut encode: Encode<'scope>) -> Worker {
        let (slices, waiting) = sync_channel::<Slice>(SLICES_WAITING);
        let (done, texts) = sync_channel(SLICES_WAITING);
        scope.spawn(move || {
            for slice in waiting {
                if done.send(encode.slice(&slice)).is_err() {
                    return;
                }
            }
        });
        Worker { slices, texts }
    }

    fn give(&self, slice: Slice) -> Result<()> {
        self.slices.send(slice).map_err(|_| gone())
    }

    fn take(&self) -> Result<Text> {
        self.texts.recv().map_err(|_| gone())?
    }
}

fn gone() -> StoreError {
    StoreError::Io("a thread that writes rows ended".into())
}

/// Rows that were found.
enum Found {
    /// To be written by a worker.
    Rows(Slice),
    /// Written already, and how many they are.
    Text(Text, usize),
}

/// Finds the rows of a listing. Those that need their events' bytes are written at once, because
/// the cursor reads bytes ahead for many rows.
struct Finder<'a> {
    listing: Listing<'a>,
    query: &'a EventQuery,
    encoder: &'a dyn RowEncoder,
    /// The listing stands at a row that was not given yet.
    waiting: bool,
    /// The stream of the last row, and whether its part has all columns.
    columnar: (u32, bool),
    pool: Pool,
}

impl<'a> Finder<'a> {
    fn new(
        mut listing: Listing<'a>,
        query: &'a EventQuery,
        encoder: &'a dyn RowEncoder,
    ) -> Finder<'a> {
        listing.cursor.lets_go = true;
        Finder {
            listing,
            query,
            encoder,
            waiting: false,
            columnar: (0, false),
            pool: Pool::default(),
        }
    }

    /// The next rows; `None` at the end.
    fn find(&mut self) -> Result<Option<Found>> {
        let mut slice = Slice::default();
        let (mut text, mut rows) = (self.pool.text(), 0);
        while std::mem::take(&mut self.waiting) || self.listing.advance()? {
            let cursor = &mut self.listing.cursor;
            let Some((part, serial, row)) = cursor.at() else {
                break;
            };
            if self.columnar.0 != serial {
                self.columnar = (serial, cursor.holds(&self.query.columns));
            }
            if self.columnar.1 {
                if rows > 0 {
                    self.waiting = true;
                    break;
                }
                // Chunks are looked into one after the other, never back and forth.
                if slice.len() >= SLICE_ROWS / 4 && slice.leaves_chunk(serial, row) {
                    self.waiting = true;
                    break;
                }
                slice.push(part, serial, row);
                if slice.len() == SLICE_ROWS {
                    break;
                }
                continue;
            }
            if slice.len() > 0 {
                self.waiting = true;
                break;
            }
            for (at, &column) in self.query.columns.iter().enumerate() {
                let cell = cursor.cell(column)?.of(column);
                self.encoder.cell(at, cell, text.bytes_mut());
            }
            self.encoder.end_row(text.bytes_mut());
            rows += 1;
            if text.as_ref().len() >= TEXT_BYTES {
                break;
            }
        }
        Ok(match (slice.len(), rows) {
            (0, 0) => None,
            (0, rows) => Some(Found::Text(text, rows)),
            _ => Some(Found::Rows(slice)),
        })
    }
}
