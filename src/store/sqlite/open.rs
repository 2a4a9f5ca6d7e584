//! Opening a store: the lock, recovery after a crash, and one state of it all for readers.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::active::{ActiveWriter, BodyReader};
use super::catalog::{Catalog, Listing, SegmentKind, SegmentMeta};
use super::database::io_failed;
use super::dedup::LiveKeys;
use super::ledger::Ledger;
use super::loaded::Loaded;
use super::rebuild::{adopt_or_remove_unlisted, files, is_segment, rebuild_catalog};
use super::state::{Active, Shared, State};
use super::writer::active_name;
use crate::limits;
use crate::store::{OpenOptions, Result, StoreError};

pub(crate) const CATALOG: &str = "catalog.db";
pub(crate) const LEDGER: &str = "ledger.db";
const LOCK: &str = "lock";
const READERS: &str = "readers";

/// What a writer needs to begin.
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) active: ActiveWriter,
    pub(crate) name: String,
    pub(crate) keys: LiveKeys,
    pub(crate) next_id: i64,
    /// Held as long as the store is open for writing.
    pub(crate) lock: File,
}

/// Opens a directory for writing and recovers what a crash left.
pub(crate) fn open_write(directory: &Path, options: &OpenOptions) -> Result<Opened> {
    if !(1..=limits::SEGMENT_EVENTS_MAX).contains(&options.segment_events) {
        return Err(StoreError::BadRequest(format!(
            "--segment-events {} is out of range; use 1 to {}",
            options.segment_events,
            limits::SEGMENT_EVENTS_MAX
        )));
    }
    make_directory(directory)?;
    let lock = lock(directory)?;
    remove_unfinished(directory)?;
    let catalog_path = directory.join(CATALOG);
    let rebuild = !is_there(&catalog_path)?;
    let mut ledger = Ledger::open(&directory.join(LEDGER), true).map_err(ledger_advice)?;
    let catalog = Catalog::open(&catalog_path, true)?;
    if rebuild {
        rebuild_catalog(directory, &catalog, &ledger)?;
    }
    let mut listing = catalog.list()?;
    adopt_or_remove_unlisted(directory, &catalog, &mut listing)?;

    let mut state = State {
        generation: listing.generation,
        ..State::default()
    };
    let mut keys = LiveKeys::default();
    let mut next_id = listing.last_id + 1;
    let mut writers = Vec::new();
    for meta in std::mem::take(&mut listing.segments) {
        next_id = next_id.max(meta.last_id + 1);
        if meta.kind == SegmentKind::Sealed {
            state.sealed.push(Arc::new(meta));
            continue;
        }
        let path = directory.join(&meta.name);
        let open = || {
            let writer = ActiveWriter::open(&path)?;
            let loaded = writer.load()?;
            Ok((writer, loaded))
        };
        let (writer, loaded) = open().map_err(|error| active_advice(&meta.name, error))?;
        let bodies = Arc::new(BodyReader::open(&path, false)?);
        for (block, block_keys) in loaded.blocks.iter().zip(&loaded.keys) {
            next_id = next_id.max(block.first_id + block.rows as i64);
            for (row, key) in block_keys.as_chunks::<16>().0.iter().enumerate() {
                if block.dead.binary_search(&(row as u32)).is_err() {
                    keys.insert(&meta.name, *key);
                }
            }
        }
        next_id = next_id.max(writer.id_after_quarantine()?);
        state
            .actives
            .push(Arc::new(active_of(&meta.name, bodies, loaded)));
        writers.push((meta.name, writer));
    }
    ledger
        .forget_unpruned(state.sealed.iter().map(|meta| meta.name.as_str()))
        .map_err(ledger_advice)?;
    let mut next_number = listing.last_number + 1;
    let (name, active) = match writers.pop() {
        Some((name, writer)) => (name, writer),
        None => {
            let name = active_name(next_number);
            next_number += 1;
            let path = directory.join(&name);
            let writer = ActiveWriter::create(&path)?;
            state.generation = catalog.replace(
                &[],
                &[SegmentMeta::active(&name)],
                next_number - 1,
                next_id - 1,
            )?;
            let bodies = Arc::new(BodyReader::open(&path, false)?);
            state
                .actives
                .push(Arc::new(active_of(&name, bodies, Loaded::default())));
            (name, writer)
        }
    };
    let options = remember_proxies(&catalog, options, &listing.trusted_proxies)?;
    let identity = remember_identity(&catalog, listing.identity)?;
    let readers = Some(readers_file(directory, true)?);
    let mut shared = Shared::new(
        directory,
        options,
        catalog,
        ledger,
        state,
        next_number,
        readers,
    )?;
    shared.identity = identity;
    Ok(Opened {
        shared: Arc::new(shared),
        active,
        name,
        keys,
        next_id,
        lock,
    })
}

