//! Counts of a segment from which few groups came are kept while its file stays open: the segment
//! never changes, so neither do they.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::Sealed;
use crate::limits::{SEGMENT_COUNTS_BYTES_MAX, SEGMENT_COUNTS_GROUPS_MAX};
use crate::store::sqlite::tally::Groups;

/// Groups by what was asked for.
#[derive(Default)]
pub(super) struct Kept {
    groups: HashMap<String, Groups>,
    bytes: usize,
}

impl Sealed {
    /// The groups that a count came to before, under this name.
    pub(crate) fn counted_before(&self, asked: &str) -> Option<Groups> {
        let kept = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        kept.groups.get(asked).map(Groups::copied)
    }

    /// Keeps groups, if there are few; what was kept before goes when there is too much.
    pub(crate) fn keep_counted(&self, asked: String, groups: &Groups) {
        let bytes = groups.bytes() + asked.len() + size_of::<Groups>();
        if groups.len() > SEGMENT_COUNTS_GROUPS_MAX || bytes > SEGMENT_COUNTS_BYTES_MAX {
            return;
        }
        let mut kept = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes > SEGMENT_COUNTS_BYTES_MAX {
            self.kept.fetch_sub(kept.bytes, Ordering::Relaxed);
            *kept = Kept::default();
        }
        if kept.groups.insert(asked, groups.copied()).is_none() {
            kept.bytes += bytes;
            self.kept.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}
