//! The maintenance thread: seals what is full, merges when ingest is idle, and does what callers
//! wait for.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use super::catalog::SegmentMeta;
use super::merge;
use super::part::Part;
use super::seal;
use super::sql;
use super::state::{Progress, Shared, State};
use super::writer::Message;
use crate::model::time;
use crate::store::{Pruned, Resealed, Result, Sealed, StoreError};

/// Ingest counts as idle when no batch was committed for this long.
const IDLE: Duration = Duration::from_secs(3);

/// Segments beyond which merging no longer waits for an idle moment.
const SEGMENTS_BEFORE_BUSY_MERGE: usize = 256;

/// Works until the store stops.
pub(crate) fn run(shared: &Shared) {
    loop {
        let (stopping, merge_to) = {
            let progress = shared.progress();
            (progress.stopping, progress.merge_to)
        };
        let worked = caught(|| round(shared, merge_to, stopping));
        let mut progress = shared.progress();
        progress.rounds += 1;
        match worked {
            Ok(true) => {
                progress.failure = None;
                shared.changed.notify_all();
                continue;
            }
            Ok(false) => {
                progress.failure = None;
                // Unless somebody asked for more meanwhile.
                progress.merge_to = progress.merge_to.filter(|_| progress.merge_to != merge_to);
            }
            Err(error) if progress.stopping && !stopping => {
                // A merge that was given up; what is left to seal is sealed in the next round.
                tracing::info!(%error, "background work ends");
                continue;
            }
            Err(error) => {
                tracing::error!(%error, "background work failed; it is tried again");
                progress.failure = Some(error.to_string());
                progress.merge_to = None;
            }
        }
        shared.changed.notify_all();
        if progress.stopping {
            progress.stopped = true;
            return;
        }
        let _ = shared
            .changed
            .wait_timeout(progress, Duration::from_secs(1))
            .unwrap_or_else(std::sync::PoisonError::into_inner);
    }
}

/// A panic as a failure: without this thread ingest would wait for ever for what it seals.
fn caught(work: impl FnOnce() -> Result<bool>) -> Result<bool> {
    // It leaves behind what a crash does: an unfinished file, which the next start removes.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let text = "background work broke off inside; the log says where";
        Err(StoreError::Io(text.to_owned()))
    })
}

/// A piece of work; false when there was none. Sealing goes first, because ingest waits for it, and
/// a merge that somebody waits for second: it is not put off by ingest that never rests.
fn round(shared: &Shared, merge_to: Option<i64>, stopping: bool) -> Result<bool> {
    let _turn = shared.turn();
    shared.sweep()?;
    let sealed = seal::seal_oldest(shared)?;
    if sealed {
        // Its blocks are gone, but many threads made them: the allocator would keep what they took.
        sql::give_back();
    }
    if stopping || (sealed && merge_to.is_none()) {
        return Ok(sealed);
    }
    let idle = shared
        .progress()
        .last_commit
        .is_none_or(|last| last.elapsed() > IDLE);
    if (merge_to.is_some() || idle || shared.state().sealed.len() > SEGMENTS_BEFORE_BUSY_MERGE)
        && let Some(inputs) = merge::worth_merging(shared, merge_to)
    {
        if merge::merge(shared, &inputs)? {
            tracing::info!(segments = inputs.len(), "merged");
        }
        return Ok(true);
    }
    Ok(sealed)
}

/// Begins a new active segment and waits until the older ones are sealed; `merge` also waits for all
/// merges of what is sealed then. What arrives meanwhile is not waited for: it need never end.
pub(crate) fn seal_now(
    shared: &Shared,
    writer: &SyncSender<Message>,
    merge: bool,
) -> Result<Sealed> {
    // Names only: holding the state would keep the files of merged segments.
    let before = shared.state();
    let known: HashSet<String> = before.sealed.iter().map(|meta| meta.name.clone()).collect();
    let events = before.actives.iter().map(|active| active.events).sum();
    drop(before);
    rotate(writer)?;
    let state = shared.state();
    let names = state.actives.iter().map(|active| active.name.clone());
    // The last one is the new one.
    let full: HashSet<String> = names.rev().skip(1).collect();
    drop(state);
    shared.progress().failure = None;
    wait(shared, |_| {
        let state = shared.state();
        state
            .actives
            .iter()
            .any(|active| full.contains(&active.name))
    })?;
    if merge {
        let state = shared.state();
        let last = state.sealed.iter().map(|meta| meta.last_id).max();
        drop(state);
        let mut progress = shared.progress();
        progress.merge_to = progress.merge_to.max(last);
        drop(progress);
        wait(shared, |progress| {
            progress.merge_to >= last && last.is_some()
        })?;
    }
    let turn = shared.turn();
    shared.sweep()?;
    drop(turn);
    let after = shared.state();
    let is_new = |name: &str| !known.contains(name);
    Ok(Sealed {
        events,
        segments: after
            .sealed
            .iter()
            .filter(|meta| is_new(&meta.name))
            .count() as u64,
    })
}

/// Wakes the maintenance thread and waits while there is `more` for it to do.
fn wait(shared: &Shared, more: impl Fn(&Progress) -> bool) -> Result<()> {
    shared.changed.notify_all();
    let mut progress = shared.progress();
    while more(&progress) {
        if let Some(failure) = progress.failure.take() {
            return Err(StoreError::Io(failure));
        }
        if progress.stopped {
            return Err(StoreError::Unavailable("the store is stopping".into()));
        }
        progress = shared
            .changed
            .wait(progress)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
    }
    Ok(())
}

