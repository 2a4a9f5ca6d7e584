//! SQLite's allocator, wrapped so that a sandboxed statement has a limit of its own.
//!
//! SQLite's own heap limit holds for the whole process and would fail ingest instead.

#![expect(unsafe_code, reason = "SQLite's allocator is a table of C functions")]

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use rusqlite::ffi;

use super::quota;

type Malloc = unsafe extern "C" fn(c_int) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type Realloc = unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void;
type Size = unsafe extern "C" fn(*mut c_void) -> c_int;

/// SQLite's default allocator.
struct Inner {
    malloc: Malloc,
    free: Free,
    realloc: Realloc,
    size: Size,
}

static INNER: OnceLock<Inner> = OnceLock::new();
static INSTALLED: OnceLock<bool> = OnceLock::new();

/// Puts the wrapper in place; must run before SQLite's first use in the process. Says whether
/// the limit holds; later calls repeat the first one's answer.
pub(super) fn install() -> bool {
    *INSTALLED.get_or_init(|| {
        // SAFETY: `sqlite3_config` is called once, with the argument types that the two verbs
        // document; SQLite copies the structs. It refuses (MISUSE) when SQLite is in use already.
        unsafe {
            let mut methods: ffi::sqlite3_mem_methods = std::mem::zeroed();
            if ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut methods) != ffi::SQLITE_OK
            {
                return false;
            }
            let (Some(malloc), Some(free), Some(realloc), Some(size)) = (
                methods.xMalloc,
                methods.xFree,
                methods.xRealloc,
                methods.xSize,
            ) else {
                return false;
            };
            INNER.get_or_init(|| Inner {
                malloc,
                free,
                realloc,
                size,
            });
            methods.xMalloc = Some(counted_malloc);
            methods.xFree = Some(counted_free);
            methods.xRealloc = Some(counted_realloc);
            // SQLite's own statistics take a global mutex on every allocation.
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw mut methods) == ffi::SQLITE_OK
                && ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int) == ffi::SQLITE_OK
        }
    })
}

fn inner() -> &'static Inner {
    INNER
        .get()
        .expect("set before SQLite learns of the wrapper")
}

/// Gives freed memory back to the system: glibc keeps what large values leave behind, in the arena of
/// each thread that ran a statement.
pub(in crate::store::sqlite) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointers, and locks the heap while it works.
    unsafe {
        libc::malloc_trim(0);
    }
}

unsafe extern "C" fn counted_malloc(bytes: c_int) -> *mut c_void {
    if !quota::may_allocate(i64::from(bytes)) || !quota::take_memory(i64::from(bytes)) {
        return std::ptr::null_mut();
    }
    // SAFETY: SQLite's arguments go to SQLite's allocator unchanged.
    let taken = unsafe { (inner().malloc)(bytes) };
    if taken.is_null() {
        quota::take_memory(-i64::from(bytes));
    }
    taken
}

unsafe extern "C" fn counted_free(memory: *mut c_void) {
    let inner = inner();
    // SAFETY: `memory` came from the inner allocator and is not freed yet.
    unsafe {
        quota::take_memory(-i64::from((inner.size)(memory)));
        (inner.free)(memory);
    }
}

unsafe extern "C" fn counted_realloc(memory: *mut c_void, bytes: c_int) -> *mut c_void {
    let inner = inner();
    // SAFETY: `memory` came from the inner allocator and is not freed yet.
    unsafe {
        let more = i64::from(bytes) - i64::from((inner.size)(memory));
        // A smaller block must not be refused: SQLite frees memory by such calls.
        if more > 0 && !quota::may_allocate(i64::from(bytes)) || !quota::take_memory(more) {
            return std::ptr::null_mut();
        }
        let moved = (inner.realloc)(memory, bytes);
        if moved.is_null() {
            quota::take_memory(-more);
        }
        moved
    }
}
