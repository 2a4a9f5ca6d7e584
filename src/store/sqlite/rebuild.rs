//! Which files make up a store, when the catalog does not say: files that it does not list, and
//! rebuilding a lost one from the segments.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::active::ActiveWriter;
use super::catalog::{Catalog, Listing, SegmentKind, SegmentMeta};
use super::database::io_failed;
use super::ledger::Ledger;
use super::open::CATALOG;
use super::sealed::Sealed;
use crate::store::{Result, StoreError};

/// Files that the catalog does not list: those it took out, what a crash left between writing a file
/// and listing it (its inputs are listed still), or what somebody put there, which is listed again.
pub(crate) fn adopt_or_remove_unlisted(
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
    let sealed = Sealed::open(path, None)?;
    for number in 0..sealed.key_pieces() {
        keys.extend(sealed.key_piece(number)?);
    }
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
        held_most: 0,
    };
    let meta = super::seal::meta_of(name, &built);
    Ok((meta, built.header))
}

/// Lists all files of a store whose catalog is lost.
pub(crate) fn rebuild_catalog(directory: &Path, catalog: &Catalog, ledger: &Ledger) -> Result<()> {
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

/// The store's files in the directory, without logs.
pub(crate) fn files(directory: &Path) -> Result<Vec<String>> {
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

pub(crate) fn is_segment(name: &str) -> bool {
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
