//! Work on all cores whose results are taken in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::store::Result;

/// Does `work` for each of `0..count` and hands the results to `take` in that order; the first
/// error of `take` ends it. With `threads` on all cores, otherwise on this one.
pub(crate) fn in_order<T: Send>(
    count: usize,
    threads: bool,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads { cores.min(count) } else { 1 };
    if threads <= 1 {
        return (0..count).try_for_each(|at| take(work(at)));
    }
    let begun = AtomicUsize::new(0);
    let taken = Mutex::new((BTreeMap::new(), 0, take, Ok(())));
    let worker = || {
        loop {
            let at = begun.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return;
            }
            let done = work(at);
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            let (waiting, next, take, end) = &mut *taken;
            waiting.insert(at, done);
            while let Some(done) = waiting.remove(&*next).filter(|_| end.is_ok()) {
                *next += 1;
                *end = take(done);
            }
            if end.is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(worker)));
        worker();
    });
    let (.., end) = taken.into_inner().unwrap_or_else(PoisonError::into_inner);
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn results_come_in_order_and_an_error_ends_it() {
        for threads in [false, true] {
            let mut taken = Vec::new();
            let take = |done| {
                taken.push(done);
                Ok(())
            };
            in_order(100, threads, |at| at * 2, take).unwrap();
            assert_eq!(taken, (0..100).map(|at| at * 2).collect::<Vec<_>>());

            let mut taken = Vec::new();
            let ended = in_order(
                100,
                threads,
                |at| at,
                |done| {
                    taken.push(done);
                    match done {
                        7 => Err(StoreError::Cancelled),
                        _ => Ok(()),
                    }
                },
            );
            assert!(matches!(ended, Err(StoreError::Cancelled)));
            assert_eq!(taken, (0..=7).collect::<Vec<_>>());
        }
    }
}
