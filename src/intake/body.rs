//! A request body while it is received.

use std::io;
use std::path::Path;

use crate::store::{QuarantineBytes, QuarantineItem, Receipt, Result, Store};

/// A request body.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
}

impl Body {
    pub fn new(spool_dir: &Path, content_length: Option<u64>) -> Body {
        let _ = (spool_dir, content_length);
        Body { bytes: Vec::new() }
    }

    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub fn is_spooled(&self) -> bool {
        false
    }
}

/// Splits and stores.
pub fn take(body: Body, cluster: &str, source: &str, store: &dyn Store) -> Result<Receipt> {
    let mut batch = store.batch(cluster, source);
    batch.quarantine(QuarantineItem {
        reason: "stub",
        origin: "request",
        bytes: QuarantineBytes::Slice(&body.bytes),
    });
    batch.commit()
}