/// What to do about a ledger that cannot be read.
fn ledger_advice(error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(text) => StoreError::Damaged(format!(
            "{text}; put {LEDGER} back from a backup, or move it out of the directory and start again: no event is lost, but the quarantined items and counts in it are, and what was pruned"
        )),
        error => error,
    }
}

/// What to do about an active segment that cannot be read: it holds acknowledged events, so going
/// on without it is not for the program to decide.
fn active_advice(name: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(text) => StoreError::Damaged(format!(
            "{text}; put {name} and {name}-wal back from a backup, or, to go on without the events in it, move {name}, {name}-wal, {name}-shm and {CATALOG} out of the directory and start again: the catalog is rebuilt from the sealed segments, which keep their events; only what was not sealed yet is lost (give --trusted-proxies again if you use it)"
        )),
        error => error,
    }
}

/// An active segment's state from its loaded blocks.
pub(crate) fn active_of(name: &str, bodies: Arc<BodyReader>, loaded: Loaded) -> Active {
    Active {
        name: name.to_owned(),
        bodies,
        events: loaded.blocks.iter().map(|block| block.live() as u64).sum(),
        raw_bytes: loaded.blocks.iter().map(|block| block.raw_bytes).sum(),
        truncated: loaded.blocks.iter().map(|block| block.truncated).sum(),
        text_bytes: loaded.blocks.iter().map(|block| block.text_bytes()).sum(),
        blocks: loaded.blocks,
    }
}

fn make_directory(directory: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    // Audit events hold secrets' names and more: the directory is for its owner only.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| io_failed(directory, &error))
}

/// The proxies given now, or those of the last time: readers must see what the writer sees.
fn remember_proxies(
    catalog: &Catalog,
    options: &OpenOptions,
    known: &[String],
) -> Result<OpenOptions> {
    let mut options = options.clone();
    if options.trusted_proxies.is_empty() {
        options.trusted_proxies = known.to_vec();
    } else if options.trusted_proxies != known {
        super::deriver::Deriver::new(&options.trusted_proxies)
            .map_err(|error| StoreError::BadRequest(format!("--trusted-proxies: {error}")))?;
        catalog.set("trusted_proxies", &options.trusted_proxies.join(","))?;
    }
    Ok(options)
}

/// The store's identity, made when there is none yet: in a new catalog.
fn remember_identity(catalog: &Catalog, known: String) -> Result<String> {
    if !known.is_empty() {
        return Ok(known);
    }
    let identity = format!("{:016x}", fastrand::u64(..));
    catalog.set("identity", &identity)?;
    Ok(identity)
}

/// The file that readers lock while they read.
fn readers_file(directory: &Path, create: bool) -> Result<File> {
    let path = directory.join(READERS);
    let opened = if create {
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
    } else {
        File::open(&path)
    };
    opened.map_err(|error| io_failed(&path, &error))
}

