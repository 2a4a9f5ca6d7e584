//! What one SQL statement may take of memory and temporary files, counted per thread.
//!
//! A statement runs on one thread from `prepare` to its end and starts no others, so the thread
//! is the statement: SQLite's allocator and the temporary files look here, and other threads
//! (ingest above all) are never held back.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

/// Which limit a statement ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hit {
    Memory,
    TempFiles,
}

thread_local! {
    // Cells without a destructor: the allocator may be called while a thread ends.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static MEMORY_USED: Cell<i64> = const { Cell::new(0) };
    static MEMORY_MAX: Cell<i64> = const { Cell::new(0) };
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
    pub(super) fn new(memory_bytes: usize, temp_bytes: u64, temp_dir: PathBuf) -> Armed {
        MEMORY_USED.set(0);
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
    }
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
        HIT.set(Some(Hit::Memory));
        return false;
    }
    MEMORY_USED.set(used);
    true
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
        HIT.set(Some(Hit::TempFiles));
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
