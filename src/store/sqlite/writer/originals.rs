//! Where the original of a copy may lie outside of the active segment.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::store::sqlite::catalog::SegmentMeta;
use crate::store::sqlite::ledger::Ledger;
use crate::store::sqlite::sealed::Sealed;
use crate::store::sqlite::state::{Shared, State};
use crate::store::{Result, StoreError};

/// Whether these bytes are in quarantine outside of the active segment: in the ledger, or in a
/// segment that waited to be sealed when `state` was taken. In that order the one or the other has them.
pub(super) fn is_quarantined(digest: &[u8; 32], state: &State, ledger: &Ledger) -> Result<bool> {
    for waiting in state.waiting() {
        if waiting.bodies.holds_quarantined(digest)? {
            return Ok(true);
        }
    }
    ledger.holds_quarantined(digest)
}

/// A sealed segment that may hold the original of an event, opened when first asked.
pub(super) struct Covering<'s> {
    pub(super) meta: &'s SegmentMeta,
    open: OnceCell<Option<Arc<Sealed>>>,
}

impl<'s> Covering<'s> {
    pub(super) fn new(meta: &'s SegmentMeta) -> Covering<'s> {
        Covering {
            meta,
            open: OnceCell::new(),
        }
    }

    pub(super) fn holds(&self, shared: &Shared, key: &[u8; 16]) -> Result<bool> {
        let sealed = match self.open.get() {
            Some(sealed) => sealed,
            None => {
                let opened = tolerate_damage(shared.open_sealed(self.meta).map(Some), None)?;
                self.open.get_or_init(|| opened)
            }
        };
        sealed.as_ref().map_or(Ok(false), |sealed| {
            tolerate_damage(sealed.holds(key), false)
        })
    }
}

/// A damaged segment must not stop ingest: an event that it may hold is stored again rather than
/// refused.
fn tolerate_damage<T>(result: Result<T>, otherwise: T) -> Result<T> {
    match result {
        Err(StoreError::Damaged(error)) => {
            tracing::warn!(
                error,
                "duplicates of events in a damaged segment cannot be told"
            );
            Ok(otherwise)
        }
        other => other,
    }
}
