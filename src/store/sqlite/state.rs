//! What the engine's threads share: the current files, the open segments, and the signals between
//! the writer and the maintenance thread.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use super::active::BodyReader;
use super::block::Block;
use super::catalog::{Catalog, SegmentMeta};
use super::chunkcache::ChunkCache;
use super::deriver::Deriver;
use super::layout::{FIRST_TEXT_COLUMNS, PLAIN_TEXT_COLUMNS, TEXT_COLUMNS};
use super::ledger::{Ledger, PrunedTotal};
use super::sealed::Sealed;
use crate::store::{OpenOptions, Result, StoreError};

/// Sealed segments that stay open between queries, and the memory that they may hold together.
const OPEN_SEGMENTS_MAX: usize = 512;
const OPEN_SEGMENTS_BYTES_MAX: usize = 64 << 20;

/// An active segment as of some commit.
#[derive(Clone)]
pub(crate) struct Active {
    pub(crate) name: String,
    pub(crate) bodies: Arc<BodyReader>,
    pub(crate) blocks: Vec<Arc<Block>>,
    pub(crate) events: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) truncated: u64,
    /// Bytes of memory that the texts of its blocks take.
    pub(crate) text_bytes: usize,
}

/// The whole store at one moment. Never changes; a commit, seal, merge or prune makes a new one.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) generation: u64,
    pub(crate) sealed: Vec<Arc<SegmentMeta>>,
    /// Oldest first; the last one takes appends.
    pub(crate) actives: Vec<Arc<Active>>,
}

impl State {
    /// The highest id of an event; 0 in an empty store.
    pub(crate) fn last_id(&self) -> i64 {
        let sealed = self.sealed.iter().map(|meta| meta.last_id);
        let blocks = self
            .actives
            .iter()
            .filter_map(|active| active.blocks.last());
        let active = blocks.map(|block| block.ids_between().1);
        sealed.chain(active).max().unwrap_or(0)
    }
}

/// Where the background work stands.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Somebody waits for the merges of all sealed segments that hold no later id than this.
    pub(crate) merge_to: Option<i64>,
    pub(crate) stopping: bool,
    /// The maintenance thread has ended.
    pub(crate) stopped: bool,
    /// The last background failure, for those who wait for the work.
    pub(crate) failure: Option<String>,
    /// Counts the rounds that are done.
    pub(crate) rounds: u64,
    /// When the last batch was committed.
    pub(crate) last_commit: Option<std::time::Instant>,
}

/// Counts that every answer reports, kept so that answers need not read them each time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) quarantined: u64,
    pub(crate) pruned: PrunedTotal,
}

/// Shared by all threads of the engine.
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    /// Tells this store from any other; set when it is opened.
    pub(crate) identity: String,
    pub(crate) options: OpenOptions,
    pub(crate) deriver: Deriver,
    pub(crate) catalog: Catalog,
    pub(crate) ledger: Mutex<Ledger>,
    state: RwLock<Arc<State>>,
    /// The last id that was announced, for those who wait for events.
    announced: Mutex<i64>,
    arrived: Condvar,
    pub(crate) progress: Mutex<Progress>,
    pub(crate) changed: Condvar,
    /// Held while files are replaced: sealing, merging and pruning take turns ([`Shared::turn`]).
    maintenance: Mutex<()>,
    /// Held by who is next for it.
    next_turn: Mutex<()>,
    pub(crate) next_number: Mutex<u64>,
    open: Mutex<OpenSegments>,
    chunks: Arc<ChunkCache>,
    facts: Mutex<Facts>,
    /// Segments that are not merged, being damaged or for their long texts; they stay as they are.
    pub(crate) unmergeable: Mutex<HashSet<String>>,
    /// Files that are no part of the store any more, with what tells whether a query of this
    /// process still needs them.
    retired: Mutex<Vec<(String, Option<Weak<SegmentMeta>>)>>,
    /// Where queries put temporary files: the store's own directory if it can be written, for the
    /// system's may lie in memory.
    pub(crate) temporary: PathBuf,
    /// Readers of other processes hold a shared lock on this file; files are removed under an
    /// exclusive one.
    pub(crate) readers: Option<std::fs::File>,
}

