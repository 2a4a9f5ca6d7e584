//! One request's body: collected in memory or in a file, then stored in one transaction.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Normalise;
use super::decode::{MAGIC_BYTES, content_encoding_of};
use super::split::{Broken, Extent, Items, Limits, Position, Splitter};
use crate::limits;
use crate::model::normalise::{Reject, normalise};
use crate::store::{Batch, QuarantineBytes, QuarantineItem, Receipt, Store, StoreError};

/// Bytes that are read back from a spooled body at once.
const PIECE_BYTES: usize = 256 << 10;

/// A body while it is received. [`Body::push`] may write to a file: call it off the async runtime
/// once [`Body::is_spooled`] or a chunk would make it so.
#[derive(Debug)]
pub struct Body {
    dir: PathBuf,
    memory_max: usize,
    memory: Vec<u8>,
    file: Option<File>,
    bytes: u64,
}

impl Body {
    /// An empty body that spools into an unlinked file in `dir` when it is larger than
    /// [`limits::BODY_MEMORY_BYTES_MAX`]; `length` is the announced size, if any.
    pub fn new(dir: &Path, length: Option<u64>) -> Body {
        Body::with_limit(dir, length, limits::BODY_MEMORY_BYTES_MAX)
    }

    fn with_limit(dir: &Path, length: Option<u64>, memory_max: usize) -> Body {
        let announced = length
            .and_then(|length| usize::try_from(length).ok())
            .unwrap_or(0);
        let memory = match announced <= memory_max {
            true => Vec::with_capacity(announced),
            false => Vec::new(),
        };
        Body {
            dir: dir.to_owned(),
            memory_max,
            memory,
            file: None,
            bytes: 0,
        }
    }

    /// Takes the next chunk.
    pub fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.bytes += chunk.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(chunk);
        }
        if self.memory.len() + chunk.len() <= self.memory_max {
            self.memory.extend_from_slice(chunk);
            return Ok(());
        }
        let mut file = tempfile::tempfile_in(&self.dir)?;
        file.write_all(&std::mem::take(&mut self.memory))?;
        file.write_all(chunk)?;
        self.file = Some(file);
        Ok(())
    }

    /// Bytes received so far.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the next `bytes` bytes go into the file.
    pub const fn spools(&self, bytes: usize) -> bool {
        self.is_spooled() || self.memory.len() + bytes > self.memory_max
    }

    /// Whether it is in a file.
    pub const fn is_spooled(&self) -> bool {
        self.file.is_some()
    }

    /// Bytes that it holds in memory.
    pub const fn memory_bytes(&self) -> usize {
        self.memory.capacity()
    }

    /// The bytes that tell a format; fewer when there are fewer, or when they cannot be read.
    fn first_bytes(&self) -> Vec<u8> {
        let Some(file) = &self.file else {
            return self.memory[..self.memory.len().min(MAGIC_BYTES)].to_vec();
        };
        let mut first = vec![0; MAGIC_BYTES];
        match file.read_exact_at(&mut first, 0) {
            Ok(()) => first,
            Err(_) => Vec::new(),
        }
    }

    fn part(&self, offset: u64, bytes: u64) -> QuarantineBytes<'_> {
        match &self.file {
            Some(file) => QuarantineBytes::File {
                file,
                offset,
                bytes,
            },
            None => {
                let part = usize::try_from(offset)
                    .ok()
                    .zip(usize::try_from(offset + bytes).ok())
                    .and_then(|(start, end)| self.memory.get(start..end));
                QuarantineBytes::Slice(part.unwrap_or_default())
            }
        }
    }
}

/// Stores everything that a complete `body` holds in one transaction, and returns when that is
/// durable. What is no event goes to quarantine: alone when its ends are known, and with the
/// whole body when the body's structure is lost (the complete events before that are stored too).
pub fn take(
    body: &Body,
    cluster: &str,
    source: &str,
    store: &dyn Store,
) -> Result<Receipt, StoreError> {
    take_with(
        normalise,
        body,
        cluster,
        source,
        store.batch(cluster, source),
    )
}

