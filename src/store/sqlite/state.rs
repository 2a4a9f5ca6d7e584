//! What the engine's threads share: the current files, the open segments, and the signals between
//! the writer and the maintenance thread.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use super::active::BodyReader;
use super::block::Block;
use super::catalog::{Catalog, SegmentMeta};
use super::layout::TextColumn;
use super::ledger::Ledger;
use super::predicate::Deriver;
use super::sealed::Sealed;
use crate::store::{OpenOptions, Result, StoreError};

/// Sealed segments that stay open between queries.
const OPEN_SEGMENTS_MAX: usize = 64;

/// An active segment as of some commit.
#[derive(Clone)]
pub(crate) struct Active {
    pub(crate) name: String,
    pub(crate) bodies: Arc<BodyReader>,
    pub(crate) blocks: Vec<Arc<Block>>,
    pub(crate) events: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) truncated: u64,
}

/// The whole store at one moment. Never changes; a commit, seal, merge or prune makes a new one.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) generation: u64,
    pub(crate) sealed: Vec<Arc<SegmentMeta>>,
    /// Oldest first; the last one takes appends.
    pub(crate) actives: Vec<Arc<Active>>,
}

/// Where the background work stands.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Somebody asked for a merge of all that is worth it.
    pub(crate) merge_now: bool,
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

/// Shared by all threads of the engine.
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) options: OpenOptions,
    pub(crate) deriver: Deriver,
    pub(crate) catalog: Catalog,
    pub(crate) ledger: Mutex<Ledger>,
    state: RwLock<Arc<State>>,
    pub(crate) progress: Mutex<Progress>,
    pub(crate) changed: Condvar,
    /// Held while files are replaced: sealing, merging and pruning take turns.
    pub(crate) maintenance: Mutex<()>,
    pub(crate) next_number: Mutex<u64>,
    open: Mutex<OpenSegments>,
}

#[derive(Default)]
struct OpenSegments {
    segments: HashMap<String, (Arc<Sealed>, u64)>,
    clock: u64,
}

impl Shared {
    pub(crate) fn new(
        directory: &Path,
        options: OpenOptions,
        catalog: Catalog,
        ledger: Ledger,
        state: State,
        next_number: u64,
    ) -> Result<Shared> {
        let deriver = Deriver::new(&options.trusted_proxies)
            .map_err(|error| StoreError::BadRequest(format!("--trusted-proxies: {error}")))?;
        Ok(Shared {
            directory: directory.to_owned(),
            options,
            deriver,
            catalog,
            ledger: Mutex::new(ledger),
            state: RwLock::new(Arc::new(state)),
            progress: Mutex::default(),
            changed: Condvar::new(),
            maintenance: Mutex::new(()),
            next_number: Mutex::new(next_number),
            open: Mutex::default(),
        })
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

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
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
            if let Some((sealed, used)) = open.segments.get_mut(&meta.name) {
                *used = clock;
                return Ok(Arc::clone(sealed));
            }
        }
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
        let sealed = Arc::new(Sealed::open(&path, Some(meta.header_checksum))?);
        if sealed.header.strings.len() != TextColumn::ALL.len() {
            return Err(StoreError::Damaged(format!(
                "{}: has {} text columns instead of {}",
                path.display(),
                sealed.header.strings.len(),
                TextColumn::ALL.len()
            )));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = open.clock;
        open.segments
            .insert(meta.name.clone(), (Arc::clone(&sealed), clock));
        if open.segments.len() > OPEN_SEGMENTS_MAX {
            let oldest = open
                .segments
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(name, _)| name.clone());
            oldest.and_then(|name| open.segments.remove(&name));
        }
        Ok(sealed)
    }

    /// Closes segments that are no longer part of the store.
    pub(crate) fn forget_open(&self, names: &[String]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        names
            .iter()
            .for_each(|name| drop(open.segments.remove(name)));
    }
}
