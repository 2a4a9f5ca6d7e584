//! A piece that is no item, on its way to quarantine: in memory, or in a temporary file.

use std::fs::File;
use std::io::{self, Write};

use super::{Broken, BrokenBytes, Extent, Items, Limits, Position};

/// Why a piece is no item.
#[derive(Debug, Default)]
pub(super) enum Why {
    /// It is larger than an item may be.
    #[default]
    TooLarge,
    /// Its JSON ends or goes wrong: so many bytes behind its start, and how.
    Broken(u64, String),
    /// Anything else, in words.
    Other(String),
}

/// The broken piece that is being read, if one is.
#[derive(Debug)]
pub(super) struct Piece {
    begun: Option<Position>,
    why: Why,
    pub(super) extent: Extent,
    file: Option<File>,
    /// Bytes that left the window, those of them that are in the file, and how many of the last
    /// of them are line ends.
    gone: u64,
    kept: u64,
    line_ends: u64,
    /// A line ended inside the piece.
    lines: bool,
}

impl Default for Piece {
    fn default() -> Piece {
        Piece {
            begun: None,
            why: Why::TooLarge,
            extent: Extent::Item,
            file: None,
            gone: 0,
            kept: 0,
            line_ends: 0,
            lines: false,
        }
    }
}

impl Piece {
    pub(super) const fn is_open(&self) -> bool {
        self.begun.is_some()
    }

    /// Begins a piece.
    pub(super) fn open(&mut self, at: Position, why: Why) {
        *self = Piece {
            begun: Some(at),
            why,
            ..Piece::default()
        };
    }

    /// Takes bytes that leave the window.
    pub(super) fn write(&mut self, bytes: &[u8], limits: &Limits) -> io::Result<()> {
        if let Some(dir) = &limits.spill {
            let room = usize::try_from(limits.kept_bytes_max - self.kept).unwrap_or(usize::MAX);
            let kept = &bytes[..bytes.len().min(room)];
            if self.file.is_none() {
                self.file = Some(tempfile::tempfile_in(dir)?);
            }
            if let Some(file) = &mut self.file {
                file.write_all(kept)?;
            }
            self.kept += kept.len() as u64;
        }
        self.gone += bytes.len() as u64;
        let line_ends = trailing_line_ends(bytes) as u64;
        self.lines |= self.line_ends > 0 && line_ends < bytes.len() as u64;
        self.lines |= has_inner_line_end(bytes);
        self.line_ends = match line_ends == bytes.len() as u64 {
            true => self.line_ends + line_ends,
            false => line_ends,
        };
        Ok(())
    }

    /// Hands the piece on, `rest` being its bytes that are still in the window.
    pub(super) fn report<S: Items>(
        &mut self,
        rest: &[u8],
        limits: &Limits,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let Some(at) = self.begun else {
            return Ok(());
        };
        let in_window = self.gone == 0;
        let mut bytes = rest;
        if in_window {
            bytes = &rest[..rest.len() - trailing_line_ends(rest)];
            self.lines = has_inner_line_end(bytes);
        } else {
            self.write(rest, limits)?;
        }
        let size = match in_window {
            true => bytes.len() as u64,
            false => self.gone - self.line_ends,
        };
        let piece = std::mem::take(self);
        let extent = match piece.extent {
            Extent::Line if piece.lines => Extent::Rest,
            extent => extent,
        };
        let mut reason = match piece.why {
            Why::TooLarge => format!(
                "item of {size} bytes: over the limit of {} bytes (event_bytes_max)",
                limits.item_bytes_max
            ),
            // What it was read on with, in search of its end, belongs to other pieces.
            Why::Broken(at, _) if at >= size && extent == Extent::Line => {
                format!("unexpected end of JSON at byte {size} (line cut short?)")
            }
            Why::Broken(at, what) if at >= size => {
                format!("unexpected end of JSON at byte {size}: {what} (cut short?)")
            }
            Why::Broken(at, what) => format!("broken JSON at byte {at}: {what}"),
            Why::Other(reason) => reason,
        };
        let kept = piece.kept.min(size);
        if !in_window && piece.file.is_some() && kept < size {
            reason += &format!("; only its first {kept} of {size} bytes are kept");
        }
        sink.broken(Broken {
            bytes: match &piece.file {
                _ if in_window => BrokenBytes::Slice(bytes),
                Some(file) => BrokenBytes::File { file, bytes: kept },
                None => BrokenBytes::Elsewhere,
            },
            size,
            at,
            extent,
            reason: &reason,
        })
    }
}

fn trailing_line_ends(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count()
}

fn has_inner_line_end(bytes: &[u8]) -> bool {
    let end = bytes.len() - trailing_line_ends(bytes);
    memchr::memchr(b'\n', &bytes[..end]).is_some()
}
