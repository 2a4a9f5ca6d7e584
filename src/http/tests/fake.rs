//! A store with switches.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::model::column::Column;
use crate::model::event::Event;
use crate::model::value::Value;
use crate::store::{
    Answer, Batch, Budget, CountQuery, EventQuery, Pruned, QuarantineBytes, QuarantineItem,
    Quarantined, Receipt, Result, RowSink, Sealed, SqlColumn, SqlQuery, SqlSink, Stats, Store,
    StoreError,
};

#[derive(Default)]
pub(super) struct Switches {
    /// Cluster and bytes of each committed batch.
    committed: Mutex<Vec<(String, u64)>>,
    /// Commits and the query `gate` wait while this is shut.
    shut: Mutex<bool>,
    opened: Condvar,
    pub(super) at_gate: Notify,
    fail: Mutex<Option<fn() -> StoreError>>,
    pub(super) query_ended: Notify,
    pub(super) pruned: Notify,
    pub(super) rows: AtomicU64,
    pub(super) closed: AtomicBool,
}

impl Switches {
    pub(super) fn shut_gate(&self) {
        *self.shut.lock().unwrap() = true;
    }

    pub(super) fn open_gate(&self) {
        *self.shut.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn pass_gate(&self) {
        let shut = self.shut.lock().unwrap();
        if *shut {
            self.at_gate.notify_one();
        }
        drop(self.opened.wait_while(shut, |shut| *shut).unwrap());
    }

    pub(super) fn fail_with(&self, error: Option<fn() -> StoreError>) {
        *self.fail.lock().unwrap() = error;
    }

    pub(super) fn committed(&self) -> Vec<(String, u64)> {
        self.committed.lock().unwrap().clone()
    }
}

pub(super) struct FakeStore(pub(super) Arc<Switches>);

struct FakeBatch {
    switches: Arc<Switches>,
    cluster: String,
    receipt: Receipt,
    bytes: u64,
}

impl Batch for FakeBatch {
    fn event(&mut self, _: &Event<'_>, raw: &[u8], _: [u8; 16]) {
        self.receipt.stored += 1;
        self.bytes += raw.len() as u64;
    }

    fn quarantine(&mut self, item: QuarantineItem<'_>) {
        self.receipt.quarantined += 1;
        self.bytes += match item.bytes {
            QuarantineBytes::Slice(bytes) => bytes.len() as u64,
            QuarantineBytes::File { bytes, .. } => bytes,
        };
    }

    fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap()
    }

    fn commit(self: Box<Self>) -> Result<Receipt> {
        self.switches.pass_gate();
        if let Some(error) = *self.switches.fail.lock().unwrap() {
            return Err(error());
        }
        let batch = (self.cluster, self.bytes);
        self.switches.committed.lock().unwrap().push(batch);
        Ok(self.receipt)
    }
}

fn column(name: &str, kind: &str) -> SqlColumn {
    SqlColumn {
        name: name.to_owned(),
        kind: kind.to_owned(),
    }
}

impl FakeStore {
    /// Tells when a query has ended, however it does.
    fn ended(&self) -> impl Drop + use<> {
        struct Ended(Arc<Switches>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.query_ended.notify_one();
            }
        }
        Ended(Arc::clone(&self.0))
    }
}

impl Store for FakeStore {
    fn batch(&self, cluster: &str, _: &str) -> Box<dyn Batch> {
        Box::new(FakeBatch {
            switches: Arc::clone(&self.0),
            cluster: cluster.to_owned(),
            receipt: Receipt::default(),
            bytes: 0,
        })
    }

    fn identity(&self) -> String {
        "fake".to_owned()
    }
    fn last_id(&self) -> i64 {
        0
    }

    fn wait_for_events(&self, _: i64, wait: Duration) -> i64 {
        std::thread::park_timeout(wait);
        0
    }