/// Takes the lock that makes this process the only writer.
fn lock(directory: &Path) -> Result<File> {
    use std::io::{Read, Seek, Write};
    let path = directory.join(LOCK);
    let fails = |error: std::io::Error| io_failed(&path, &error);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(fails)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who holds it is only for the message.
            let _ = file.read_to_string(&mut holder);
            return Err(StoreError::Locked(format!(
                "{}: another process writes this store (process {}); stop it, or use --server to ask it",
                directory.display(),
                if holder.trim().is_empty() {
                    "unknown"
                } else {
                    holder.trim()
                }
            )));
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(fails(error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .map_err(fails)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
        .map_err(fails)?;
    Ok(file)
}

/// Whether a file is there; an error when that cannot be told.
fn is_there(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| io_failed(path, &error))
}

/// Removes what a crash left half written.
fn remove_unfinished(directory: &Path) -> Result<()> {
    for name in files(directory)?
        .iter()
        .filter(|name| name.contains(".new"))
    {
        let path = directory.join(name);
        std::fs::remove_file(&path).map_err(|error| io_failed(&path, &error))?;
    }
    Ok(())
}

/// Opens a directory for reading: one generation of the catalog and one state of each active
/// segment. Tries again when a writer replaces files meanwhile.
pub(crate) fn open_read(directory: &Path) -> Result<Shared> {
    const TRIES: usize = 20;
    let catalog_path = directory.join(CATALOG);
    if !is_there(&catalog_path)? {
        if files(directory).is_ok_and(|names| names.iter().any(|name| is_segment(name))) {
            return Err(StoreError::Damaged(format!(
                "{}: catalog.db is missing; `auditql seal --data {0}`, or the next start of `auditql serve`, makes it anew from the segments",
                directory.display()
            )));
        }
        let what = if directory.exists() {
            "holds no store"
        } else {
            "does not exist"
        };
        return Err(StoreError::BadRequest(format!(
            "{}: the data directory {what}; give it with --data, or fill it with `auditql import --data {0} FILE`",
            directory.display()
        )));
    }
    // Held until the answer is given, so that the writer removes no file meanwhile.
    let readers = readers_file(directory, false).ok();
    if let Some(readers) = &readers {
        readers
            .lock_shared()
            .map_err(|error| io_failed(directory, &error))?;
    }
    let mut readers = readers;
    let mut last_error = None;
    for _ in 0..TRIES {
        let catalog = Catalog::open(&catalog_path, false)?;
        let listing = catalog.list()?;
        let generation = listing.generation;
        let trusted_proxies = listing.trusted_proxies.clone();
        let identity = listing.identity.clone();
        match read_state(directory, listing) {
            Ok(state) if catalog.generation()? == generation => {
                let ledger = Ledger::open(&directory.join(LEDGER), false)?;
                let options = OpenOptions {
                    trusted_proxies,
                    ..OpenOptions::default()
                };
                let readers = readers.take();
                let mut shared =
                    Shared::new(directory, options, catalog, ledger, state, 1, readers)?;
                shared.identity = identity;
                return Ok(shared);
            }
            Ok(_) => {}
            Err(error) => {
                if catalog.generation()? == generation {
                    return Err(error);
                }
                last_error = Some(error);
            }
        }
    }
    Err(last_error.unwrap_or_else(|| {
        StoreError::Locked(format!(
            "{}: the store changed faster than it could be read; try again",
            directory.display()
        ))
    }))
}

fn read_state(directory: &Path, listing: Listing) -> Result<State> {
    let mut state = State {
        generation: listing.generation,
        ..State::default()
    };
    for meta in listing.segments {
        if meta.kind == SegmentKind::Sealed {
            state.sealed.push(Arc::new(meta));
            continue;
        }
        let path = directory.join(&meta.name);
        let bodies =
            BodyReader::open(&path, true).map_err(|error| read_only_hint(directory, error))?;
        let bodies = Arc::new(bodies);
        let loaded = bodies
            .load()
            .map_err(|error| read_only_hint(directory, error))?;
        state
            .actives
            .push(Arc::new(active_of(&meta.name, bodies, loaded)));
    }
    Ok(state)
}

/// An active segment has a log beside it, which cannot be read without write permission.
fn read_only_hint(directory: &Path, error: StoreError) -> StoreError {
    let writable = tempfile::tempfile_in(directory).is_ok();
    match error {
        StoreError::Io(text) | StoreError::Unavailable(text) if !writable => {
            StoreError::Unavailable(format!(
                "{text}; the newest events cannot be read from a directory without write permission: run `auditql seal` where it can be written, or ask the server with --server"
            ))
        }
        error => error,
    }
}
