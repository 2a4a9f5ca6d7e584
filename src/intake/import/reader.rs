//! The reading half of an import: inputs to parts.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use super::{Part, Piece, Progress, Reason, Shared, Summary, lock};
use crate::intake::decode::{DecodeError, Decoder};
use crate::intake::files::Input;
use crate::intake::split::{Broken, BrokenBytes, Items, Limits, Position, Splitter};
use crate::limits;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

pub(super) struct Reader<'a> {
    shared: &'a Shared<'a>,
    sender: SyncSender<Part>,
    limits: &'a Limits,
    report: &'a mut dyn FnMut(Progress),
    progress: Progress,
    input: usize,
    part: Part,
    read: u64,
    bytes: u64,
    warnings: Vec<String>,
    errors: Vec<String>,
}

/// Why one input ended early.
pub(super) enum Halt {
    /// A sink failed.
    Stopped,
    /// A temporary file failed.
    Io(io::Error),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Halt {
        Halt::Io(error)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        sender: SyncSender<Part>,
        limits: &'a Limits,
        report: &'a mut dyn FnMut(Progress),
    ) -> Reader<'a> {
        Reader {
            shared,
            sender,
            limits,
            report,
            progress: Progress::default(),
            input: 0,
            part: Part::default(),
            read: 0,
            bytes: 0,
            warnings: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Reads all inputs, and ends the channel.
    pub(super) fn run(mut self, inputs: &[Input]) {
        self.progress.bytes_total = inputs.iter().map(Input::bytes).sum();
        let mut inputs_read = 0;
        for (index, input) in inputs.iter().enumerate() {
            self.input = index;
            let opened: io::Result<Box<dyn Read>> = match input {
                Input::Stdin => Ok(Box::new(io::stdin())),
                Input::File { path, .. } => File::open(path).map(|file| Box::new(file) as _),
            };
            let halted = match opened.and_then(Decoder::new) {
                Ok(decoder) => {
                    inputs_read += 1;
                    self.input(decoder)
                }
                Err(error) => Err(Halt::Io(error)),
            };
            match halted {
                Ok(()) => {}
                Err(Halt::Stopped) => break,
                Err(Halt::Io(error)) => self.fail(&error),
            }
        }
        self.send();
        (self.report)(self.progress);
        let mut summary = lock(&self.shared.summary);
        *summary = Summary {
            inputs: inputs_read,
            read: self.read,
            bytes_read: self.progress.bytes_read,
            bytes: self.bytes,
            warnings: std::mem::take(&mut self.warnings),
            ..std::mem::take(&mut *summary)
        };
        summary.errors.append(&mut self.errors);
    }

    fn fail(&mut self, error: &io::Error) {
        let name = &self.shared.names[self.input];
        self.errors.push(format!("cannot read '{name}': {error}"));
    }

    fn input(&mut self, mut decoder: Decoder<Box<dyn Read>>) -> Result<(), Halt> {
        let before = self.progress.bytes_read;
        let mut splitter = Splitter::new(self.limits.clone());
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = decoder.read(&mut buffer);
            self.progress.bytes_read = before + decoder.bytes_read();
            match read {
                Ok(0) => break,
                Ok(bytes) => {
                    self.bytes += bytes as u64;
                    splitter.feed(&buffer[..bytes], self)?;
                }
                Err(DecodeError::Damaged(why)) => {
                    let name = &self.shared.names[self.input];
                    self.errors.push(format!("{name}: {why}"));
                    break;
                }
                Err(DecodeError::Io(error)) => {
                    self.fail(&error);
                    break;
                }
            }
            (self.report)(self.progress);
            if self.shared.stop.load(Ordering::Relaxed) {
                return Err(Halt::Stopped);
            }
        }
        splitter.finish(self)
    }

    fn push(&mut self, bytes: &[u8], at: Position, broken: Option<Reason>) -> Result<(), Halt> {
        let start = self.part.bytes.len();
        if start == 0 {
            // Growing by doubling would take twice of what a part needs.
            let room = limits::IMPORT_BATCH_BYTES + READ_BYTES;
            self.part.bytes.reserve(room.max(bytes.len()));
        }
        self.part.bytes.extend_from_slice(bytes);
        // Each file holds a descriptor open: hand it on at once.
        let in_file = broken.as_ref().is_some_and(|reason| reason.file.is_some());
        self.part.pieces.push(Piece {
            input: self.input,
            at,
            bytes: start..self.part.bytes.len(),
            broken,
        });
        self.read += 1;
        self.progress.items += 1;
        let full = self.part.bytes.len() >= limits::IMPORT_BATCH_BYTES
            || self.part.pieces.len() >= limits::IMPORT_BATCH_ITEMS;
        if full || in_file {
            self.send();
        }
        match self.shared.stop.load(Ordering::Relaxed) {
            true => Err(Halt::Stopped),
            false => Ok(()),
        }
    }

    fn send(&mut self) {
        if self.part.pieces.is_empty() {
            return;
        }
        let spare = lock(&self.shared.spare).pop().unwrap_or_default();
        let part = std::mem::replace(&mut self.part, spare);
        // It fails only when all workers are gone, and then a panic is already on its way.
        let _ = self.sender.send(part);
    }
}

impl Items for Reader<'_> {
    type Error = Halt;

    fn item(&mut self, bytes: &[u8], at: Position) -> Result<(), Halt> {
        self.push(bytes, at, None)
    }

    fn broken(&mut self, broken: Broken<'_>) -> Result<(), Halt> {
        if broken.size == 0 {
            let name = &self.shared.names[self.input];
            let line = broken.at.line;
            self.warnings
                .push(format!("{name}: line {line}: {}", broken.reason));
            return Ok(());
        }
        let (bytes, file) = match broken.bytes {
            BrokenBytes::Slice(bytes) => (bytes, None),
            BrokenBytes::File { file, bytes } => (&[][..], Some((file.try_clone()?, bytes))),
            BrokenBytes::Elsewhere => (&[][..], None),
        };
        let text = broken.reason.to_owned();
        self.push(bytes, broken.at, Some(Reason { text, file }))
    }
}