    /// As many rows as the limit says, without end when it is 0; none matches a filter, but raw
    /// bytes are always there.
    fn events(&self, query: &EventQuery, budget: &Budget, sink: RowSink<'_>) -> Result<Answer> {
        let _ended = self.ended();
        if query.columns == [Column::Raw] {
            let _ = sink(&[Value::Bytes(br#"{"auditID":"x"}"#[..].into())]);
            return Ok(Answer::default());
        }
        if !query.filter.terms.is_empty() {
            return Ok(Answer::default());
        }
        let row: Vec<_> = query.columns.iter().map(|_| Value::text("v")).collect();
        let mut rows = 0;
        while query.limit == 0 || rows < query.limit {
            budget.check()?;
            rows += 1;
            self.0.rows.store(rows, Ordering::Relaxed);
            if sink(&row).is_break() {
                break;
            }
        }
        Ok(Answer::default())
    }

    fn count(&self, _: &CountQuery, _: &Budget, sink: RowSink<'_>) -> Result<Answer> {
        let _ = sink(&[Value::text("get"), Value::Int(3)]);
        Ok(Answer::default())
    }

    fn sql(&self, query: &SqlQuery, budget: &Budget, sink: &mut dyn SqlSink) -> Result<Answer> {
        let _ended = self.ended();
        sink.columns(&[column("n", "INTEGER")]);
        match query.sql.as_str() {
            "bad" => return Err(StoreError::BadRequest("no such column: x".to_owned())),
            "io" => return Err(StoreError::Io("secret path".to_owned())),
            "panic" => panic!("as asked"),
            "gate" => self.0.pass_gate(),
            "forever" => loop {
                self.0.at_gate.notify_one();
                budget.check()?;
                std::thread::yield_now();
            },
            "late error" | "late panic" => {
                for number in 0..100_000 {
                    if sink.row(&[Value::Int(number)]).is_break() {
                        return Err(StoreError::Cancelled);
                    }
                }
                assert_ne!(query.sql, "late panic", "as asked");
                return Err(StoreError::Damaged("segment a.db is damaged".to_owned()));
            }
            _ => {}
        }
        for number in 0..query.limit {
            if sink
                .row(&[Value::Int(i64::try_from(number).unwrap())])
                .is_break()
            {
                break;
            }
        }
        Ok(Answer {
            truncated: true,
            ..Answer::default()
        })
    }

    fn stats(&self) -> Result<Stats> {
        Ok(Stats {
            events: 5,
            ..Stats::default()
        })
    }

    fn quarantined(&self, sink: &mut dyn FnMut(Quarantined) -> ControlFlow<()>) -> Result<()> {
        for id in 1..=2 {
            let _ = sink(Quarantined {
                id,
                stored_time: String::new(),
                cluster: "default".to_owned(),
                source: "webhook".to_owned(),
                origin: String::new(),
                reason: "no JSON".to_owned(),
                bytes: 3,
                duplicates: 0,
            });
        }
        Ok(())
    }

    fn quarantined_bytes(
        &self,
        id: i64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<bool> {
        if id == 1 {
            let _ = sink(b"\xff\0!");
        }
        Ok(id == 1)
    }

    fn seal(&self, _merge: bool) -> Result<Sealed> {
        Ok(Sealed {
            events: 5,
            segments: 1,
        })
    }

    fn reseal(&self) -> Result<crate::store::Resealed> {
        Ok(crate::store::Resealed {
            events: 7,
            segments: 2,
        })
    }

    fn prune(&self, cutoff: i64, dry_run: bool) -> Result<Pruned> {
        self.0.pruned.notify_one();
        Ok(Pruned {
            before: cutoff.to_string(),
            dry_run,
            ..Pruned::default()
        })
    }

    fn record_reports(&self, _: &[crate::store::ReportRecord]) -> Result<()> {
        Ok(())
    }

    fn reports(&self) -> Result<Vec<crate::store::ReportRecord>> {
        Ok(Vec::new())
    }

    fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}