/// Rewrites the sealed segments that lack facts or rollups of the present version, one by one.
pub(crate) fn reseal(shared: &Shared) -> Result<Resealed> {
    let mut resealed = Resealed::default();
    let mut failure = None;
    let mut seen = HashSet::new();
    loop {
        // Sealing and merging go on between two segments.
        let _turn = shared.turn();
        let state = shared.state();
        let next = state.sealed.iter().find(|meta| !seen.contains(&meta.name));
        let Some(meta) = next.cloned() else {
            drop(state);
            shared.sweep()?;
            return failure.map_or(Ok(resealed), Err);
        };
        drop(state);
        seen.insert(meta.name.clone());
        let rewritten = shared.open_apart(&meta).and_then(|sealed| {
            if sealed.is_current() {
                return Ok(false);
            }
            drop(sealed);
            merge::rewrite(shared, std::slice::from_ref(&meta), None).map(|_| true)
        });
        match rewritten {
            Ok(true) => {
                resealed.events += meta.events;
                resealed.segments += 1;
                tracing::info!(segment = meta.name, events = meta.events, "resealed");
            }
            Ok(false) => {}
            // It costs only itself: the others are resealed all the same.
            Err(error @ StoreError::Damaged(_)) => failure = failure.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
}

fn rotate(writer: &SyncSender<Message>) -> Result<()> {
    let stopped = || StoreError::Unavailable("the store is stopping".into());
    let (reply, answer) = sync_channel(1);
    writer.send(Message::Rotate(reply)).map_err(|_| stopped())?;
    answer.recv().map_err(|_| stopped())?
}

/// Removes events before `cutoff`.
pub(crate) fn prune(
    shared: &Shared,
    writer: Option<&SyncSender<Message>>,
    cutoff: i64,
    dry_run: bool,
) -> Result<Pruned> {
    let mut pruned = Pruned {
        before: time::to_text(cutoff),
        dry_run,
        ..Pruned::default()
    };
    let active_is_old = shared
        .state()
        .actives
        .iter()
        .any(|active| active.blocks.iter().any(|block| block.oldest < cutoff));
    if !dry_run {
        let writer = writer.ok_or_else(|| {
            StoreError::Unavailable("the store was opened for reading only".into())
        })?;
        if active_is_old {
            seal_now(shared, writer, false)?;
        }
    }
    let _turn = shared.turn();
    let state = shared.state();
    if dry_run {
        for active in &state.actives {
            for block in &active.blocks {
                pruned.events += block.live_before(cutoff)?;
            }
        }
    }
    let bytes_before = sealed_bytes(&state);
    let mut failure = None;
    for meta in state.sealed.iter().filter(|meta| meta.oldest < cutoff) {
        match prune_segment(shared, meta, cutoff, dry_run) {
            Ok(events) => {
                let whole = meta.newest < cutoff;
                pruned.events += events;
                pruned.segments_removed += u64::from(whole);
                pruned.segments_rewritten += u64::from(!whole);
            }
            // It costs only itself: the others are pruned all the same.
            Err(error @ StoreError::Damaged(_)) => failure = failure.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    if !dry_run {
        let total = shared.ledger().pruned()?;
        shared.change_facts(|facts| facts.pruned = total);
        let oldest = state.sealed.iter().map(|meta| meta.oldest).min();
        if let (1.., Some(oldest)) = (pruned.events, oldest) {
            tracing::info!(
                events = pruned.events,
                segments_removed = pruned.segments_removed,
                segments_rewritten = pruned.segments_rewritten,
                bytes_freed = bytes_before.saturating_sub(sealed_bytes(&shared.state())),
                from = time::to_text(oldest),
                before = pruned.before,
                "pruned"
            );
        }
    }
    failure.map_or(Ok(pruned), Err)
}

fn sealed_bytes(state: &State) -> u64 {
    state.sealed.iter().map(|meta| meta.file_bytes).sum()
}

/// Removes the events of one segment before `cutoff`; how many they are.
fn prune_segment(
    shared: &Shared,
    meta: &Arc<SegmentMeta>,
    cutoff: i64,
    dry_run: bool,
) -> Result<u64> {
    let whole = meta.newest < cutoff;
    let events = if whole {
        meta.events
    } else {
        let part = Part::Sealed(shared.open_sealed(meta)?);
        u64::from(part.rows_between(None, Some(cutoff))?.1)
    };
    if dry_run {
        return Ok(events);
    }
    // Recorded before it happens: a crash in between leaves a record of events that are still
    // there, never the other way round, and the next run replaces it.
    let newest = meta.newest.min(cutoff - 1);
    shared
        .ledger()
        .record_pruned(&meta.name, cutoff, events, meta.oldest, newest)?;
    let done = if whole {
        seal::replace(shared, std::slice::from_ref(&meta.name), Vec::new())
    } else {
        merge::rewrite(shared, &[Arc::clone(meta)], Some(cutoff)).map(drop)
    };
    if done.is_err()
        && shared
            .state()
            .sealed
            .iter()
            .any(|kept| kept.name == meta.name)
    {
        shared.ledger().forget_pruned(&meta.name)?;
    }
    done.map(|()| events)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_of_background_work_is_a_failure() {
        assert!(super::caught(|| Ok(true)).unwrap());
        let failed = super::caught(|| panic!("of a test")).unwrap_err();
        assert!(failed.to_string().contains("broke off"), "{failed}");
    }
}