#[derive(Default)]
struct OpenSegments {
    segments: HashMap<String, (Arc<Sealed>, u64)>,
    clock: u64,
}

impl OpenSegments {
    /// Closes the segments that were used least recently, down to the limits. What a query still
    /// reads stays open until it is done.
    fn make_room(&mut self) {
        let mut bytes: usize = self
            .segments
            .values()
            .map(|(sealed, _)| sealed.memory())
            .sum();
        while self.segments.len() > 1
            && (self.segments.len() > OPEN_SEGMENTS_MAX || bytes > OPEN_SEGMENTS_BYTES_MAX)
        {
            // Letting go of one that a query reads would free nothing, and the next query would open it
            // a second time.
            let idle = self
                .segments
                .iter()
                .filter(|(_, (sealed, _))| Arc::strong_count(sealed) == 1);
            let oldest = idle.min_by_key(|(_, (_, used))| *used);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            if let Some((sealed, _)) = self.segments.remove(&name) {
                bytes = bytes.saturating_sub(sealed.memory());
            }
        }
    }
}

/// How often the memory of open segments is looked at, in uses.
const ROOM_CHECK_USES: u64 = 256;

impl Shared {
    /// Waits until nothing else replaces files. Whoever comes back for another turn queues behind
    /// who waits already: a busy sealer would else keep `prune` out for long.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        let _next = self
            .next_turn
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.maintenance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn new(
        directory: &Path,
        options: OpenOptions,
        catalog: Catalog,
        ledger: Ledger,
        state: State,
        next_number: u64,
        readers: Option<std::fs::File>,
    ) -> Result<Shared> {
        let deriver = Deriver::new(&options.trusted_proxies)
            .map_err(|error| StoreError::BadRequest(format!("--trusted-proxies: {error}")))?;
        let shared = Shared {
            directory: directory.to_owned(),
            identity: String::new(),
            options,
            deriver,
            catalog,
            ledger: Mutex::new(ledger),
            announced: Mutex::new(state.last_id()),
            arrived: Condvar::new(),
            state: RwLock::new(Arc::new(state)),
            progress: Mutex::default(),
            changed: Condvar::new(),
            maintenance: Mutex::new(()),
            next_turn: Mutex::new(()),
            next_number: Mutex::new(next_number),
            open: Mutex::default(),
            chunks: Arc::default(),
            facts: Mutex::default(),
            unmergeable: Mutex::default(),
            retired: Mutex::default(),
            temporary: match tempfile::tempfile_in(directory) {
                Ok(_) => directory.to_owned(),
                Err(_) => std::env::temp_dir(),
            },
            readers,
        };
        let quarantined = super::report::quarantined(&shared)?.len() as u64;
        let pruned = shared.ledger().pruned()?;
        shared.change_facts(|facts| {
            *facts = Facts {
                quarantined,
                pruned,
            }
        });
        Ok(shared)
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the state by a changed copy.
    pub(crate) fn update(&self, change: impl FnOnce(&mut State)) {
        let mut guard = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = (**guard).clone();
        change(&mut state);
        *guard = Arc::new(state);
    }

    /// Wakes those who wait for events.
    pub(crate) fn announce(&self) {
        let last_id = self.state().last_id();
        *self
            .announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = last_id;
        self.arrived.notify_all();
    }

    /// Waits until an event after `id` is there, or until `wait` is over; gives the last id.
    pub(crate) fn wait_for_events(&self, id: i64, wait: Duration) -> i64 {
        let announced = self
            .announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .arrived
            .wait_timeout_while(announced, wait, |last| *last <= id);
        drop(waited);
        self.state().last_id()
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn facts(&self) -> Facts {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn change_facts(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A number that no file of the store has had.
    pub(crate) fn take_number(&self) -> u64 {
        let mut next = self
            .next_number
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        *next - 1
    }

    pub(crate) fn last_number(&self) -> u64 {
        *self
            .next_number
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            - 1
    }

    /// Opens a sealed segment, or gives it from those that are open.
    pub(crate) fn open_sealed(&self, meta: &SegmentMeta) -> Result<Arc<Sealed>> {
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.clock += 1;
            let clock = open.clock;
            if clock.is_multiple_of(ROOM_CHECK_USES) {
                open.make_room();
            }
            if let Some((sealed, used)) = open.segments.get_mut(&meta.name) {
                *used = clock;
                return Ok(Arc::clone(sealed));
            }
        }
        let sealed = Arc::new(self.open_apart(meta)?.with_cache(&self.chunks));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = open.clock;
        open.segments
            .insert(meta.name.clone(), (Arc::clone(&sealed), clock));
        open.make_room();
        Ok(sealed)
    }

    /// Opens a sealed segment for one use.
    pub(crate) fn open_apart(&self, meta: &SegmentMeta) -> Result<Sealed> {
        let path = self.directory.join(&meta.name);
        let found = std::fs::metadata(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StoreError::Damaged(format!(
                "{}: the file is missing; its {} events cannot be shown",
                path.display(),
                meta.events
            )),
            _ => super::database::io_failed(&path, &error),
        })?;
        if found.len() != meta.file_bytes {
            return Err(StoreError::Damaged(format!(
                "{}: has {} bytes instead of {}",
                path.display(),
                found.len(),
                meta.file_bytes
            )));
        }
        let sealed = Sealed::open(&path, Some(meta.header_checksum))?;
        let known = match sealed.header.facts {
            0 => PLAIN_TEXT_COLUMNS..=PLAIN_TEXT_COLUMNS,
            _ => FIRST_TEXT_COLUMNS..=TEXT_COLUMNS,
        };
        let columns = sealed.header.strings.len();
        if !known.contains(&columns) {
            return Err(StoreError::Damaged(format!(
                "{}: has {columns} text columns instead of {}; was it written by a newer version of auditql?",
                path.display(),
                known.end(),
            )));
        }
        Ok(sealed)
    }

    /// Notes files to be removed once no query needs them.
    pub(crate) fn retire(&self, files: Vec<(String, Option<Weak<SegmentMeta>>)>) {
        self.retired
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(files);
    }

    /// Removes retired files that nobody reads any more.
    pub(crate) fn sweep(&self) -> Result<()> {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        if retired.is_empty() {
            return Ok(());
        }
        // A reader of another process is between reading the catalog and the end of its answer.
        if self
            .readers
            .as_ref()
            .is_some_and(|readers| readers.try_lock().is_err())
        {
            return Ok(());
        }
        let mut gone = Vec::new();
        retired.retain(|(name, needed)| {
            if needed.as_ref().is_some_and(|meta| meta.strong_count() > 0) {
                return true;
            }
            gone.push(name.clone());
            false
        });
        drop(retired);
        for name in &gone {
            for suffix in ["", "-wal", "-shm"] {
                let path = self.directory.join(format!("{name}{suffix}"));
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        // The catalog still knows it as removed; the next start tries again.
                        tracing::warn!(file = %path.display(), %error, "a removed file stays behind");
                    }
                    _ => {}
                }
            }
        }
        if let Some(readers) = &self.readers {
            let unlocked = readers.unlock();
            unlocked.map_err(|error| super::database::io_failed(&self.directory, &error))?;
        }
        self.catalog.forget_removed(&gone)
    }

    /// Closes segments that are no longer part of the store.
    pub(crate) fn forget_open(&self, names: &[String]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        names
            .iter()
            .for_each(|name| drop(open.segments.remove(name)));
    }
}
