//! When an active segment is full, and how much waits to be sealed.

use std::sync::Arc;

use super::state::{Active, State};
use crate::limits;
use crate::store::OpenOptions;

/// Bytes of texts in the active segment before it is sealed.
fn text_bytes_max(options: &OpenOptions) -> usize {
    let events = options.segment_events.max(limits::SEGMENT_EVENTS);
    limits::SEGMENT_TEXT_BYTES / limits::SEGMENT_EVENTS * events
}

impl Active {
    /// Whether it should take no more.
    pub(crate) fn is_full(&self, options: &OpenOptions) -> bool {
        self.events >= options.segment_events as u64 || self.text_bytes >= text_bytes_max(options)
    }
}

impl State {
    /// The active segments that are full and wait to be sealed.
    pub(crate) fn waiting(&self) -> &[Arc<Active>] {
        self.actives
            .split_last()
            .map_or(&[], |(_, waiting)| waiting)
    }

    /// How many active segments there are; what the long texts of a batch made larger counts for several.
    pub(crate) fn unsealed(&self, options: &OpenOptions) -> usize {
        let waiting = self.waiting();
        let bytes: usize = waiting.iter().map(|active| active.text_bytes).sum();
        1 + waiting.len().max(bytes / text_bytes_max(options))
    }
}
