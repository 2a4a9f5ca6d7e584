//! What one SQL statement may take of time, memory and temporary files, per thread.
//!
//! A statement runs on one thread from `prepare` to its end and starts no others, so the thread
//! is the statement: SQLite's allocator and the temporary files look here, and other threads
//! (ingest above all) are never held back.
//!
//! SQLite asks about the time only where its programs jump. One step in between may move many
//! megabytes, so that the time is looked at here too, wherever a step of that size passes by:
//! large allocations, temporary files, cells of our tables.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::limits::SQL_MEMORY_TOTAL_BYTES_MAX;
use crate::store::{Budget, Result, StoreError};

/// From this size on a value makes steps slow enough to look at the clock for.
const LARGE_BYTES: i64 = 64 << 10;

/// The steps in which statements take memory from what they share.
const SHARE_BYTES: i64 = 4 << 20;

/// Memory that statements have taken together, in steps of [`SHARE_BYTES`].
static SHARED_USED: AtomicI64 = AtomicI64::new(0);

/// Which limit a statement ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hit {
    Time,
    Memory,
    /// Of all statements together.
    SharedMemory,
    TempFiles,
}

thread_local! {
    // Cells without a destructor: the allocator may be called while a thread ends.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static MEMORY_USED: Cell<i64> = const { Cell::new(0) };
    static MEMORY_MAX: Cell<i64> = const { Cell::new(0) };
    static MEMORY_SHARE: Cell<i64> = const { Cell::new(0) };
    static LARGE: Cell<bool> = const { Cell::new(false) };
    static BUDGET: RefCell<Option<Budget>> = const { RefCell::new(None) };
    static TEMP_USED: Cell<u64> = const { Cell::new(0) };
    static TEMP_MAX: Cell<u64> = const { Cell::new(0) };
    static HIT: Cell<Option<Hit>> = const { Cell::new(None) };
    static TEMP_DIR: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
}

/// The limits hold on this thread while this lives.
#[derive(Debug)]
pub(super) struct Armed(());

impl Armed {
    /// Starts counting from zero.
    pub(super) fn new(
        memory_bytes: usize,
        temp_bytes: u64,
        temp_dir: PathBuf,
        budget: Budget,
    ) -> Armed {
        MEMORY_USED.set(0);
        LARGE.set(false);
        #[cfg(test)]
        REFUSED.set(0);
        BUDGET.set(Some(budget));
        MEMORY_MAX.set(i64::try_from(memory_bytes).unwrap_or(i64::MAX));
        TEMP_USED.set(0);
        TEMP_MAX.set(temp_bytes);
        HIT.set(None);
        TEMP_DIR.set(Some(temp_dir));
        COUNTING.set(true);
        Armed(())
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        COUNTING.set(false);
        TEMP_MAX.set(0);
        TEMP_DIR.set(None);
        BUDGET.set(None);
        let share = MEMORY_SHARE.take();
        SHARED_USED.fetch_sub(share, Ordering::Relaxed);
        if share > SHARE_BYTES {
            super::memory::give_back();
        }
    }
}

/// Memory that the statement on this thread may take at most.
pub(super) fn memory_most() -> usize {
    usize::try_from(MEMORY_MAX.get()).unwrap_or(0)
}

/// Whether the statement on this thread still has time; once it has not, that is what it hit.
pub(super) fn in_time() -> bool {
    check_time().is_ok()
}

/// Fails like [`Budget::check`] once the statement on this thread has no time left.
pub(super) fn check_time() -> Result<()> {
    let checked = BUDGET.with_borrow(|budget| budget.as_ref().map_or(Ok(()), Budget::check));
    if checked.is_err() {
        reached(Hit::Time);
        #[cfg(test)]
        REFUSED.set(REFUSED.get() + 1);
    }
    checked
}

/// Why the statement on this thread stopped, when that was time.
pub(super) fn time_failure() -> Option<StoreError> {
    (hit() == Some(Hit::Time)).then(check_time)?.err()
}

/// Whether the statement on this thread has held a value that makes single steps slow.
#[inline]
pub(super) fn holds_large_values() -> bool {
    LARGE.get()
}

/// Keeps the first limit that was reached: what came after may come of it.
fn reached(limit: Hit) {
    HIT.set(HIT.get().or(Some(limit)));
}

/// Looks at the clock before an allocation of such a size; false when the time is over.
#[inline]
pub(super) fn may_allocate(bytes: i64) -> bool {
    if bytes < LARGE_BYTES || !COUNTING.get() {
        return true;
    }
    LARGE.set(true);
    in_time()
}

/// The limit that was reached on this thread since it was armed, if any.
pub(super) fn hit() -> Option<Hit> {
    HIT.get()
}

/// Counts nothing while `work` runs: for what the engine allocates on this thread, and where an
/// allocation must not fail.
#[inline]
pub(super) fn exempt<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            COUNTING.set(self.0);
        }
    }
    let _restore = Restore(COUNTING.replace(false));
    work()
}

/// Takes memory (or gives it back, when negative); false when that is too much.
#[inline]
pub(super) fn take_memory(bytes: i64) -> bool {
    if !COUNTING.get() {
        return true;
    }
    let used = MEMORY_USED.get() + bytes;
    if bytes > 0 && used > MEMORY_MAX.get() {
        reached(Hit::Memory);
        return false;
    }
    if bytes > 0 && used > MEMORY_SHARE.get() && !take_share(used) {
        reached(Hit::SharedMemory);
        return false;
    }
    MEMORY_USED.set(used);
    true
}

/// Takes what all statements share, until this one's part covers `used`. It is kept to the end.
#[cold]
fn take_share(used: i64) -> bool {
    let most = i64::try_from(SQL_MEMORY_TOTAL_BYTES_MAX).unwrap_or(i64::MAX);
    let more = (used - MEMORY_SHARE.get() + SHARE_BYTES - 1) / SHARE_BYTES * SHARE_BYTES;
    if SHARED_USED.fetch_add(more, Ordering::Relaxed) + more > most {
        SHARED_USED.fetch_sub(more, Ordering::Relaxed);
        return false;
    }
    MEMORY_SHARE.set(MEMORY_SHARE.get() + more);
    true
}

#[cfg(test)]
thread_local! {
    static REFUSED: Cell<u32> = const { Cell::new(0) };
}

/// How often the statement on this thread was told, or its end asked, that its time is over.
#[cfg(test)]
pub(super) fn refused() -> u32 {
    REFUSED.get()
}

/// Memory that the statement on this thread holds now.
#[cfg(test)]
pub(super) fn memory_used() -> i64 {
    MEMORY_USED.get()
}

/// Takes room for temporary files; false when that is too much. None is left outside a statement.
pub(super) fn take_temp(bytes: u64) -> bool {
    let used = TEMP_USED.get().saturating_add(bytes);
    if used > TEMP_MAX.get() {
        reached(Hit::TempFiles);
        return false;
    }
    TEMP_USED.set(used);
    true
}

/// Gives room for temporary files back.
pub(super) fn give_temp(bytes: u64) {
    TEMP_USED.set(TEMP_USED.get().saturating_sub(bytes));
}

/// Where temporary files go; `None` outside a statement.
pub(super) fn temp_dir() -> Option<PathBuf> {
    TEMP_DIR.with_borrow(Clone::clone)
}
