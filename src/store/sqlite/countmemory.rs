//! What a count holds in memory: bounded for each statement and for all of them together, while they
//! count. Their threads are not the statement's own, whose allocator would not see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::SQL_MEMORY_TOTAL_BYTES_MAX;
use crate::store::{Result, StoreError};

/// What all counts of statements hold together.
static SHARED: AtomicUsize = AtomicUsize::new(0);

/// The memory of one count.
pub(crate) struct CountMemory {
    used: AtomicUsize,
    most: usize,
}

impl CountMemory {
    /// For at most so many bytes.
    pub(crate) fn new(most: usize) -> Arc<CountMemory> {
        Arc::new(CountMemory {
            used: AtomicUsize::new(0),
            most,
        })
    }
}

/// What some of a count holds; of no count unless it was given one.
#[derive(Default)]
pub(crate) struct Held {
    memory: Option<Arc<CountMemory>>,
    bytes: usize,
}

impl Held {
    pub(crate) fn of(memory: Option<&Arc<CountMemory>>) -> Held {
        Held {
            memory: memory.map(Arc::clone),
            bytes: 0,
        }
    }

    /// It is so many bytes by now; fails when that is too much.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<()> {
        let Some(memory) = &self.memory else {
            return Ok(());
        };
        if bytes <= self.bytes {
            let less = self.bytes - bytes;
            memory.used.fetch_sub(less, Ordering::Relaxed);
            SHARED.fetch_sub(less, Ordering::Relaxed);
            self.bytes = bytes;
            return Ok(());
        }
        let more = bytes - self.bytes;
        self.bytes = bytes;
        let used = memory.used.fetch_add(more, Ordering::Relaxed) + more;
        let shared = SHARED.fetch_add(more, Ordering::Relaxed) + more;
        if used > memory.most {
            return Err(StoreError::LimitReached(format!(
                "the statement needs more than {} MiB of memory to count its groups; narrow it with a time range, or select columns with fewer values",
                memory.most >> 20
            )));
        }
        if shared > SQL_MEMORY_TOTAL_BYTES_MAX {
            return Err(StoreError::Unavailable(format!(
                "too busy: the statements that count now need more than {} MiB of memory together; ask again",
                SQL_MEMORY_TOTAL_BYTES_MAX >> 20
            )));
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(memory) = &self.memory {
            memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
            SHARED.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;

    use super::*;
    use crate::model::normalise::normalise;
    use crate::model::value::Value;
    use crate::store::sqlite::open;
    use crate::store::sqlite::scan::Snapshot;
    use crate::store::sqlite::sql::{Limits, run_limited};
    use crate::store::{Budget, OpenOptions, SqlColumn, SqlQuery, SqlSink, open_write};

    #[test]
    fn what_is_held_is_given_back() {
        let memory = CountMemory::new(100);
        let (mut one, mut other) = (Held::of(Some(&memory)), Held::of(Some(&memory)));
        one.set(60).unwrap();
        other.set(40).unwrap();
        let refused = other.set(41).unwrap_err().to_string();
        assert!(refused.contains("narrow it with a time range"), "{refused}");
        drop(other);
        one.set(100).unwrap();
        one.set(0).unwrap();
        assert_eq!(memory.used.load(Ordering::Relaxed), 0);
        Held::default().set(usize::MAX).unwrap();
    }

    struct Last(Option<Value>);

    impl SqlSink for Last {
        fn columns(&mut self, _: &[SqlColumn]) {}

        fn row(&mut self, row: &[Value]) -> ControlFlow<()> {
            self.0 = row.first().cloned();
            ControlFlow::Continue(())
        }
    }

    fn ask(directory: &Path, sql: &str, memory_bytes: usize) -> Result<Option<Value>> {
        let snapshot = Snapshot::new(Arc::new(open::open_read(directory)?));
        let query = SqlQuery {
            sql: sql.to_owned(),
            params: Vec::new(),
            limit: 0,
            skip_damaged: false,
        };
        let limits = Limits {
            memory_bytes,
            ..Limits::default()
        };
        let mut last = Last(None);
        run_limited(
            Arc::new(snapshot),
            &query,
            &limits,
            &Budget::new(None),
            &mut last,
        )?;
        Ok(last.0)
    }

    #[test]
    fn a_count_of_many_groups_stays_within_its_memory() {
        const REQUESTS: usize = 10_000;
        let directory = tempfile::tempdir().unwrap();
        let store = open_write(directory.path(), &OpenOptions::default()).unwrap();
        let mut batch = store.batch("c", "test");
        for number in 0..REQUESTS * 2 {
            let (request, stage) = (
                number / 2,
                ["RequestReceived", "ResponseComplete"][number % 2],
            );
            let time = format!(
                "2026-11-20T10:{:02}:{:02}.{number:06}Z",
                number / 500,
                number % 60
            );
            let line = format!(
                r#"{{"level":"Metadata","auditID":"{request:08x}-1111-4222-8333-444455556666","stage":"{stage}","requestURI":"/api/v1/pods/p{request}","verb":"get","user":{{"username":"u"}},"objectRef":{{"resource":"pods","name":"p{request}","apiVersion":"v1"}},"requestReceivedTimestamp":"2026-11-20T10:00:00.000000Z","stageTimestamp":"{time}"}}"#,
            );
            let (event, content) = normalise("c", line.as_bytes()).unwrap();
            batch.event(&event, line.as_bytes(), content);
        }
        batch.commit().unwrap();
        let small = 1 << 20;
        let by_name = "select count(*) from (select name, events from event_counts order by name)";
        let sorted = "select name from event_counts order by events, name";
        // What names say is not what all events of a request agree on: all are held against each other.
        let by_event =
            "select sum(events) from event_counts where per_request = 1 and name match 'p*'";
        let by_end = "select sum(events) from event_counts where per_request = 1";
        let requests = Some(Value::Int(REQUESTS as i64));
        for sealed in [false, true] {
            for sql in [by_name, sorted, by_event] {
                let refused = ask(directory.path(), sql, small).unwrap_err();
                assert!(
                    matches!(refused, StoreError::LimitReached(_)),
                    "{sql}: {refused:?}"
                );
                let refused = refused.to_string();
                assert!(refused.contains("1 MiB"), "{sql}: {refused}");
            }
            for sql in [by_name, by_event, by_end] {
                let counted = ask(directory.path(), sql, 64 << 20).unwrap();
                assert_eq!(counted, requests, "{sql}");
            }
            if sealed {
                assert_eq!(ask(directory.path(), by_end, small).unwrap(), requests);
            }
            store.seal(true).unwrap();
        }
    }
}
