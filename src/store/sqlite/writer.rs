//! The writer thread: group commit. Batches that wait together share one transaction and one sync,
//! and each is answered only after it.

mod originals;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use super::active::{ActiveWriter, BodyReader, NewBlock, QuarantineRow};
use super::block::{Block, EncodedBlock};
use super::catalog::SegmentMeta;
use super::dedup::{LiveKeys, PendingKeys};
use super::layout::{IntColumn, TextColumn};
use super::state::{Active, Shared, State};
use crate::model::time;
use crate::store::{Receipt, Result, StoreError};
use originals::{Covering, is_quarantined};

/// Compressed bytes that one transaction takes at most, so that a commit stays short.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Full active segments that may wait to be sealed before the writer waits for them.
const UNSEALED_MAX: usize = 2;

/// A batch on its way to the disk.
pub(crate) struct Submission {
    pub(crate) cluster: String,
    pub(crate) source: String,
    pub(crate) blocks: Vec<EncodedBlock>,
    pub(crate) quarantine: Vec<QuarantineRow>,
    pub(crate) reply: SyncSender<Result<Receipt>>,
}

impl Submission {
    fn bytes(&self) -> usize {
        self.blocks
            .iter()
            .map(|block| block.bodies.len() + block.data.len())
            .sum()
    }
}

/// Beyond [`UNSEALED_MAX`], up to this many, each commit waits only this long, so that senders are
/// slowed down to the pace of sealing instead of being stopped for as long as a seal takes.
const UNSEALED_BLOCKED_MAX: usize = UNSEALED_MAX + 1;
const PACE: std::time::Duration = std::time::Duration::from_millis(100);

/// Full active segments that may wait while sealing fails, before batches are refused.
const UNSEALED_WHILE_FAILING_MAX: usize = 16;

