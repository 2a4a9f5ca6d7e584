//! Many inputs into a store, pipelined: one thread reads and splits, workers normalise, encode and
//! commit. Commits need not follow the order of the input; the summary is exact all the same.
//!
//! An import that was interrupted is simply run again: what is there already counts as duplicate,
//! so nothing here may depend on where a batch begins or ends.

mod reader;
mod sink;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::files::Expanded;
use super::split::{Limits, Position};
use crate::limits;
use crate::store::{Receipt, StoreError};
pub use sink::{LocalSink, Sink, Taken};

/// Bad items that a summary names.
const BAD_NAMED_MAX: usize = 10;

/// How to import.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that normalise, encode and commit.
    pub workers: usize,
    /// What is an item, and where the bytes of too large ones are spooled.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Options {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Options {
            // One more than cores, so that one encodes while others wait for the disk.
            workers: cores.min(8),
            limits: Limits::default(),
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the inputs read, compressed ones as they are.
    pub bytes_read: u64,
    /// Bytes of all inputs; `None` when one of them has no known size.
    pub bytes_total: Option<u64>,
    /// Items found.
    pub items: u64,
}

/// An item that is no event, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadItem {
    /// Which input, in their order.
    pub input: usize,
    pub at: Position,
    pub name: String,
    pub reason: String,
}

impl std::fmt::Display for BadItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Position { offset, line } = self.at;
        write!(
            f,
            "{}: line {line} (byte {offset}): {}",
            self.name, self.reason
        )
    }
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Inputs read, damaged ones included.
    pub inputs: u64,
    /// Items read, bad ones included.
    pub read: u64,
    pub stored: u64,
    pub duplicates: u64,
    /// Items that went to quarantine for the first time.
    pub quarantined: u64,
    /// Items read that are no events, whether quarantined before or not.
    pub bad: u64,
    /// Bytes read, as they are and decompressed.
    pub bytes_read: u64,
    pub bytes: u64,
    /// The first bad items, in the order of the inputs.
    pub first_bad: Vec<BadItem>,
    /// What may not be what was meant, though all of it was read.
    pub warnings: Vec<String>,
    /// What could not be read, or only in part: the exit code is 2.
    pub errors: Vec<String>,
}

/// Why an import stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server did not take a batch.
    #[error("{0}")]
    Remote(String),
}

/// An import that could not go on; what the summary counts is durable.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Stopped {
    pub error: SinkError,
    pub summary: Box<Summary>,
}

/// Some items that are committed at once.
#[derive(Debug, Default)]
pub struct Part {
    pub(super) bytes: Vec<u8>,
    pub(super) pieces: Vec<Piece>,
}

/// One item or broken piece of a [`Part`].
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) input: usize,
    pub(super) at: Position,
    pub(super) bytes: Range<usize>,
    pub(super) broken: Option<Reason>,
}

/// Why a piece is no item, and its bytes when they are not in memory.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) text: String,
    pub(super) file: Option<(std::fs::File, u64)>,
}

/// What the threads share.
struct Shared<'a> {
    sink: &'a dyn Sink,
    names: &'a [String],
    parts: Mutex<Receiver<Part>>,
    /// Emptied parts, whose memory is used again.
    spare: Mutex<Vec<Part>>,
    summary: Mutex<Summary>,
    error: Mutex<Option<SinkError>>,
    stop: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Imports `inputs` into `sink` and calls `progress` now and then from the calling thread.
///
/// What cannot be read is named in the summary and the rest goes on; only a sink that fails stops
/// the import.
pub fn import(
    inputs: &Expanded,
    sink: &dyn Sink,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, Stopped> {
    let workers = options.workers.max(1);
    let (sender, parts) = sync_channel(workers);
    let names: Vec<String> = inputs
        .inputs
        .iter()
        .map(super::files::Input::name)
        .collect();
    let shared = Shared {
        sink,
        names: &names,
        parts: Mutex::new(parts),
        spare: Mutex::default(),
        summary: Mutex::new(Summary {
            errors: inputs.errors.clone(),
            ..Summary::default()
        }),
        error: Mutex::default(),
        stop: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&shared));
        }
        reader::Reader::new(&shared, sender, &options.limits, progress).run(&inputs.inputs);
    });
    let summary = std::mem::take(&mut *lock(&shared.summary));
    match lock(&shared.error).take() {
        None => Ok(summary),
        Some(error) => Err(Stopped {
            error,
            summary: Box::new(summary),
        }),
    }
}

fn work(shared: &Shared<'_>) {
    let mut panicked = None;
    loop {
        let part = lock(&shared.parts).recv();
        let Ok(mut part) = part else { break };
        // After a failure the channel is still emptied, so that the reader does not wait for ever.
        if shared.stop.load(Ordering::Relaxed) {
            continue;
        }
        match catch_unwind(AssertUnwindSafe(|| shared.sink.take(&part, shared.names))) {
            Ok(Ok(taken)) => lock(&shared.summary).add(taken, shared.names),
            Ok(Err(error)) => {
                shared.stop.store(true, Ordering::Relaxed);
                lock(&shared.error).get_or_insert(error);
            }
            Err(panic) => {
                shared.stop.store(true, Ordering::Relaxed);
                panicked = Some(panic);
            }
        }
        part.bytes.clear();
        part.bytes.shrink_to(limits::IMPORT_BATCH_BYTES * 5 / 4);
        part.pieces.clear();
        lock(&shared.spare).push(part);
    }
    if let Some(panic) = panicked {
        resume_unwind(panic);
    }
}

impl Summary {
    fn add(&mut self, taken: Taken, names: &[String]) {
        let Receipt {
            stored,
            duplicates,
            quarantined,
        } = taken.receipt;
        self.stored += stored;
        self.duplicates += duplicates;
        self.quarantined += quarantined;
        self.bad += taken.bad;
        let named = taken
            .first_bad
            .into_iter()
            .map(|(input, at, reason)| BadItem {
                input,
                at,
                name: names[input].clone(),
                reason,
            });
        self.first_bad.extend(named);
        self.first_bad.sort();
        self.first_bad.truncate(BAD_NAMED_MAX);
    }
}
