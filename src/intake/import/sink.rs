//! Where an import puts its parts: a store in this process, or a server.

use super::{BAD_NAMED_MAX, Part, SinkError};
use crate::intake::Normalise;
use crate::intake::split::Position;
use crate::model::normalise::{Reject, normalise};
use crate::store::{Batch, QuarantineBytes, QuarantineItem, Receipt, Store};

/// The source of events that come from files.
const SOURCE: &str = "file";

/// What became of one part.
#[derive(Debug, Default)]
pub struct Taken {
    pub receipt: Receipt,
    /// Items that are no events, and the first of them: input, position, reason.
    pub bad: u64,
    pub first_bad: Vec<(usize, Position, String)>,
}

impl Taken {
    pub(in crate::intake) fn bad(&mut self, input: usize, at: Position, reason: &str) {
        self.bad += 1;
        if self.first_bad.len() < BAD_NAMED_MAX {
            self.first_bad.push((input, at, reason.to_owned()));
        }
    }
}

/// Takes the parts of an import, from several threads.
pub trait Sink: Sync {
    /// Makes a part durable. `names` are the inputs' names.
    fn take(&self, part: &Part, names: &[String]) -> Result<Taken, SinkError>;
}

/// A store in this process.
pub struct LocalSink<'a> {
    cluster: &'a str,
    normalise: Normalise,
    open: Box<dyn Fn() -> Box<dyn Batch> + Sync + 'a>,
}

impl<'a> LocalSink<'a> {
    /// Events of `cluster` into `store`.
    pub fn new(store: &'a dyn Store, cluster: &'a str) -> LocalSink<'a> {
        LocalSink::with(normalise, cluster, move || store.batch(cluster, SOURCE))
    }

    pub(super) fn with(
        normalise: Normalise,
        cluster: &'a str,
        open: impl Fn() -> Box<dyn Batch> + Sync + 'a,
    ) -> LocalSink<'a> {
        LocalSink {
            cluster,
            normalise,
            open: Box::new(open),
        }
    }
}

impl Sink for LocalSink<'_> {
    fn take(&self, part: &Part, names: &[String]) -> Result<Taken, SinkError> {
        let mut batch = (self.open)();
        let mut taken = Taken::default();
        for piece in &part.pieces {
            let bytes = &part.bytes[piece.bytes.clone()];
            let (reason, kept) = match &piece.broken {
                None => match (self.normalise)(self.cluster, bytes) {
                    Ok((event, content)) => {
                        batch.event(&event, bytes, content);
                        continue;
                    }
                    Err(Reject(reason)) => (reason, QuarantineBytes::Slice(bytes)),
                },
                Some(broken) => (
                    broken.text.clone(),
                    match &broken.file {
                        None => QuarantineBytes::Slice(bytes),
                        Some((file, bytes)) => QuarantineBytes::File {
                            file,
                            offset: 0,
                            bytes: *bytes,
                        },
                    },
                ),
            };
            taken.bad(piece.input, piece.at, &reason);
            let Position { offset, line } = piece.at;
            batch.quarantine(QuarantineItem {
                reason: &reason,
                origin: &format!("{}: line {line}, byte {offset}", names[piece.input]),
                bytes: kept,
            });
        }
        taken.receipt = batch.commit()?;
        Ok(taken)
    }
}