/// What the writer is asked to do.
pub(crate) enum Message {
    Batch(Submission),
    /// Close the active segment and begin another, if it holds anything.
    Rotate(SyncSender<Result<()>>),
    Stop,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    active: ActiveWriter,
    name: String,
    keys: LiveKeys,
    next_id: i64,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        active: ActiveWriter,
        name: String,
        keys: LiveKeys,
        next_id: i64,
    ) -> Writer {
        Writer {
            shared,
            active,
            name,
            keys,
            next_id,
        }
    }

    /// Works until it is told to stop; what was received before is committed and answered.
    pub(crate) fn run(mut self, messages: &Receiver<Message>) {
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                match messages.recv() {
                    Ok(message) => waiting.push_back(message),
                    Err(_) => return,
                }
            }
            waiting.extend(messages.try_iter());
            match waiting.front() {
                Some(Message::Batch(_)) => {
                    let group = take_group(&mut waiting);
                    self.commit(group);
                }
                Some(Message::Rotate(_)) => {
                    if let Some(Message::Rotate(reply)) = waiting.pop_front() {
                        // The asker may be gone; the rotation stands all the same.
                        let _ = reply.send(self.rotate_if_used());
                    }
                }
                Some(Message::Stop) | None => return,
            }
        }
    }

    fn commit(&mut self, group: Vec<Submission>) {
        let mut replies = Vec::with_capacity(group.len());
        let ready = self.wait_for_sealing();
        let state = self.shared.state();
        self.keys
            .retain(|name| state.actives.iter().any(|active| active.name == name));
        let result = self.commit_group(group, ready, &state, &mut replies);
        drop(state);
        match result {
            Ok(receipts) => {
                for (reply, receipt) in replies.into_iter().zip(receipts) {
                    // A client that went away has its events stored all the same.
                    let _ = reply.send(Ok(receipt));
                }
            }
            Err(error) => {
                tracing::error!(%error, "commit failed; nothing of it was acknowledged");
                for reply in replies {
                    let _ = reply.send(Err(StoreError::Unavailable(error.to_string())));
                }
            }
        }
        let state = self.shared.state();
        let last = state.actives.last();
        let full = last.is_some_and(|last| last.is_full(&self.shared.options));
        drop(state);
        if full && let Err(error) = self.rotate() {
            tracing::error!(%error, "a new active segment could not be made; the old one goes on");
        }
        self.shared.progress().last_commit = Some(Instant::now());
    }

    /// Commits a group of batches in one transaction. Fills `replies` in any case.
    fn commit_group(
        &mut self,
        group: Vec<Submission>,
        ready: Result<()>,
        state: &State,
        replies: &mut Vec<SyncSender<Result<Receipt>>>,
    ) -> Result<Vec<Receipt>> {
        let stored_time = time::now();
        let mut pending = PendingKeys::default();
        let mut receipts = Vec::with_capacity(group.len());
        let mut next_id = self.next_id;
        let mut blocks = Vec::new();
        let mut records = Vec::with_capacity(group.len());
        let mut failure = ready.err();
        for submission in group {
            replies.push(submission.reply);
            let mut receipt = Receipt::default();
            for encoded in submission.blocks {
                match self.new_block(encoded, next_id, stored_time, state, &mut pending) {
                    Ok((new, block)) => {
                        receipt.duplicates += block.dead.len() as u64;
                        receipt.stored += block.live() as u64;
                        if block.live() > 0 {
                            next_id += block.rows as i64;
                            blocks.push((new, block));
                        }
                    }
                    Err(error) => failure = Some(error),
                }
            }
            receipts.push(receipt);
            records.push((submission.cluster, submission.source, submission.quarantine));
        }
        if let Some(error) = failure {
            return Err(error);
        }
        let ledger = self.shared.ledger();
        self.active.transaction(|transaction| {
            for (new, block) in &blocks {
                transaction.insert_block(new, block)?;
            }
            for ((cluster, source, quarantine), receipt) in records.iter().zip(&mut receipts) {
                for item in quarantine {
                    let here = transaction.count_quarantined_again(&item.digest)?;
                    let is_new = !here && !is_quarantined(&item.digest, state, &ledger)?;
                    receipt.quarantined += u64::from(is_new);
                    receipt.duplicates += u64::from(!is_new);
                    if here {
                        continue;
                    }
                    transaction.insert_quarantine(next_id, stored_time, cluster, source, item)?;
                    next_id += 1;
                }
                transaction.insert_ingest(stored_time, cluster, source, receipt)?;
            }
            Ok(())
        })?;
        drop(ledger);
        self.next_id = next_id;
        pending
            .drain()
            .for_each(|key| self.keys.insert(&self.name, key));
        let quarantined: u64 = receipts.iter().map(|receipt| receipt.quarantined).sum();
        self.shared
            .change_facts(|facts| facts.quarantined += quarantined);
        self.publish(blocks);
        Ok(receipts)
    }

    /// Decides which rows of a block are duplicates.
    fn new_block(
        &self,
        encoded: EncodedBlock,
        first_id: i64,
        stored_time: i64,
        state: &State,
        pending: &mut PendingKeys,
    ) -> Result<(NewBlock, Block)> {
        let EncodedBlock {
            data,
            packed,
            keys,
            bodies,
        } = encoded;
        let mut parsed = Block::parse(first_id, stored_time, Vec::new(), data)?;
        let mut times = Vec::new();
        parsed.ints(IntColumn::Time, &mut times)?;
        let mut untimed = Vec::new();
        parsed
            .text_chunk(TextColumn::TimeQuality)
            .decode_ids(parsed.rows, &mut untimed)?;
        let covering: Vec<Covering<'_>> = state
            .sealed
            .iter()
            .filter(|meta| {
                meta.untimed > 0 || (meta.oldest <= parsed.newest && parsed.oldest <= meta.newest)
            })
            .map(|meta| Covering::new(meta))
            .collect();
        let mut dead = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            let known = self.keys.holds(key) || {
                // The time of an event without one is when it was stored, so its original may be
                // in any segment that holds such events.
                let has_no_time = untimed[row] != 0
                    && parsed.string(TextColumn::TimeQuality, untimed[row])? == "stored";
                let may_hold = |meta: &SegmentMeta| match has_no_time {
                    true => meta.untimed > 0,
                    false => (meta.oldest..=meta.newest).contains(&times[row]),
                };
                let mut found = false;
                for segment in covering.iter().filter(|segment| may_hold(segment.meta)) {
                    found = found || segment.holds(&self.shared, key)?;
                }
                found
            };
            if known || !pending.insert(*key) {
                dead.push(row as u32);
            }
        }
        parsed.set_dead(dead)?;
        Ok((
            NewBlock {
                packed,
                keys,
                bodies,
            },
            parsed,
        ))
    }

    /// Shows committed blocks to queries.
    fn publish(&self, blocks: Vec<(NewBlock, Block)>) {
        if blocks.is_empty() {
            return;
        }
        self.shared.update(|state| {
            if let Some(last) = state.actives.last_mut() {
                let mut active = (**last).clone();
                for (_, block) in blocks {
                    active.events += block.live() as u64;
                    active.raw_bytes += block.raw_bytes;
                    active.truncated += block.truncated;
                    active.text_bytes += block.text_bytes();
                    active.blocks.push(Arc::new(block));
                }
                *last = Arc::new(active);
            }
        });
        self.shared.announce();
    }

    fn rotate_if_used(&mut self) -> Result<()> {
        let used = self
            .shared
            .state()
            .actives
            .last()
            .is_some_and(|active| !active.blocks.is_empty())
            || self.active.has_records()?;
        if used { self.rotate() } else { Ok(()) }
    }

    /// Begins a new active segment; the old one waits to be sealed.
    fn rotate(&mut self) -> Result<()> {
        let number = self.shared.take_number();
        let name = active_name(number);
        let path = self.shared.directory.join(&name);
        let active = ActiveWriter::create(&path)?;
        let bodies = Arc::new(BodyReader::open(&path, false)?);
        let generation = self.shared.catalog.replace(
            &[],
            &[SegmentMeta::active(&name)],
            self.shared.last_number(),
            self.next_id - 1,
        )?;
        self.active = active;
        self.name.clone_from(&name);
        self.shared.update(|state| {
            state.generation = generation;
            state.actives.push(Arc::new(Active {
                name,
                bodies,
                blocks: Vec::new(),
                events: 0,
                raw_bytes: 0,
                truncated: 0,
                text_bytes: 0,
            }));
        });
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Backpressure: ingest waits while sealing is far behind, so memory and disk stay bounded.
    fn wait_for_sealing(&self) -> Result<()> {
        let mut progress = self.shared.progress();
        let began = Instant::now();
        loop {
            let unsealed = self.shared.state().unsealed(&self.shared.options);
            let is_paced = unsealed <= UNSEALED_BLOCKED_MAX && began.elapsed() >= PACE;
            if unsealed <= UNSEALED_MAX || is_paced || progress.stopped {
                break;
            }
            if let Some(failure) = &progress.failure {
                // Sealing may fail for a while; events are safe unsealed, but not without bound.
                if unsealed > UNSEALED_WHILE_FAILING_MAX {
                    return Err(StoreError::Unavailable(format!("sealing fails: {failure}")));
                }
                break;
            }
            let waited = self.shared.changed.wait_timeout(progress, PACE);
            progress = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        Ok(())
    }
}

/// The name of an active segment's file.
pub(crate) fn active_name(number: u64) -> String {
    format!("active-{number:08}.db")
}

/// Takes the batches from the front that go into one transaction.
fn take_group(waiting: &mut VecDeque<Message>) -> Vec<Submission> {
    let mut group = Vec::new();
    let mut bytes = 0;
    while matches!(waiting.front(), Some(Message::Batch(_)))
        && (group.is_empty() || bytes < GROUP_BYTES_MAX)
    {
        if let Some(Message::Batch(submission)) = waiting.pop_front() {
            bytes += submission.bytes();
            group.push(submission);
        }
    }
    group
}

#[cfg(test)]
mod tests;
