//! Encoding a batch on the thread that received it, and handing it to the writer.

use std::sync::mpsc;

use super::active::{QuarantineContent, QuarantineRow, read_parts};
use super::block::{BlockBuilder, EncodedBlock};
use super::quarantine::quarantine_digest;
use super::writer::{Message, Submission};
use crate::limits;
use crate::model::event::Event;
use crate::model::time;
use crate::store::{Batch, QuarantineBytes, QuarantineItem, Receipt, Result, StoreError};

pub(crate) struct SqliteBatch {
    cluster: String,
    source: String,
    builder: BlockBuilder,
    blocks: Vec<EncodedBlock>,
    quarantine: Vec<QuarantineRow>,
    bytes: usize,
    /// The first failure to encode; reported at the commit.
    failure: Option<StoreError>,
    writer: Option<mpsc::SyncSender<Message>>,
}

impl SqliteBatch {
    pub(crate) fn new(
        cluster: &str,
        source: &str,
        writer: Option<mpsc::SyncSender<Message>>,
    ) -> SqliteBatch {
        SqliteBatch {
            cluster: cluster.to_owned(),
            source: source.to_owned(),
            builder: BlockBuilder::new(),
            blocks: Vec::new(),
            quarantine: Vec::new(),
            bytes: 0,
            failure: None,
            writer,
        }
    }

    fn close_block(&mut self) {
        if self.builder.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.builder, BlockBuilder::new()).finish() {
            Ok(block) => self.blocks.push(block),
            Err(error) => self.failure = Some(error),
        }
    }
}

impl Batch for SqliteBatch {
    fn event(&mut self, event: &Event<'_>, raw: &[u8], content: [u8; 16]) {
        if self.builder.is_full() {
            self.close_block();
        }
        self.builder.push(
            &self.cluster,
            &self.source,
            event,
            raw,
            content,
            time::now(),
        );
        self.bytes += raw.len();
    }

    fn quarantine(&mut self, item: QuarantineItem<'_>) {
        use sha2::Digest;
        let mut digest = quarantine_digest(&self.cluster);
        let (bytes, content) = match item.bytes {
            QuarantineBytes::Slice(slice) => {
                digest.update(slice);
                (
                    slice.len() as u64,
                    Ok(QuarantineContent::Memory(slice.to_vec())),
                )
            }
            QuarantineBytes::File {
                file,
                offset,
                bytes,
            } => {
                let read = read_parts(file, offset, bytes, 1 << 20, &mut |part| {
                    digest.update(part);
                    Ok(())
                });
                let file = file
                    .try_clone()
                    .map_err(|error| StoreError::Io(format!("temporary file: {error}")));
                (
                    bytes,
                    read.and(file)
                        .map(|file| QuarantineContent::File(file, offset)),
                )
            }
        };
        self.bytes += match &content {
            Ok(QuarantineContent::Memory(slice)) => slice.len(),
            _ => 0,
        };
        match content {
            Ok(content) => self.quarantine.push(QuarantineRow {
                origin: item.origin.to_owned(),
                reason: shorten(item.reason),
                bytes,
                digest: digest.finalize().into(),
                content,
            }),
            Err(error) => self.failure = Some(error),
        }
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn commit(mut self: Box<Self>) -> Result<Receipt> {
        self.close_block();
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let Some(writer) = self.writer.take() else {
            return Err(StoreError::Unavailable(
                "the store was opened for reading only".into(),
            ));
        };
        if self.blocks.is_empty() && self.quarantine.is_empty() {
            return Ok(Receipt::default());
        }
        let (reply, answer) = mpsc::sync_channel(1);
        let submission = Submission {
            cluster: self.cluster,
            source: self.source,
            blocks: self.blocks,
            quarantine: self.quarantine,
            reply,
        };
        let stopped = || StoreError::Unavailable("the store is stopping".into());
        writer
            .send(Message::Batch(submission))
            .map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())?
    }
}

fn shorten(reason: &str) -> String {
    let mut end = reason.len().min(limits::REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}
