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
    use super::*;

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
}
