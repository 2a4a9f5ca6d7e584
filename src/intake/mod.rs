//! Bytes in: what a body or a file holds, item by item, each with its exact bytes.
//!
//! `decode` (compression) -> `split` (bytes to items) -> `model::normalise` -> a store's batch.
//! [`body`] does it for one request, [`import`] for many files.
//!
//! Invariant: every byte that is not blank space between documents, or the envelope of a list,
//! reaches the store, as an event or in quarantine, or is named in a warning.

pub mod body;
pub mod decode;
pub mod files;
pub mod import;
pub mod remote;
pub mod split;
#[cfg(test)]
mod testing;

use crate::model::event::Event;
use crate::model::normalise::Reject;

/// How an item becomes an event: [`crate::model::normalise::normalise`], or a stand-in in tests.
pub(crate) type Normalise = for<'a> fn(&str, &'a [u8]) -> Result<(Event<'a>, [u8; 16]), Reject>;
