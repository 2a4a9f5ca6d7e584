//! What a thread that makes reports owes the rest of the process: it reads a great deal, and nobody
//! waits for it as an apiserver waits for its answer.

/// How much a thread gives way (0 to 19): beside busy ones it gets a
/// seventh of a core, so that taking in events loses less than a fifth and the report still ends.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 8;

/// Lets other threads go before this one and those that it starts, for good. Where that cannot be
/// asked for, the thread is like any other.
pub(super) fn give_way() {
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "the standard library does not set priorities")]
    // SAFETY: it takes numbers only, and on Linux 0 is the calling thread.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

/// Gives memory that was freed back to the system: each piece of evidence frees tens of MiB, which
/// the allocator would keep for the thread that had them.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the standard library has no word for it")]
    // SAFETY: it takes a number only and touches nothing but free memory.
    let _ = unsafe { libc::malloc_trim(0) };
}
