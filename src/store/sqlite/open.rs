//! Opening a store: the lock, recovery after a crash, and rebuilding a lost catalog.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::active::{ActiveWriter, BodyReader, Loaded};
use super::catalog::{Catalog, Listing, SegmentKind, SegmentMeta};
use super::database::io_failed;
use super::dedup::LiveKeys;
use super::ledger::Ledger;
use super::sealed::Sealed;
use super::state::{Active, Shared, State};
use super::writer::active_name;
use crate::limits;
use crate::store::{OpenOptions, Result, StoreError};

const CATALOG: &str = "catalog.db";
const LEDGER: &str = "ledger.db";
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
    let ledger = Ledger::open(&directory.join(LEDGER), true)?;
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
        let writer = ActiveWriter::open(&path)?;
        let bodies = Arc::new(BodyReader::open(&path, false)?);
        let loaded = writer.load()?;
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
    let readers = Some(readers_file(directory, true)?);
    let shared = Shared::new(
        directory,
        options,
        catalog,
        ledger,
        state,
        next_number,
        readers,
    )?;
    Ok(Opened {
        shared: Arc::new(shared),
        active,
        name,
        keys,
        next_id,
        lock,
    })
}

/// An active segment's state from its loaded blocks.
pub(crate) fn active_of(name: &str, bodies: Arc<BodyReader>, loaded: Loaded) -> Active {
    Active {
        name: name.to_owned(),
        bodies,
        events: loaded.blocks.iter().map(|block| block.live() as u64).sum(),
        raw_bytes: loaded.blocks.iter().map(|block| block.raw_bytes).sum(),
        truncated: loaded.blocks.iter().map(|block| block.truncated).sum(),
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
        super::predicate::Deriver::new(&options.trusted_proxies)
            .map_err(|error| StoreError::BadRequest(format!("--trusted-proxies: {error}")))?;
        catalog.set("trusted_proxies", &options.trusted_proxies.join(","))?;
    }
    Ok(options)
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

/// The store's files in the directory, without logs.
fn files(directory: &Path) -> Result<Vec<String>> {
    let fails = |error: std::io::Error| io_failed(directory, &error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(fails)? {
        let name = entry.map_err(fails)?.file_name();
        if let Some(name) = name.to_str() {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn is_segment(name: &str) -> bool {
    number_of(name).is_some()
}

/// The number in a segment's file name.
fn number_of(name: &str) -> Option<u64> {
    let stem = name.strip_suffix(".db")?;
    stem.strip_prefix("sealed-")
        .or_else(|| stem.strip_prefix("active-"))?
        .parse()
        .ok()
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

/// Files that the catalog does not list: those it took out, what a crash left between writing a file
/// and listing it (its inputs are listed still), or what somebody put there, which is listed again.
fn adopt_or_remove_unlisted(
    directory: &Path,
    catalog: &Catalog,
    listing: &mut Listing,
) -> Result<()> {
    for name in &listing.removed {
        remove_segment(directory, name)?;
    }
    catalog.forget_removed(&listing.removed)?;
    let listed: HashSet<String> = listing
        .segments
        .iter()
        .map(|meta| meta.name.clone())
        .collect();
    let mut adopted = Vec::new();
    for name in files(directory)?
        .into_iter()
        .filter(|name| is_segment(name) && !listed.contains(name))
    {
        let path = directory.join(&name);
        if name.starts_with("active-") {
            let active = ActiveWriter::open(&path)?;
            let is_empty = !active.has_records()? && active.load()?.blocks.is_empty();
            drop(active);
            if is_empty {
                remove_segment(directory, &name)?;
            } else {
                adopted.push(SegmentMeta::active(&name));
            }
            continue;
        }
        let (meta, header) = match inspect(&path, &name) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "a file that is not in the catalog cannot be read and is left out");
                continue;
            }
        };
        let inputs = header
            .replaces
            .iter()
            .filter(|&input| listed.contains(input));
        if let Some(input) = inputs
            .clone()
            .find(|&input| !directory.join(input).exists())
        {
            return Err(StoreError::Damaged(format!(
                "{}: the catalog lists {input}, which was replaced by {name}: it is older than the segments; remove it to have it rebuilt from them",
                directory.join(CATALOG).display()
            )));
        }
        if inputs.count() > 0 {
            remove_segment(directory, &name)?;
            continue;
        }
        match events_elsewhere(directory, &path, &meta, &listing.segments) {
            Ok(0) => adopted.push(meta),
            Ok(known) if known == meta.events => remove_segment(directory, &name)?,
            Ok(known) => tracing::warn!(
                file = name,
                "a segment is not in the catalog and is left out: {known} of its {} events are in other segments",
                meta.events
            ),
            Err(error) => tracing::warn!(
                file = name,
                %error,
                "a segment is not in the catalog and is left out: its events may be in other segments"
            ),
        }
    }
    if !adopted.is_empty() {
        for meta in &adopted {
            tracing::warn!(
                file = meta.name,
                "a segment was not in the catalog and is listed again"
            );
        }
        let last_number = adopted
            .iter()
            .filter_map(|meta| number_of(&meta.name))
            .max()
            .unwrap_or_default();
        catalog.replace(
            &[],
            &adopted,
            last_number.max(listing.last_number),
            listing.last_id,
        )?;
    }
    *listing = catalog.list()?;
    Ok(())
}

/// How many of a segment's events are in the listed segments too.
fn events_elsewhere(
    directory: &Path,
    path: &Path,
    meta: &SegmentMeta,
    listed: &[SegmentMeta],
) -> Result<u64> {
    let mut keys = Vec::new();
    Sealed::open(path, None)?.keys(&mut keys)?;
    let mut known = 0;
    for other in listed {
        let path = directory.join(&other.name);
        if other.kind == SegmentKind::Active {
            let mut live = HashSet::new();
            for block_keys in ActiveWriter::open(&path)?.load()?.keys {
                live.extend(block_keys.as_chunks::<16>().0.iter().copied());
            }
            known += keys.iter().filter(|key| live.contains(*key)).count() as u64;
        } else if other.oldest <= meta.newest && meta.oldest <= other.newest {
            let sealed = Sealed::open(&path, Some(other.header_checksum))?;
            for key in &keys {
                known += u64::from(sealed.holds(key)?);
            }
        }
    }
    Ok(known)
}

fn remove_segment(directory: &Path, name: &str) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let path = directory.join(format!("{name}{suffix}"));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_failed(&path, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a sealed file says of itself.
fn inspect(path: &Path, name: &str) -> Result<(SegmentMeta, super::sealed::Header)> {
    let sealed = Sealed::open(path, None)?;
    if let Err(error) = sealed.verify() {
        // It costs only itself: whoever reads what is damaged gets the error.
        tracing::error!(%error, "a segment is damaged");
    }
    let header = sealed.header.clone();
    let (file_bytes, sha256) = super::build::size_and_hash(path)?;
    let built = super::build::Built {
        header_checksum: sealed.header_checksum()?,
        header,
        file_bytes,
        sha256,
    };
    let meta = super::seal::meta_of(name, &built);
    Ok((meta, built.header))
}

/// Lists all files of a store whose catalog is lost.
fn rebuild_catalog(directory: &Path, catalog: &Catalog, ledger: &Ledger) -> Result<()> {
    let names: Vec<String> = files(directory)?
        .into_iter()
        .filter(|name| is_segment(name))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    tracing::warn!(directory = %directory.display(), "the catalog is missing and is rebuilt from the segments");
    let mut metas = Vec::new();
    let mut headers = Vec::new();
    for name in &names {
        let path: PathBuf = directory.join(name);
        if name.starts_with("active-") {
            metas.push(SegmentMeta::active(name));
            continue;
        }
        let (meta, header) = inspect(&path, name)?;
        metas.push(meta);
        headers.push((name.clone(), header));
    }
    // A file is out of date once everything that was written from it is there.
    let there: HashSet<&String> = names.iter().collect();
    let mut replaced: HashSet<String> = HashSet::new();
    for (_, header) in &headers {
        if header
            .siblings
            .iter()
            .all(|sibling| there.contains(sibling))
        {
            replaced.extend(header.replaces.iter().cloned());
        }
    }
    for name in &names {
        // An active segment whose records moved to the ledger was sealed completely; some of its
        // segments may have been merged or pruned since.
        if name.starts_with("active-") && ledger.has_transferred(name)? {
            let siblings_missing = headers.iter().any(|(_, header)| {
                header.replaces.contains(name)
                    && !header
                        .siblings
                        .iter()
                        .all(|sibling| there.contains(sibling))
            });
            if !siblings_missing
                && headers
                    .iter()
                    .any(|(_, header)| header.replaces.contains(name))
            {
                replaced.insert(name.clone());
            }
        }
    }
    // Files written from an input that stays are incomplete copies of it.
    for (name, header) in &headers {
        let stays = |input: &String| there.contains(input) && !replaced.contains(input);
        if header.replaces.iter().any(stays) {
            replaced.insert(name.clone());
        }
    }
    metas.retain(|meta| !replaced.contains(&meta.name));
    // The ledger knows of files and of quarantined items that no segment here speaks of any more;
    // neither their numbers nor their ids may come again.
    let known = ledger.segments()?;
    let last_number = names
        .iter()
        .chain(&known)
        .filter_map(|name| number_of(name))
        .max()
        .unwrap_or_default();
    let last_id = metas
        .iter()
        .map(|meta| meta.last_id)
        .chain([ledger.last_quarantine_id()?])
        .max()
        .unwrap_or_default();
    catalog.replace(&[], &metas, last_number, last_id)?;
    for name in &replaced {
        remove_segment(directory, name)?;
    }
    Ok(())
}

/// Opens a directory for reading: one generation of the catalog and one state of each active
/// segment. Tries again when a writer replaces files meanwhile.
pub(crate) fn open_read(directory: &Path) -> Result<Shared> {
    const TRIES: usize = 20;
    let catalog_path = directory.join(CATALOG);
    if !is_there(&catalog_path)? {
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
        match read_state(directory, listing) {
            Ok(state) if catalog.generation()? == generation => {
                let ledger = Ledger::open(&directory.join(LEDGER), false)?;
                let options = OpenOptions {
                    trusted_proxies,
                    ..OpenOptions::default()
                };
                let readers = readers.take();
                return Shared::new(directory, options, catalog, ledger, state, 1, readers);
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