fn take_with(
    normalise: Normalise,
    body: &Body,
    cluster: &str,
    source: &str,
    batch: Box<dyn Batch>,
) -> Result<Receipt, StoreError> {
    let mut taker = Taker {
        normalise,
        cluster,
        batch,
        items: 0,
        bad: Vec::new(),
        lost: None,
    };
    let failed =
        |error: io::Error| StoreError::Io(format!("cannot read the spooled body back: {error}"));
    let mut splitter = Splitter::new(Limits {
        spill: None,
        ..Limits::default()
    });
    match &body.file {
        None => splitter.feed(&body.memory, &mut taker).map_err(failed)?,
        Some(file) => {
            let mut piece = vec![0; PIECE_BYTES];
            let mut offset = 0;
            while offset < body.bytes {
                let room = usize::try_from(body.bytes - offset).unwrap_or(PIECE_BYTES);
                let piece = &mut piece[..room.min(PIECE_BYTES)];
                file.read_exact_at(piece, offset).map_err(failed)?;
                splitter.feed(piece, &mut taker).map_err(failed)?;
                offset += piece.len() as u64;
            }
        }
    }
    splitter.finish(&mut taker).map_err(failed)?;
    taker.finish(body, source)
}

struct Taker<'a> {
    normalise: Normalise,
    cluster: &'a str,
    batch: Box<dyn Batch>,
    items: u64,
    bad: Vec<Bad>,
    /// Why the body as a whole goes to quarantine.
    lost: Option<String>,
}

struct Bad {
    at: Position,
    bytes: u64,
    item: u64,
    reason: String,
    is_item: bool,
}

impl Taker<'_> {
    fn bad(&mut self, at: Position, bytes: u64, is_item: bool, reason: String) {
        if self.bad.len() < limits::BODY_QUARANTINE_ITEMS_MAX {
            let item = self.items;
            self.bad.push(Bad {
                at,
                bytes,
                item,
                reason,
                is_item,
            });
        } else if self.lost.is_none() {
            let first = &self.bad[0];
            self.lost = Some(format!(
                "more than {} items are no events; the first, on line {}: {}",
                self.bad.len(),
                first.at.line,
                first.reason
            ));
        }
    }

    fn finish(mut self, body: &Body, source: &str) -> Result<Receipt, StoreError> {
        if self.items == 0
            && let Some(coding) = content_encoding_of(&body.first_bytes())
        {
            self.lost = Some(format!(
                "not a JSON object: it looks like {coding} data; send it with the header \
                 Content-Encoding: {coding}"
            ));
        }
        let only_lines = self.items == 0 && !self.bad.is_empty();
        if only_lines && self.lost.is_none() && self.bad.iter().all(|bad| !bad.is_item) {
            self.lost = Some(self.bad[0].reason.clone());
        }
        if let Some(reason) = &self.lost {
            self.batch.quarantine(QuarantineItem {
                reason,
                origin: &format!("{source}: the whole body of {} bytes", body.bytes),
                bytes: body.part(0, body.bytes),
            });
        } else {
            for bad in &self.bad {
                self.batch.quarantine(QuarantineItem {
                    reason: &bad.reason,
                    origin: &format!(
                        "{source}: item {} at byte {}, line {}",
                        bad.item, bad.at.offset, bad.at.line
                    ),
                    bytes: body.part(bad.at.offset, bad.bytes),
                });
            }
        }
        if self.items == 0 && self.bad.is_empty() && self.lost.is_none() {
            return Ok(Receipt::default());
        }
        self.batch.commit()
    }
}

impl Items for Taker<'_> {
    type Error = io::Error;

    fn item(&mut self, bytes: &[u8], at: Position) -> io::Result<()> {
        match (self.normalise)(self.cluster, bytes) {
            Ok((event, content)) => self.batch.event(&event, bytes, content),
            Err(Reject(reason)) => self.bad(at, bytes.len() as u64, true, reason),
        }
        self.items += 1;
        Ok(())
    }

    fn broken(&mut self, broken: Broken<'_>) -> io::Result<()> {
        match broken.extent {
            Extent::Rest if self.lost.is_none() => {
                self.lost = Some(format!("line {}: {}", broken.at.line, broken.reason));
            }
            Extent::Rest => {}
            extent => {
                let is_item = extent == Extent::Item;
                self.bad(broken.at, broken.size, is_item, broken.reason.to_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "body/tests.rs"]
mod tests;
