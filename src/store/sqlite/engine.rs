//! The engine behind the storage trait: threads, their life and the way to snapshots.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::batch::SqliteBatch;
use super::maintenance;
use super::open;
use super::scan::Snapshot;
use super::state::Shared;
use super::writer::{Message, Writer};
use crate::store::{
    Answer, Batch, Budget, CountQuery, EventQuery, OpenOptions, Pruned, Quarantined, ReportRecord,
    Resealed, Result, RowEncoder, RowSink, Sealed, SqlQuery, SqlSink, Stats, Store, StoreError,
    TextSink,
};

/// Batches that may wait for the writer before their senders do.
const WAITING_BATCHES_MAX: usize = 16;

/// Opens a directory for writing.
pub(crate) fn open_write(directory: &Path, options: &OpenOptions) -> Result<Arc<dyn Store>> {
    let opened = open::open_write(directory, options)?;
    let (sender, receiver) = sync_channel(WAITING_BATCHES_MAX);
    let shared = Arc::clone(&opened.shared);
    let writer = Writer::new(
        Arc::clone(&shared),
        opened.active,
        opened.name,
        opened.keys,
        opened.next_id,
    );
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| StoreError::Io(format!("cannot start the {name} thread: {error}")))
    };
    let writer = spawn("writer", Box::new(move || writer.run(&receiver)))?;
    let maintained = Arc::clone(&shared);
    let maintenance = spawn(
        "maintenance",
        Box::new(move || maintenance::run(&maintained)),
    )?;
    let threads = Threads {
        writer,
        maintenance,
        _lock: opened.lock,
    };
    Ok(Arc::new(Engine {
        shared,
        writer: Some(sender),
        threads: Mutex::new(Some(threads)),
    }))
}

/// Opens a directory for reading.
pub(crate) fn open_read(directory: &Path) -> Result<Arc<dyn Store>> {
    let shared = open::open_read(directory)?;
    Ok(Arc::new(Engine {
        shared: Arc::new(shared),
        writer: None,
        threads: Mutex::new(None),
    }))
}

struct Threads {
    writer: JoinHandle<()>,
    maintenance: JoinHandle<()>,
    _lock: File,
}

struct Engine {
    shared: Arc<Shared>,
    writer: Option<SyncSender<Message>>,
    threads: Mutex<Option<Threads>>,
}

impl Engine {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot::new(Arc::clone(&self.shared)))
    }

    fn writer(&self) -> Result<&SyncSender<Message>> {
        self.writer
            .as_ref()
            .ok_or_else(|| StoreError::Unavailable("the store was opened for reading only".into()))
    }
}

impl Store for Engine {
    fn batch(&self, cluster: &str, source: &str) -> Box<dyn Batch> {
        Box::new(SqliteBatch::new(cluster, source, self.writer.clone()))
    }

    fn identity(&self) -> String {
        self.shared.identity.clone()
    }

    fn last_id(&self) -> i64 {
        self.shared.state().last_id()
    }

    fn wait_for_events(&self, id: i64, wait: Duration) -> i64 {
        self.shared.wait_for_events(id, wait)
    }

    fn events(&self, query: &EventQuery, budget: &Budget, sink: RowSink<'_>) -> Result<Answer> {
        super::listing::events(&self.snapshot(), query, budget, sink)
    }

    fn export(
        &self,
        query: &EventQuery,
        budget: &Budget,
        encoder: &dyn RowEncoder,
        sink: TextSink<'_>,
    ) -> Result<Answer> {
        super::export::export(&self.snapshot(), query, budget, encoder, sink)
    }

    fn count(&self, query: &CountQuery, budget: &Budget, sink: RowSink<'_>) -> Result<Answer> {
        super::count::count(&self.snapshot(), query, budget, sink)
    }

    fn sql(&self, query: &SqlQuery, budget: &Budget, sink: &mut dyn SqlSink) -> Result<Answer> {
        let limits = super::sql::Limits {
            temp_dir: self.shared.temporary.clone(),
            ..Default::default()
        };
        super::sql::run_limited(self.snapshot(), query, &limits, budget, sink)
    }

    fn stats(&self) -> Result<Stats> {
        super::report::stats(&self.shared)
    }

    fn quarantined(&self, sink: &mut dyn FnMut(Quarantined) -> ControlFlow<()>) -> Result<()> {
        let mut damage = Ok(());
        for record in super::report::quarantined(&self.shared)? {
            match super::report::sound(record) {
                Ok(item) => {
                    if sink(item).is_break() {
                        break;
                    }
                }
                // It costs only itself: the others are given all the same.
                Err(error) => damage = damage.and(Err(error)),
            }
        }
        damage
    }

    fn quarantined_bytes(
        &self,
        id: i64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<bool> {
        if super::report::each_part(&self.shared, id, sink)? {
            return Ok(true);
        }
        // An item without bytes has no parts.
        Ok(super::report::quarantined(&self.shared)?
            .iter()
            .any(|record| record.item.id == id))
    }

    fn seal(&self, merge: bool) -> Result<Sealed> {
        maintenance::seal_now(&self.shared, self.writer()?, merge)
    }

    fn reseal(&self) -> Result<Resealed> {
        self.writer()?;
        maintenance::reseal(&self.shared)
    }

    fn prune(&self, cutoff: i64, dry_run: bool) -> Result<Pruned> {
        maintenance::prune(&self.shared, self.writer.as_ref(), cutoff, dry_run)
    }

    fn record_reports(&self, records: &[ReportRecord]) -> Result<()> {
        self.writer()?;
        self.shared.ledger().record_reports(records)
    }

    fn reports(&self) -> Result<Vec<ReportRecord>> {
        self.shared.ledger().reports()
    }

    fn close(&self) -> Result<()> {
        let threads = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (Some(threads), Some(writer)) = (threads, &self.writer) else {
            return Ok(());
        };
        // What is in the channel before this message is committed and answered.
        let _ = writer.send(Message::Stop);
        let writer_ended = threads.writer.join();
        self.shared.progress().stopping = true;
        self.shared.changed.notify_all();
        let maintenance_ended = threads.maintenance.join();
        match (writer_ended, maintenance_ended) {
            (Ok(()), Ok(())) => Ok(()),
            _ => Err(StoreError::Io("a thread of the store panicked".into())),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Failures were logged where they happened.
        let _ = self.close();
    }
}
