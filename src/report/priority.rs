//! Reports read a great deal and nobody waits for them as an apiserver waits for its answer: their
//! threads let those that take in events and answer questions go first.

/// How much a thread gives way (0 to 19): beside busy threads it gets a tenth of a core.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lets other threads go before this one and those that it starts, for good. Where that cannot be
/// asked for, the thread is like any other.
pub(super) fn give_way() {
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "the standard library does not set priorities")]
    // SAFETY: it takes numbers only, and on Linux 0 is the calling thread.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}
